"""A card: facts under headings, a table and a remark, as plain text and as HTML.

The HTML holds classes and no colours; ``book/_static/book.css`` dresses them, and without it a card is
plain lists and tables.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from chinchilla_lib.errors import InputError

__all__ = ["Card", "CardTable"]

_WIDTH = 74
_TERM = 18


@dataclass(frozen=True)
class CardTable:
    """Rows under column names, the first cell of a row being its name.

    Raises
    ------
    InputError
        If a row has another number of cells than there are columns.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """A cell may have a second, smaller line after a line break."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"row {row[0]!r} has {len(row)} cells; there are {len(self.columns)} columns"
                )

    def to_text(self) -> str:
        """Aligned columns; second lines of cells stand below the row, by column."""
        lines = [self.columns, *(tuple(cell.partition("\n")[0] for cell in row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [self.caption]
        for position, line in enumerate(lines):
            cells = [line[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            text.append("  ".join(cells).rstrip())
            if position:
                text += self._below(self.rows[position - 1])
        return "\n".join(text)

    def _below(self, row: tuple[str, ...]) -> list[str]:
        below = []
        for column, cell in zip(self.columns, row, strict=True):
            if second := cell.partition("\n")[2]:
                below.append(second if column == self.columns[0] else f"{column} {second}")
        return _wrapped("; ".join(below), "    ", "    ") if below else []

    def to_html(self) -> str:
        """A table with a caption, and headers for columns and rows."""
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        body = "".join(
            f'<tr><th scope="row">{_two_lines(row[0])}</th>'
            + "".join(f"<td>{_two_lines(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        return (
            f"<table><caption>{escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


@dataclass(frozen=True, repr=False)
class Card:
    """What there is to know of a model, on one card; notebooks show it as HTML, all else as text."""

    title: str
    subtitle: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Text by term, short ones: they stand side by side where there is room."""
    table: CardTable | None = None
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Longer facts, by heading and term."""
    remark: str = ""

    def __str__(self) -> str:
        text = [self.title, "=" * len(self.title)]
        text += _wrapped(self.subtitle)
        for term, fact in self.facts.items():
            text += _fact(term, fact)
        if self.table is not None:
            text += ["", self.table.to_text()]
        for heading, facts in self.sections.items():
            text += ["", heading]
            for term, fact in facts.items():
                text += _fact(term, fact)
        if self.remark:
            text += ["", *_wrapped(self.remark)]
        return "\n".join(text)

    def __repr__(self) -> str:
        return str(self)  # what a notebook shows where it cannot show HTML

    def _repr_html_(self) -> str:
        parts = [f'<p class="model-card-title">{escape(self.title)}</p>']
        if self.subtitle:
            parts.append(f'<p class="model-card-subtitle">{escape(self.subtitle)}</p>')
        if self.facts:
            parts.append(f'<dl class="model-card-facts">{_listed(self.facts)}</dl>')
        if self.table is not None:
            parts.append(self.table.to_html())
        for heading, facts in self.sections.items():
            parts.append(
                f'<p class="model-card-heading">{escape(heading)}</p>'
                f'<dl class="model-card-section">{_listed(facts)}</dl>'
            )
        if self.remark:
            parts.append(f'<p class="model-card-remark">{escape(self.remark)}</p>')
        return f'<div class="model-card">{"".join(parts)}</div>'


def _listed(facts: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{escape(term)}</dt><dd>{_two_lines(fact)}</dd></div>" for term, fact in facts.items()
    )


def _two_lines(cell: str) -> str:
    first, _, second = cell.partition("\n")
    return escape(first) + (f"<small>{escape(second)}</small>" if second else "")


def _fact(term: str, fact: str) -> list[str]:
    return _wrapped(fact.replace("\n", "; "), f"{term + ':':{_TERM}} ", " " * (_TERM + 1))


def _wrapped(text: str, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=later)
