"""Cards as text and as HTML: nothing lost, nothing unescaped, no colours."""

from html.parser import HTMLParser

import pytest

from chinchilla_lib._card import Card, CardTable
from chinchilla_lib.errors import InputError

CARD = Card(
    title="A <model> & more",
    subtitle="from a source",
    facts={"Size": "70B\nor so", "Tokens": "1.4T"},
    table=CardTable("places", ("law", "loss"), (("one", "1.9\n1.8 to 2.0"), ("two\nfar out", "2.1"))),
    sections={"Use": {"Not for": "anything < serious " * 8}},
    remark="arithmetic",
)


class Page(HTMLParser):
    """Text of a page, its tags and attributes; complains of tags left open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.attributes: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_whole_says_everything_and_brings_no_colours() -> None:
    page = Page(CARD._repr_html_())
    assert page.open == []
    assert page.attributes == {"class", "scope"}
    said = " ".join(" ".join(page.text).split())
    for text in (
        "A <model> & more",
        "from a source",
        "Size 70B or so",
        "1.9 1.8 to 2.0",
        "Not for",
        "arithmetic",
    ):
        assert text in said


def test_text_says_everything_within_a_line() -> None:
    lines = str(CARD).splitlines()
    assert max(map(len, lines)) <= 74
    said = " ".join(" ".join(lines).split())
    for text in (
        "A <model> & more",
        "from a source",
        "Size: 70B; or so",
        "loss 1.8 to 2.0",
        "far out",
        "Not for:",
    ):
        assert text in said
    assert lines[-1] == "arithmetic"
    assert repr(CARD) == str(CARD)


def test_columns_are_aligned() -> None:
    table = CardTable("c", ("law", "loss"), (("a", "1.95"), ("longer", "2")))
    assert table.to_text().splitlines() == ["c", "law     loss", "a       1.95", "longer     2"]


def test_an_empty_card_is_its_title() -> None:
    assert str(Card("mine")).splitlines() == ["mine", "===="]
    assert "<dl" not in Card("mine")._repr_html_()


def test_rows_have_as_many_cells_as_columns() -> None:
    with pytest.raises(InputError, match="row 'a' has 1 cells; there are 2 columns"):
        CardTable("c", ("law", "loss"), (("a",),))
