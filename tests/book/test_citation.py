"""How to cite: BibTeX that BibTeX reads, made from CITATION.cff alone."""

import pytest
import yaml
from pybtex.database import BibliographyData, parse_file, parse_string

from book._tools import citation
from book._tools.project import BuildError, Project


@pytest.fixture(scope="module")
def entries(project: Project) -> BibliographyData:
    return parse_string(citation.bibtex(project), "bibtex")


def test_book_and_paper_are_those_of_the_citation_file(project: Project, entries: BibliographyData) -> None:
    cff = yaml.safe_load((project.root / "CITATION.cff").read_text())
    book, paper = entries.entries[citation.BOOK_KEY], entries.entries["hoffmann2022"]
    assert len(entries.entries) == 2
    assert book.fields["title"].strip("{}") == cff["title"]
    assert book.fields["url"] == cff["url"] and cff["version"] in book.fields["note"]
    assert paper.fields["title"].strip("{}") == cff["references"][0]["title"]
    assert [a["given-names"] for a in cff["references"][0]["authors"]] == [
        " ".join(person.first_names + person.middle_names) for person in paper.persons["author"]
    ]


def test_paper_is_the_one_of_the_bibliography(project: Project, entries: BibliographyData) -> None:
    ours = entries.entries["hoffmann2022"]
    cited = parse_file(str(project.root / "book/references.bib"), "bibtex").entries["hoffmann2022"]
    for field in ("journal", "year", "url"):
        assert ours.fields[field] == cited.fields[field]
    named = [str(person) for person in cited.persons["author"] if str(person) != "others"]
    assert named == [str(person) for person in ours.persons["author"]][: len(named)]


def test_names_of_groups_and_of_families_with_particles() -> None:
    people = [
        {"name": "A group and friends"},
        {"family-names": "Driessche", "name-particle": "van den", "given-names": "George"},
    ]
    assert citation.names(people) == "{A group and friends} and van den Driessche, George"
    with pytest.raises(BuildError, match=r"CITATION\.cff: an author"):
        citation.names([{"alias": "someone"}])


@pytest.mark.book
def test_page_shows_what_the_file_gives(project: Project, site: object) -> None:
    from html.parser import HTMLParser

    texts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = texts.append  # type: ignore[method-assign]
    parser.feed((project.site / "book/cite.html").read_text(encoding="utf-8"))
    assert citation.bibtex(project).strip() in "".join(texts)
