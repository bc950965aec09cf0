"""The objective of equation 3 and its derivatives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad

from chinchilla_lib.fitting import objective as module
from chinchilla_lib.fitting.objective import (
    HuberSum,
    Runs,
    gradient_scale,
    huber,
    log_gradients,
    log_residuals,
    paper_grid,
    paper_objective,
    run_terms,
)
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

TRUTH = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
TABLE = simulate_isoflop_sweep(TRUTH, [1e18, 1e19, 1e20], noise=0.02, seed=3)
RUNS = Runs.from_table(TABLE, np.arange(len(TABLE)))
LAW = np.array([[1.6, np.log(300.0), np.log(500.0), 0.33, 0.30]])


@given(st.floats(-5, 5), st.floats(1e-6, 1))
def test_huber_is_a_square_inside_and_a_tangent_outside(residual: float, delta: float) -> None:
    expected = residual**2 / 2 if abs(residual) <= delta else delta * (abs(residual) - delta / 2)
    assert huber(np.array([residual]), delta)[0] == pytest.approx(expected, rel=1e-12)


@given(st.floats(-5, 5))
def test_the_ends_of_hubers_family(residual: float) -> None:
    smallest = np.finfo(float).tiny  # below it, halves are rounded
    assert huber(np.array([residual]), np.inf)[0] == pytest.approx(residual**2 / 2, rel=1e-15, abs=smallest)
    assert huber(np.array([residual]), 0.0)[0] == abs(residual)


def test_a_law_and_its_parameters_are_inverse() -> None:
    assert RUNS.to_law(RUNS.from_law(LAW)) == pytest.approx(LAW, rel=1e-12)


def test_residuals_are_those_of_the_law() -> None:
    law = ParametricLoss(E=1.6, A=300.0, B=500.0, alpha=0.33, beta=0.30)
    expected = np.log(law.loss(TABLE.n_params, TABLE.n_tokens)) - np.log(TABLE.loss)
    assert log_residuals(RUNS, RUNS.from_law(LAW))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("delta", [1e-3, 1e-2, np.inf])
def test_gradient_and_hessian_are_the_derivatives(delta: float) -> None:
    params = RUNS.from_law(LAW)
    evaluate, rows, step = HuberSum(RUNS, delta), np.arange(1), 1e-6
    _, gradient, hessian = evaluate(params, rows)
    for place in range(5):
        move = step * np.eye(5)[place]
        above, below = evaluate(params + move, rows), evaluate(params - move, rows)
        assert (above[0] - below[0]) / (2 * step) == pytest.approx(gradient[:, place], rel=1e-5, abs=1e-9)
        assert (above[1] - below[1]) / (2 * step) == pytest.approx(hessian[:, place], rel=1e-4, abs=1e-6)


def test_a_weight_counts_a_run_so_often() -> None:
    counts = np.random.default_rng(0).integers(0, 3, (4, len(TABLE)))
    params = np.repeat(RUNS.from_law(LAW), 4, axis=0)
    weighted = Runs(RUNS.x, RUNS.y, RUNS.log_loss, RUNS.center, counts.astype(np.float64))
    together = HuberSum(weighted, 1e-2)(params, np.arange(4))
    for row, count in enumerate(counts):
        index = np.repeat(np.arange(len(TABLE)), count)
        alone = Runs(RUNS.x[index], RUNS.y[index], RUNS.log_loss[index], RUNS.center)
        for all_rows, one in zip(together, HuberSum(alone, 1e-2)(params[:1], np.arange(1)), strict=True):
            assert all_rows[row] == pytest.approx(one[0], rel=1e-10)


def test_rows_may_have_losses_of_their_own() -> None:
    losses = RUNS.log_loss + np.array([[0.0], [0.1]])
    both = HuberSum(Runs(RUNS.x, RUNS.y, losses, RUNS.center), 1e-2)
    params = RUNS.from_law(LAW)
    second = HuberSum(Runs(RUNS.x, RUNS.y, losses[1], RUNS.center), 1e-2)(params, np.arange(1))
    assert both(params, np.array([1]))[0] == pytest.approx(second[0], rel=1e-14)


def test_without_weights_the_value_is_the_sum_of_huber() -> None:
    params = RUNS.from_law(LAW)
    value, _, _ = HuberSum(RUNS, 1e-3)(params, np.arange(1))
    assert value[0] == pytest.approx(huber(log_residuals(RUNS, params), 1e-3).sum(), rel=1e-13)


def test_the_scale_bounds_the_gradient() -> None:
    params = RUNS.from_law(LAW)
    _, gradient, _ = HuberSum(RUNS, 1e-3)(params, np.arange(1))
    assert (np.abs(gradient) <= gradient_scale(RUNS, params, 1e-3) * (1 + 1e-12)).all()


@pytest.mark.parametrize("delta", [1e-3, 1e-1, np.inf])
def test_terms_of_runs_sum_to_any_resample(delta: float) -> None:
    params = RUNS.from_law(LAW * [1, 1.01, 1, 1, 1])
    weights = np.random.default_rng(2).integers(3, size=(4, len(RUNS.x))).astype(float)
    drawn, all_params = replace(RUNS, weights=weights), np.repeat(params, 4, axis=0)
    whole = HuberSum(drawn, delta)(all_params, np.arange(4))
    scale = gradient_scale(drawn, all_params, delta, squared=True)
    for terms, sums in zip(run_terms(RUNS, params, delta), (*whole, scale), strict=True):
        np.testing.assert_allclose(np.tensordot(weights, terms, 1), sums, rtol=1e-10, atol=1e-13)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    params = np.repeat(RUNS.from_law(LAW), 7, axis=0) + 0.01 * np.arange(7)[:, None]
    at_once = HuberSum(RUNS, 1e-2)(params, np.arange(7))
    monkeypatch.setattr(module, "_CELLS", 3 * len(RUNS.x))
    for whole, blocks in zip(at_once, HuberSum(RUNS, 1e-2)(params, np.arange(7)), strict=True):
        np.testing.assert_allclose(blocks, whole, rtol=1e-12, atol=1e-15)


def test_slopes_are_those_of_the_residuals() -> None:
    params, step = RUNS.from_law(LAW), 1e-6
    slopes = log_gradients(RUNS, params)[0]
    for place in range(5):
        move = step * np.eye(5)[place]
        change = log_residuals(RUNS, params + move) - log_residuals(RUNS, params - move)
        assert change[0] / (2 * step) == pytest.approx(slopes[:, place], abs=1e-8)


@pytest.mark.parametrize("mean", [False, True])
def test_the_papers_form_has_the_same_value(mean: bool) -> None:
    objective = paper_objective(TABLE, mean=mean)
    point = np.array([np.log(300.0), np.log(500.0), np.log(1.6), 0.33, 0.30])
    value, _, _ = HuberSum(RUNS, 1e-3)(RUNS.from_law(LAW), np.arange(1))
    assert objective(point)[0] == pytest.approx(value[0] / (len(TABLE) if mean else 1), rel=1e-12)
    error = check_grad(lambda p: objective(p)[0], lambda p: objective(p)[1], point)
    assert error < 1e-4 * np.linalg.norm(objective(point)[1])


def test_the_papers_grid_has_its_4500_starts() -> None:
    grid = paper_grid()
    assert grid.shape == (4500, 5)
    assert len(np.unique(grid, axis=0)) == 4500
    assert grid.min(axis=0).tolist() == [0, 0, -1, 0, 0]
    assert grid.max(axis=0).tolist() == [25, 25, 1, 2, 2]
