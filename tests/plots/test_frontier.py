"""Plots of the frontier: the law, its band and its points."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit
from chinchilla_lib.plots.frontier import plot_frontier
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.002)
FIT = bootstrap_fit(ISOFLOP, TABLE, n_draws=100)


@pytest.mark.parametrize(
    ("quantity", "law", "letter"), [("n_params", FIT.n_opt, "a"), ("n_tokens", FIT.d_opt, "b")]
)
def test_law_points_and_band(quantity: str, law: object, letter: str) -> None:
    ax = new_axes()
    assert plot_frontier(FIT, ax=ax, quantity=quantity, extend_decades=1, level=0.8) is ax
    line, points = ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), law.predict(line.get_xdata()))
    assert line.get_xdata()[[0, -1]] == pytest.approx([1e17, 1e21])
    np.testing.assert_array_equal(points.get_ydata(), [getattr(p, quantity) for p in FIT.points])
    (band,) = ax.collections
    low, high = FIT.band(quantity, line.get_xdata()[-1:], 0.8)
    at_end = [y for x, y in band.get_paths()[0].vertices if x == line.get_xdata()[-1]]
    assert (min(at_end), max(at_end)) == pytest.approx((low[0], high[0]))
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert f"{law.exponent:.3f}" in ax.texts[0].get_text()
    assert "80% interval" in ax.texts[0].get_text()
    ax.figure.canvas.draw()


def test_without_draws_there_is_no_band() -> None:
    ax = plot_frontier(bootstrap_fit(ISOFLOP, TABLE, n_draws=0))
    assert not ax.collections
    assert "interval" not in ax.texts[0].get_text()


@pytest.mark.parametrize("options", [{"quantity": "loss"}, {"extend_decades": -1}, {"level": 90}])
def test_refusals(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        plot_frontier(FIT, **options)
