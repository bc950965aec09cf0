"""The picture of the front page: what is drawn where."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit, fit_isoflop_profiles
from chinchilla_lib.plots.overview import plot_overview
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference import LAWS
from chinchilla_lib.reference.positions import KAPLAN_N_OPT, model_positions
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

LAW = LAWS["epoch"].law


def test_frontiers_and_models_stand_where_they_should() -> None:
    runs = simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13], noise=0.01, seed=0)
    fit = bootstrap_fit(ISOFLOP, runs, n_draws=50, seed=0)
    ax = new_axes()
    assert plot_overview(fit, ax) is ax
    lines = {line.get_label(): line for line in ax.get_lines()}
    [ours] = [line for label, line in lines.items() if label.startswith("ours")]
    np.testing.assert_allclose(ours.get_ydata(), fit.n_opt.predict(ours.get_xdata()))
    assert ours.get_xdata().max() == pytest.approx(1e13), "solid where there are runs, and no further"
    [kaplan] = [line for label, line in lines.items() if label.startswith("Kaplan")]
    np.testing.assert_allclose(kaplan.get_ydata(), KAPLAN_N_OPT.predict(kaplan.get_xdata()))
    (dashed,) = (
        line
        for line in ax.get_lines()
        if (line.get_color(), line.get_linestyle()) == (ours.get_color(), "--")
    )
    np.testing.assert_allclose(dashed.get_ydata(), fit.n_opt.predict(dashed.get_xdata()))
    band, theirs = (path.vertices for one in ax.collections for path in one.get_paths())
    last = band[np.isclose(band[:, 0], 1e26), 1]
    assert (last.min(), last.max()) == pytest.approx(np.ravel(fit.band("n_params", np.array([1e26]), 0.9)))
    sizes = [approach_line(one).n_opt.predict(1e26) for one in ("1", "2", "3")]
    last = theirs[np.isclose(theirs[:, 0], 1e26), 1]
    assert (last.min(), last.max()) == pytest.approx((min(sizes), max(sizes)))
    points = {
        (line.get_xdata()[0], line.get_ydata()[0]) for line in lines.values() if len(line.get_xdata()) == 1
    }
    assert points == {(p.flops, p.n_params) for p in model_positions({"epoch": LAW})}
    ends = fit.interval("a", 0.9)
    assert f"$a = {fit.a:.2f}$ ({ends[0]:.2f} to {ends[1]:.2f})" in ours.get_label()
    assert {"trained here", "extrapolated", "Chinchilla", "Gopher"} <= {text.get_text() for text in ax.texts}
    ax.figure.canvas.draw()


def test_a_fit_without_draws_is_refused() -> None:
    runs = simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13])
    with pytest.raises(InputError, match="draws"):
        plot_overview(fit_isoflop_profiles(runs))
