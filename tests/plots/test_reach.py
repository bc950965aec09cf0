"""The plot of reach: bars where the spans are, decades to the goal, and what is refused."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.reach import plot_reach
from chinchilla_lib.plots.style import new_axes

SPANS = {"ours": (1e10, 1e13), "theirs": (1e18, 1e21)}


def test_spans_stand_in_their_order_with_the_decades_that_are_left() -> None:
    ax = new_axes()
    assert plot_reach(SPANS, ax, goal=("there", 1e23)) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ours", "theirs"]
    assert [text.get_text() for text in ax.texts] == ["10.0 decades", "2.0 decades"]
    bars = [line for line in ax.get_lines() if line.get_linewidth() > 5]
    assert [tuple(bar.get_xdata()) for bar in bars] == list(SPANS.values())
    assert [bar.get_ydata()[0] for bar in bars] == [0, 1] and ax.yaxis_inverted()
    assert ax.get_title(loc="right") == "there"
    assert 1e23 in {line.get_xdata()[0] for line in ax.get_lines()}, "the goal has its line"
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ({}, "spans is empty"),
        ({"one": (1e12, 1e10)}, "one spans"),
        ({"one": (0.0, 1e10)}, "one spans"),
        ({"one": (1e10, 1e24)}, "one spans"),
    ],
)
def test_spans_that_are_none_or_pass_the_goal_are_refused(spans: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot_reach(spans, goal=("there", 1e23))


def test_a_span_may_be_one_budget_and_end_at_the_goal() -> None:
    ax = plot_reach({"there": (1e23, 1e23)}, goal=("there", 1e23))
    assert [text.get_text() for text in ax.texts] == ["0.0 decades"]
