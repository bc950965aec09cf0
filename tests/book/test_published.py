"""A page once published is still there, or leads to where it went."""

from pathlib import Path

import pytest

from book._tools import published
from book._tools.project import BuildError, Project


@pytest.fixture
def book(tmp_path: Path) -> Project:
    """A book of two pages, one of them new, and a list of what was published before."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text("root: book/intro\nparts: [{chapters: [{file: notebooks/new}]}]\n")
    (tmp_path / "_config.yml").write_text("title: A & B\n")
    (tmp_path / published.LIST).write_text("# words\nbook/intro\nold/page -> book/intro\n")
    return Project(tmp_path)


def test_every_page_once_published_is_still_there_or_leads_on(project: Project) -> None:
    assert published.complain(published.read(project), project.pages()) == []


def test_list_names_what_is_missing(book: Project) -> None:
    pages = book.pages()
    assert published.complain(published.read(book), pages) == ["notebooks/new is new: run `make links`"]
    assert published.complain({"a": None, "b": "c", "d": "e"}, ["d", "e"]) == [
        "e is new: run `make links`",
        "a is gone: write `a -> NEW`",
        "b leads to c, which is no page of the book",
        "d is a page of the book and cannot lead to e",
    ]


def test_new_pages_are_added_once(book: Project) -> None:
    assert published.write(book) == [book.root / published.LIST]
    assert published.write(book) == []
    assert published.complain(published.read(book), book.pages()) == []
    assert published.read(book)["old/page"] == "book/intro"


def test_a_page_has_one_line(book: Project) -> None:
    with (book.root / published.LIST).open("a") as file:
        file.write("book/intro\n")
    with pytest.raises(BuildError, match="book/intro has two lines"):
        published.read(book)


def test_moved_page_leads_to_its_new_place_by_a_relative_address(book: Project) -> None:
    [(path, text)] = published.redirects(book, "https://x.example/b/").items()
    assert path == "old/page.html" and "<title>A &amp; B</title>" in text
    assert '<link rel="canonical" href="https://x.example/b/book/intro.html">' in text
    assert 'location.replace("../book/intro.html" + location.hash)' in text
    assert 'content="0; url=../book/intro.html"' in text
    assert 'url=book/intro.html"' in published.leading("index", "book/intro", "https://x.example/b/", "A")
