"""The figure of the positions: what is drawn where."""

import numpy as np
import pytest

from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.plots.positions import plot_positions
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference import LAWS
from chinchilla_lib.reference.positions import model_positions
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

LAW = LAWS["epoch"].law


def test_models_frontiers_and_contours() -> None:
    ax = new_axes()
    assert plot_positions(LAW, ax) is ax
    lines, models = ax.get_lines()[:4], ax.get_lines()[4:]
    drawn = {(line.get_xdata()[0], line.get_ydata()[0]) for line in models}
    assert drawn == {(p.flops, p.n_params) for p in model_positions({"epoch": LAW})}
    [frontier] = [line for line in lines if "the law drawn" in line.get_label()]
    np.testing.assert_allclose(frontier.get_ydata(), LAW.n_opt(frontier.get_xdata()))
    assert "$a = 0.51$" in frontier.get_label()
    # A contour of equal loss is left-most, that is cheapest, on the frontier.
    [contours] = ax.collections
    for level, path in zip(contours.levels[1:-1], contours.get_paths()[1:-1], strict=True):
        flops, size = path.vertices[np.argmin(path.vertices[:, 0])]
        assert LAW.loss(LAW.n_opt(flops), LAW.d_opt(flops)) == pytest.approx(level, rel=1e-3)
        assert size == pytest.approx(LAW.n_opt(flops), rel=0.15)
    ax.figure.canvas.draw()


def test_runs_are_shown_where_given() -> None:
    law = ParametricLoss(E=1.7, A=300.0, B=900.0, alpha=0.31, beta=0.33)
    runs = simulate_isoflop_sweep(law, [1e18, 1e19])
    ax = plot_positions(law, runs=runs, flops_range=(1e17, 1e25))
    [dots] = [line for line in ax.get_lines() if len(line.get_xdata()) == len(runs)]
    np.testing.assert_array_equal(dots.get_ydata(), runs.n_params)
    assert ax.get_xlim() == (1e17, 1e25)
    ax.figure.canvas.draw()
