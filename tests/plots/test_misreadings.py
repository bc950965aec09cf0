"""The plot of figures that are off: order, sides, and what is left out."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.misreadings import plot_misreadings
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference.claims import Claim, Settled


def settled(value: float, paper: str = "10", where: str = "Table 1") -> Settled:
    claim = Claim("x", "misprints", where, "", "paper", paper, unit="tokens", chapter="misreadings")
    return claim.settle(value)


MANY = [
    settled(11),
    settled(100),
    settled(10),
    settled(5),
    settled(10.1, "10.0"),
    settled(-1),
    settled(3, "0"),
]


def test_what_differs_stands_in_order_with_the_figure_found() -> None:
    ax = new_axes()
    assert plot_misreadings(MANY, ax) is ax
    marks = {line.get_marker(): line for line in ax.get_lines() if line.get_marker() in "^v"}
    np.testing.assert_allclose(marks["^"].get_xdata(), [0.01, 0.1, 9])
    np.testing.assert_allclose(marks["v"].get_xdata(), [1])
    assert [text.get_text() for text in ax.texts] == ["10.1", "11", "5", "100"]
    assert list(marks["^"].get_ydata()) == [0, 1, 3] and list(marks["v"].get_ydata()) == [2]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "more than claimed",
        "less than claimed",
    ]
    ax.figure.canvas.draw()


def test_twice_and_half_are_equally_far_off() -> None:
    ax = plot_misreadings([settled(5), settled(20)])
    ends = [line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() in "^v"]
    assert ends == [1, 1]


def test_ticks_say_how_far_off_their_place_is() -> None:
    ax = plot_misreadings([settled(10.01, "10.000"), settled(2000)])
    for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
        text = label.get_text()
        assert 1 + place == pytest.approx(float(text[1:]) if text[0] == "×" else 1 + float(text[:-2]) / 100)


def test_labels_name_the_place_where_there_are_several() -> None:
    one = plot_misreadings([settled(5), settled(20)])
    assert [label.get_text() for label in one.get_yticklabels()] == ["10 tokens"] * 2
    two = plot_misreadings([settled(5), settled(30, where="Abstract")])
    assert [label.get_text() for label in two.get_yticklabels()] == [
        "Table 1: 10 tokens",
        "Abstract: 10 tokens",
    ]


def test_the_line_of_the_factor_is_where_it_was_asked_for() -> None:
    ax = plot_misreadings(MANY, factor=1.25)
    (line,) = (line for line in ax.get_lines() if line.get_linestyle() == ":")
    assert line.get_xdata()[0] == 0.25


def test_all_marks_are_within_the_axis() -> None:
    ax = plot_misreadings([settled(10.02, "10.00"), settled(2000)])
    low, high = ax.get_xlim()
    for line in ax.get_lines():
        if line.get_marker() in "^v":
            assert all(low < x < high for x in line.get_xdata())


@pytest.mark.parametrize("nothing", [[], [settled(10)], [settled(-1)]])
def test_nothing_to_draw_is_refused(nothing: list[Settled]) -> None:
    with pytest.raises(InputError, match="no claim that differs by a ratio"):
        plot_misreadings(nothing)


@pytest.mark.parametrize("factor", [1, 0.5, np.inf, np.nan])
def test_a_factor_that_separates_nothing_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match="factor is"):
        plot_misreadings(MANY, factor=factor)
