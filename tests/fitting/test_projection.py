"""Starts by variable projection, held against non-negative least squares."""

import numpy as np
import pytest
from scipy.optimize import nnls

from chinchilla_lib.fitting.objective import Runs
from chinchilla_lib.fitting.projection import START_COUNTS, projection_starts
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

TRUTH = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
TABLE = simulate_isoflop_sweep(TRUTH, [1e18, 1e19, 1e20], noise=0.02, seed=3)
RUNS = Runs.from_table(TABLE, np.arange(len(TABLE)))


def columns(alpha: float, beta: float) -> np.ndarray:
    return np.stack([np.ones(len(TABLE)), np.exp(-alpha * RUNS.x), np.exp(-beta * RUNS.y)], axis=1)


@pytest.mark.parametrize("n_starts", START_COUNTS)
def test_each_start_is_the_least_squares_solution_at_its_exponents(n_starts: int) -> None:
    starts = projection_starts(RUNS, n_starts)
    assert starts.shape == (1, n_starts, 5)
    for a, b, e, alpha, beta in starts[0]:
        design = columns(alpha, beta) / TABLE.loss[:, None]
        expected, _ = nnls(design, np.ones(len(TABLE)))
        found = np.exp([e, a, b])
        kept = expected > 1e-3
        assert found[kept] == pytest.approx(expected[kept], rel=1e-6)
        assert (found[~kept] < 2e-3).all()


def test_the_first_start_is_the_best_of_the_grid() -> None:
    exponents = np.geomspace(0.03, 3, 16)
    errors = {
        (alpha, beta): nnls(columns(alpha, beta) / TABLE.loss[:, None], np.ones(len(TABLE)))[1]
        for alpha in exponents
        for beta in exponents
    }
    best = min(errors, key=lambda pair: errors[pair])
    for n_starts in START_COUNTS:
        assert projection_starts(RUNS, n_starts)[0, 0, 3:] == pytest.approx(best, rel=1e-12)


def test_resamples_are_those_of_repeated_runs() -> None:
    counts = np.random.default_rng(0).integers(0, 3, (40, len(TABLE)))
    weighted = Runs(RUNS.x, RUNS.y, RUNS.log_loss, RUNS.center, counts.astype(np.float64))
    starts = projection_starts(weighted, 1)
    for row in (0, 17, 39):
        index = np.repeat(np.arange(len(TABLE)), counts[row])
        alone = Runs(RUNS.x[index], RUNS.y[index], RUNS.log_loss[index], RUNS.center)
        assert starts[row] == pytest.approx(projection_starts(alone, 1)[0], rel=1e-6)


def test_options_hold_their_parameters() -> None:
    tied, held = projection_starts(RUNS, 4, tied=True)[0], projection_starts(RUNS, 4, floor=1.5)[0]
    assert (tied[:, 3] == tied[:, 4]).all()
    assert np.exp(held[:, 2]) == pytest.approx(1.5)


def test_many_runs_are_summed_in_blocks() -> None:
    many = Runs(np.tile(RUNS.x, 400), np.tile(RUNS.y, 400), np.tile(RUNS.log_loss, 400), RUNS.center)
    assert projection_starts(many, 4) == pytest.approx(projection_starts(RUNS, 4), rel=1e-6)
