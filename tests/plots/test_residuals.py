"""The plot of residuals."""

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot

from chinchilla_lib.fitting import fit_parametric
from chinchilla_lib.plots.residuals import plot_residuals
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

FIT = fit_parametric(simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.01))


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def test_residuals_are_log_ratios_in_percent() -> None:
    ax = new_axes()
    assert plot_residuals(FIT, ax, delta=1e-3) is ax
    fitted = FIT.law.loss(FIT.table.n_params, FIT.table.n_tokens)
    dots = ax.get_lines()[-1]
    np.testing.assert_allclose(dots.get_ydata(), 100 * np.log(FIT.table.loss / fitted), atol=1e-9)
    np.testing.assert_array_equal(dots.get_xdata(), FIT.table.flops)
    [band] = ax.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((-0.1, 0.2))
    ax.figure.canvas.draw()
