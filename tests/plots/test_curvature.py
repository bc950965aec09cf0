"""The plot of a frontier's bend."""

import numpy as np
import pytest

from chinchilla_lib.fitting.curvature import measure_curvature
from chinchilla_lib.plots.curvature import plot_curvature
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

BUDGETS = [1e18, 1e19, 1e20, 1e21, 1e22]
CURVATURE = measure_curvature(simulate_isoflop_sweep(PUBLISHED, BUDGETS, noise=0.003), n_resamples=200)


def test_minima_stand_over_their_straight_line_and_the_quadratic_goes_through_them() -> None:
    ax = new_axes()
    assert plot_curvature(CURVATURE, ax) is ax
    (minima,) = (line for line in ax.get_lines() if line.get_label() == "minima")
    np.testing.assert_allclose(minima.get_xdata(), BUDGETS)
    left = np.log1p(np.asarray(minima.get_ydata()) / 100)
    assert left.sum() == pytest.approx(0, abs=1e-12)
    assert left @ np.log(BUDGETS) == pytest.approx(0, abs=1e-10)
    (curve,) = (line for line in ax.get_lines() if line.get_label() == "quadratic")
    bend = np.log1p(np.asarray(curve.get_ydata()) / 100)
    x = np.log(np.asarray(curve.get_xdata()) / CURVATURE.middle_flops)
    assert np.polyfit(x, bend, 2)[0] == pytest.approx(CURVATURE.c2, rel=1e-6)
    # As the least squares quadratic, it leaves of the minima what no quadratic takes up.
    rest = left - np.polyval(np.polyfit(x, bend, 2), np.log(np.array(BUDGETS) / CURVATURE.middle_flops))
    for power in range(3):
        assert rest @ np.log(np.array(BUDGETS) / CURVATURE.middle_flops) ** power == pytest.approx(
            0, abs=1e-8
        )
    ax.figure.canvas.draw()


def test_what_would_be_found_is_drawn_both_ways() -> None:
    dashed = [line for line in plot_curvature(CURVATURE).get_lines() if line.get_linestyle() == "--"]
    found = []
    for line in dashed:
        x = np.log(np.asarray(line.get_xdata()) / CURVATURE.middle_flops)
        found.append(np.polyfit(x, np.log1p(np.asarray(line.get_ydata()) / 100), 2)[0])
    assert found == pytest.approx([CURVATURE.detectable, -CURVATURE.detectable], rel=1e-6)
