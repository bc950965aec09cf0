"""Plots of valleys: what is drawn is what was measured and fitted."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.plots.isoflop import plot_isoflop_profiles
from chinchilla_lib.plots.style import CARD, new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.fitting.test_isoflop import BOWL, SIZES, valley_of
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], n_sizes=5, noise=0.002)

SLOPE = [4.0, 3.6, 3.3, 3.1, 3.0]


def test_a_fit_shows_runs_parabolas_and_minima() -> None:
    fit = fit_isoflop_profiles(TABLE)
    ax = new_axes()
    assert plot_isoflop_profiles(fit, ax=ax) is ax
    assert len(ax.get_lines()) == 3 + 3 + 1
    for valley, runs, parabola in zip(
        fit.diagnostics.valleys, ax.get_lines()[:3], ax.get_lines()[3:6], strict=True
    ):
        np.testing.assert_array_equal(runs.get_xdata(), TABLE.n_params[valley.index])
        np.testing.assert_array_equal(runs.get_ydata(), TABLE.loss[valley.index])
        assert runs.get_linestyle() == "None"
        assert same_color(runs.get_color(), parabola.get_color())
        assert np.min(parabola.get_ydata()) == pytest.approx(valley.optimum.loss, rel=1e-4)
    np.testing.assert_array_equal(ax.get_lines()[6].get_xdata(), [p.n_params for p in fit.points])
    assert [text.get_text() for text in ax.texts] == ["1e18", "1e19", "1e20"]
    assert ax.get_xscale() == "log"
    assert "nats" in ax.get_ylabel()
    assert ax.get_title(loc="left"), "where a notebook's own title replaces it"


def test_labels_stay_inside_the_axes() -> None:
    ax = plot_isoflop_profiles(fit_isoflop_profiles(TABLE))
    ax.figure.canvas.draw()
    frame = ax.get_window_extent()
    assert all(text.get_window_extent().x1 <= frame.x1 for text in ax.texts)


def test_a_table_alone_is_joined_by_lines() -> None:
    ax = plot_isoflop_profiles(TABLE)
    assert len(ax.get_lines()) == 3
    assert all(line.get_linestyle() == "-" for line in ax.get_lines())


def test_a_valley_left_out_looks_different() -> None:
    rows = [*valley_of(SIZES, BOWL, 1e15), *valley_of(SIZES, BOWL, 4e15), *valley_of(SIZES, SLOPE, 1e16)]
    ax = plot_isoflop_profiles(fit_isoflop_profiles(SweepTable.from_records(rows)))
    dashed = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    hollow = [
        line
        for line in ax.get_lines()
        if line.get_marker() == "o" and same_color(line.get_markerfacecolor(), CARD)
    ]
    assert len(dashed) == len(hollow) == 1
    np.testing.assert_array_equal(hollow[0].get_ydata(), SLOPE)
