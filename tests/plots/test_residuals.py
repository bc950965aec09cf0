"""The plot of residuals."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric
from chinchilla_lib.plots.residuals import plot_residuals, plot_valley_residuals
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

FIT = fit_parametric(simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.01))


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


def test_valleys_lie_over_one_another_about_their_minima() -> None:
    table = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.01)
    fit = fit_isoflop_profiles(table)
    ax = plot_valley_residuals(fit, noise=0.02)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [len(v.index) for v in fit.diagnostics.valleys]
    for line, valley in zip(dots, fit.diagnostics.valleys, strict=True):
        np.testing.assert_allclose(line.get_ydata(), fit.residuals[valley.index])
        np.testing.assert_allclose(line.get_xdata(), table.n_params[valley.index] / valley.optimum.n_params)
    [band] = ax.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((-0.02, 0.04))
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["noise of a run", "1e18", "1e19", "1e20"]
    ax.figure.canvas.draw()


def test_a_fit_without_valleys_is_refused() -> None:
    with pytest.raises(InputError, match="method parametric has no valleys"):
        plot_valley_residuals(FIT)
