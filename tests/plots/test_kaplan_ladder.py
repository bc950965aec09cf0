"""The ladder's figures: every exponent where it belongs, and nothing drawn that is not there."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.recount import recount_frontier
from chinchilla_lib.plots.kaplan_ladder import plot_ladder, plot_local_exponents
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference import LAWS

SERIES = {
    "ours": [(0.8, (0.7, 0.9)), (0.6, (0.55, 0.65)), (0.5, (0.45, 0.56))],
    "theirs": [(0.84, (0.82, 0.85)), (0.7, (0.69, 0.72)), (0.52, (0.5, 0.53))],
}
RUNGS = ("one", "two", "three")


def test_rungs_stand_from_top_to_bottom_side_by_side() -> None:
    ax = new_axes()
    assert plot_ladder(RUNGS, SERIES, ax, marks={"Kaplan": 0.73}) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == list(RUNGS)
    bottom, top = ax.get_ylim()
    assert bottom > top
    drawn = {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}
    assert list(drawn) == list(SERIES)
    for label, line in drawn.items():
        assert list(line.get_xdata()) == [exponent for exponent, _ in SERIES[label]]
        assert [round(place) for place in line.get_ydata()] == [0, 1, 2]
    ours, theirs = drawn.values()
    assert ours.get_color() != theirs.get_color()
    assert (np.abs(np.subtract(ours.get_ydata(), theirs.get_ydata())) > 0.1).all()
    intervals = [tuple(line.get_xdata()) for line in ax.get_lines() if len(line.get_xdata()) == 2]
    for points in SERIES.values():
        for _, interval in points:
            assert interval in intervals
    assert [text.get_text() for text in ax.texts] == ["Kaplan"]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "series must be 1 to 5, found 0"),
        ({"short": SERIES["ours"][:2]}, "'short' has 2 exponents; give one for each rung, 3"),
    ],
)
def test_a_ladder_with_missing_rungs_is_refused(series: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot_ladder(RUNGS, series)


def test_local_exponents_are_those_of_the_frontier() -> None:
    sizes = np.geomspace(1e4, 1e9, 40)
    frontiers = {
        "all": recount_frontier(LAWS["epoch"].law, sizes, sizes, 6 * sizes),
        "without": recount_frontier(LAWS["epoch"].law, sizes + 4e4 * sizes ** (1 / 3), sizes, 6 * sizes),
    }
    ax = plot_local_exponents(frontiers)
    lines = {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}
    assert list(lines) == list(frontiers)
    for label, line in lines.items():
        np.testing.assert_array_equal(line.get_ydata(), frontiers[label].exponent)
    assert ax.get_xscale() == "log"
    with pytest.raises(InputError, match="frontiers must be 1 to 5, found 0"):
        plot_local_exponents({})
