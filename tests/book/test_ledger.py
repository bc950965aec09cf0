"""The ledger against the notebooks that settle it."""

from pathlib import Path

import nbformat
import pytest

from book._tools import ledger
from book._tools.notebooks import outputs_of
from book._tools.project import BuildError, Project
from chinchilla_lib.notebook import CLAIM_KEY
from chinchilla_lib.reference import claims
from chinchilla_lib.reference.claims import Claim, Settled


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two chapters, of which the first settles `one` with a picture; `two` is not reproducible."""
    (tmp_path / "_toc.yml").write_text(
        "root: intro\nparts: [{chapters: [{file: notebooks/a}, {file: notebooks/b}]}]"
    )
    one = Claim("one", "frontier", "Table 2", "An exponent.", "runs", "0.50", chapter="a", figure="plot_it")
    two = Claim("two", "frontier", "Figure 9", "A <thing>.", "none", why="never released")
    monkeypatch.setattr(ledger, "load_claims", lambda: {"one": one, "two": two})
    write(Project(tmp_path), "a", "one", 0.497)
    write(Project(tmp_path), "b")
    return Project(tmp_path)


def write(
    project: Project, chapter: str, claim: str = "", value: float = 0.0, drawn: str = "plot_it(x)"
) -> None:
    picture = nbformat.v4.new_output("display_data", {"image/png": ""})
    cells = [nbformat.v4.new_code_cell(drawn, outputs=[picture])]
    if claim:
        record = {CLAIM_KEY: {"id": claim, "value": value, "interval": [value - 0.001, value + 0.001]}}
        shown = nbformat.v4.new_output("display_data", {"text/plain": ""}, metadata=record)
        cells.append(nbformat.v4.new_code_cell("settle()", outputs=[shown]))
    path = outputs_of(project, chapter)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_verdicts_are_those_of_the_notebooks(book: Project) -> None:
    settled = ledger.collect(book)
    assert [row.verdict for row in settled.values()] == ["shown at our scale", "not reproducible here"]
    write(book, "a", "one", 0.45)
    assert ledger.collect(book)["one"].verdict == "does not hold at our scale"


@pytest.mark.parametrize(
    ("chapter", "claim", "drawn", "message"),
    [
        ("a", "", "plot_it(x)", "a does not settle one"),
        ("a", "one", "plot_other(x)", "a has no picture by plot_it"),
        ("a", "three", "plot_it(x)", "a settles three, which the ledger does not have"),
        ("b", "one", "plot_it(x)", "b settles one, which the ledger does not have there"),
        ("b", "two", "plot_it(x)", "b settles two, which"),
    ],
)
def test_a_cell_or_figure_that_is_gone_is_an_error(
    book: Project, chapter: str, claim: str, drawn: str, message: str
) -> None:
    write(book, chapter, claim, 0.5, drawn)
    with pytest.raises(BuildError, match=message):
        ledger.collect(book)


def test_drift_is_noticed_and_rounding_is_not(book: Project, tmp_path: Path) -> None:
    record = tmp_path / "ledger.csv"
    settled = ledger.collect(book)
    record.write_text(ledger.record_of(settled))
    assert ledger.drift(record, settled) == []
    write(book, "a", "one", 0.4971)  # half of the tenth of an interval
    assert ledger.drift(record, ledger.collect(book)) == []
    write(book, "a", "one", 0.4974)
    assert ledger.drift(record, ledger.collect(book)) == ["one: 0.4974, was 0.497"]
    write(book, "a", "one", 0.52)
    assert "one: does not hold at our scale, was shown at our scale" in ledger.drift(
        record, ledger.collect(book)
    )
    del settled["two"]
    assert "two: in ledger.csv only" in ledger.drift(record, settled)


def test_pages_have_the_rows_they_ask_for(book: Project) -> None:
    pages = {
        "ledger.md": f"# Ledger\n\n{ledger.PLACE}".encode(),
        "intro.md": b"# Found\n\n% claims two one\n\nMore.\n",
        "other.md": b"# Other\n",
        "picture.png": b"\xff",
    }
    ledger.fill(book, pages)
    text = pages["ledger.md"].decode()
    assert '<a href="../notebooks/a.html#claim-one">shown at our scale</a>' in text
    assert '0.497 <span class="ledger-interval">(0.496 to 0.498)</span>' in text
    assert "A &lt;thing&gt;." in text and "Never released." in text
    assert "2 claims: 1 hold, 0 do not, 0 open, 1 not reproducible here." in text
    some = pages["intro.md"].decode()
    assert some.index("A &lt;thing&gt;.") < some.index("An exponent.") < some.index("More.")
    assert "Never released" not in some and 'id="one"' not in some
    assert (pages["other.md"], pages["picture.png"]) == (b"# Other\n", b"\xff")


def test_a_page_that_names_an_unknown_claim_is_refused(book: Project) -> None:
    with pytest.raises(BuildError, match="does not have: three"):
        ledger.fill(book, {"intro.md": b"% claims one three\n"})


def test_every_part_has_a_title() -> None:
    assert list(ledger.TITLES) == list(claims.PARTS)


@pytest.mark.book
def test_no_number_has_moved_since_it_was_written_down(project: Project, executed: Path) -> None:
    assert ledger.drift(project.root / ledger.RECORD, ledger.collect(project)) == []


@pytest.mark.book
def test_every_verdict_links_to_its_cell(project: Project, site: Path) -> None:
    settled: dict[str, Settled] = ledger.collect(project)
    for row in settled.values():
        if row.claim.chapter:
            page = (site / "notebooks" / f"{row.claim.chapter}.html").read_text()
            assert f'id="claim-{row.claim.id}"' in page


def test_pages_name_claims_that_there_are(project: Project) -> None:
    named = [
        name
        for path in (project.root / "book").glob("*.md")
        for row in ledger.SOME.findall(path.read_text())
        for name in row.split()
    ]
    assert len(named) > 5 and set(named) <= set(claims.load_claims())
