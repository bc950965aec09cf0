"""Figures of pairs of runs: what is drawn is what was put in."""

import numpy as np
import pytest

from chinchilla_lib.experiments.excess import Trace
from chinchilla_lib.fitting.paired import pair_differences
from chinchilla_lib.plots.differences import plot_differences, plot_learning_rates, plot_traces
from chinchilla_lib.plots.style import new_axes

GROUPS = {
    "small": {"one": (0.01, 0.02, 0.03), "other": (0.0, -0.01, 0.01)},
    "large": {"one": (0.05, 0.06, 0.04), "other": (0.1, 0.12, 0.11)},
}


def test_every_pair_is_drawn_and_each_mean_has_its_interval() -> None:
    ax = new_axes()
    assert plot_differences(GROUPS, ax) is ax
    dots = [tuple(line.get_ydata()) for line in ax.get_lines() if line.get_marker() == "o"]
    assert dots == [by_change[change] for by_change in GROUPS.values() for change in by_change]
    assert [bars.get_label() for bars in ax.containers] == list(GROUPS)
    for bars, by_change in zip(ax.containers, GROUPS.values(), strict=True):
        segments = bars.lines[2][0].get_segments()
        for segment, differences in zip(segments, by_change.values(), strict=True):
            np.testing.assert_allclose(segment[:, 1], pair_differences([differences]).interval)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["one", "other"]
    ax.figure.canvas.draw()


def test_groups_stand_side_by_side_and_the_pooled_mean_beside_them() -> None:
    pooled = {change: pair_differences([g[change] for g in GROUPS.values()]) for change in ("one", "other")}
    ax = plot_differences(GROUPS, pooled=pooled)
    *_, bars = ax.containers
    assert bars.get_label() == "all"
    assert list(bars.lines[0].get_ydata()) == pytest.approx([found.mean for found in pooled.values()])
    at = [container.lines[0].get_xdata() for container in ax.containers]
    assert at[0][0] < at[1][0] < at[2][0] < 0.5 < at[0][1]


def test_a_trace_is_drawn_without_its_beginning() -> None:
    trace = Trace(np.array([0.04, 0.5, 1.0]), np.array([9.0, 0.1, 0.2]), np.array([1.0, 0.01, 0.02]))
    ax = plot_traces({"adam": trace})
    [line] = [line for line in ax.get_lines() if line.get_label() == "adam"]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0.5, 1.0], [0.1, 0.2])
    [band] = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.09, 0.22))


def test_rates_are_drawn_over_their_peak() -> None:
    ax = plot_learning_rates({"matched": [0.01, 0.02, 0.002], "longer": [0.01, 0.02, 0.01]})
    matched, longer = ax.get_lines()
    assert list(matched.get_ydata()) == pytest.approx([0.5, 1, 0.1])
    assert list(longer.get_ydata()) == pytest.approx([0.5, 1, 0.5])
    assert list(matched.get_xdata()) == pytest.approx([1 / 3, 2 / 3, 1])
