"""Plots of Approach 1: which curves, which dots, and how far each run had come."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.fitting.envelope import fit_envelope
from chinchilla_lib.plots.envelope import plot_envelope, plot_share_done
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_isoflop_sweep, simulate_table
from tests.test_laws import PUBLISHED

SIZES = np.geomspace(1e8, 1e9, 8)
TABLE = simulate_table(PUBLISHED, np.repeat(SIZES, 2), np.outer(SIZES, [20, 80]).ravel())
CURVES = simulate_curves(PUBLISHED, TABLE, excess=0.2)
FIT = fit_envelope(TABLE, CURVES)


def test_every_curve_is_drawn_and_every_selected_run_has_a_dot() -> None:
    ax = new_axes()
    assert plot_envelope(FIT, CURVES, ax) is ax
    *curves, dots = ax.get_lines()
    assert len(curves) == len(CURVES)
    np.testing.assert_array_equal(curves[3].get_ydata(), CURVES.loss[600:800])
    np.testing.assert_array_equal(dots.get_xdata(), [point.flops for point in FIT.points])
    ends = [curve.get_ydata()[-1] for curve in curves]
    assert ax.get_ylim()[0] < min(ends) and max(ends) < ax.get_ylim()[1]
    ax.figure.canvas.draw()


def test_curves_of_one_size_share_a_colour() -> None:
    *curves, _ = plot_envelope(FIT, CURVES).get_lines()
    assert len({curve.get_color() for curve in curves}) == len(SIZES)
    assert curves[0].get_color() == curves[1].get_color()


def test_the_place_in_the_schedule_is_what_the_fit_reports() -> None:
    ax = plot_share_done(FIT)
    [dots] = ax.get_lines()
    shares = [row["share_done"][1] for row in FIT.diagnostics.details["selected"]]
    np.testing.assert_array_equal(dots.get_ydata(), shares)
    ax.figure.canvas.draw()


def test_a_fit_without_curves_has_no_place_in_a_schedule() -> None:
    fit = fit_isoflop_profiles(simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19]))
    with pytest.raises(InputError, match="method isoflop selects no runs under way"):
        plot_share_done(fit)
