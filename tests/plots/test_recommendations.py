"""The plot of recommendations: places, colours by group, the band, and what is refused."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.recommendations import GROUPS, Recommendation, recommendations
from chinchilla_lib.plots.recommendations import plot_recommendations
from chinchilla_lib.plots.style import PALETTE, new_axes

ROWS = (
    Recommendation("one", GROUPS[0], 1e9, 2e10),
    Recommendation("two", GROUPS[0], 1e9, 5e10, (30.0, 70.0)),
    Recommendation("three", GROUPS[4], 1e12, 1e11),
)


def test_rows_stand_from_top_to_bottom_at_their_ratios_in_the_colours_of_their_groups() -> None:
    ax = new_axes()
    assert plot_recommendations(ROWS, ax, ratio=20) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two", "three"]
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == pytest.approx([20, 50, 0.1])
    assert [dot.get_color() for dot in dots] == [PALETTE[0], PALETTE[0], PALETTE[4]]
    bottom, top = ax.get_ylim()
    heights = [dot.get_ydata()[0] for dot in dots]
    assert heights[1] - heights[0] < heights[2] - heights[1], "groups stand apart"
    assert heights == sorted(heights) and bottom > heights[-1] and top < heights[0]
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [GROUPS[0], GROUPS[4]]
    ax.figure.canvas.draw()


def test_the_interval_and_the_band_of_the_factor_are_drawn_where_they_are() -> None:
    ax = plot_recommendations(ROWS, ratio=20, factor=4)
    assert any(list(line.get_xdata()) == [30.0, 70.0] for line in ax.get_lines())
    low, high = (ax.patches[0].get_extents().transformed(ax.transData.inverted()).intervalx).tolist()
    assert (low, high) == pytest.approx((5, 80))
    (line,) = (line for line in ax.get_lines() if line.get_linestyle() == ":")
    assert line.get_xdata()[0] == 20


def test_all_that_the_library_knows_fits_on_it() -> None:
    rows = recommendations()
    ax = plot_recommendations(rows, ratio=20)
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    assert all(low < row.tokens_per_param < high for row in rows)


def test_nothing_and_unknown_groups_are_refused() -> None:
    with pytest.raises(InputError, match="rows is empty"):
        plot_recommendations((), ratio=20)
    with pytest.raises(InputError, match="of the group 'mine'"):
        plot_recommendations([Recommendation("one", "mine", 1.0, 1.0)], ratio=20)
    with pytest.raises(InputError, match="ratio must be"):
        plot_recommendations(ROWS, ratio=0)
