"""The plot of exponents: names in their order, intervals, and what leaves the axis."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.exponents import plot_exponents
from chinchilla_lib.plots.style import new_axes

GROUPS = {
    "simulated": [("one", 0.5, (0.45, 0.56)), ("two", 0.48, None)],
    "ours": [("three", 0.6, (0.1, 1.4))],
}


def test_rows_stand_from_top_to_bottom_with_their_names() -> None:
    ax = new_axes()
    assert plot_exponents(GROUPS, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two", "three"]
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [0.5, 0.48, 0.6]
    bottom, top = ax.get_ylim()
    heights = [dot.get_ydata()[0] for dot in dots]
    assert heights == sorted(heights) and bottom > heights[-1] and top < heights[0]
    assert dots[0].get_color() == dots[1].get_color() != dots[2].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(GROUPS)
    ax.figure.canvas.draw()


def test_an_interval_that_leaves_the_axis_has_an_arrow() -> None:
    ax = plot_exponents(GROUPS, limits=(0.3, 0.8), truth=0.5)
    arrows = {line.get_marker(): line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() in "<>"}
    assert arrows == {"<": 0.3, ">": 0.8}
    assert ax.get_xlim() == (0.3, 0.8)


@pytest.mark.parametrize("groups", [{}, {"empty": []}, {str(k): GROUPS["ours"] for k in range(6)}])
def test_nothing_to_draw_and_too_many_groups_are_refused(groups: dict) -> None:
    with pytest.raises(InputError, match="groups must be 1 to 5"):
        plot_exponents(groups)
