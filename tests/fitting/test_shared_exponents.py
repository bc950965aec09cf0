"""The projected search: against SciPy on all parameters, batches against single rows, exact on exact data."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from chinchilla_lib.fitting.shared_exponents import ProfileData, fit_shared_exponents, grid_starts
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.fitting.test_isoflop import BUDGETS
from tests.test_laws import PUBLISHED

N_GROUPS, N_SIZES = 4, 7


def profile_data(noise: float, seed: int = 0, n_rows: int = 1) -> ProfileData:
    table = simulate_isoflop_sweep(
        PUBLISHED, BUDGETS[::2][:N_GROUPS], n_sizes=N_SIZES, noise=noise, seed=seed
    )
    return ProfileData(
        log_n=np.log(table.n_params),
        log_d=np.log(table.n_tokens),
        first=np.arange(N_GROUPS) * N_SIZES,
        loss=table.loss,
        weights=np.ones((n_rows, len(table))),
    )


def resampled(data: ProfileData, n_rows: int, seed: int) -> ProfileData:
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(N_SIZES, np.full(N_SIZES, 1 / N_SIZES), size=(n_rows, N_GROUPS))
    return ProfileData(
        data.log_n, data.log_d, data.first, data.loss, weights.reshape(n_rows, -1).astype(np.float64)
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_scipys_over_all_parameters(seed: int) -> None:
    data = profile_data(0.004, seed)
    found = fit_shared_exponents(data, grid_starts(data)[:, 0])
    group = np.repeat(np.arange(N_GROUPS), N_SIZES)
    x, y = data.log_n - data.log_n.mean(), data.log_d - data.log_d.mean()

    def residuals(theta: np.ndarray) -> np.ndarray:
        alpha, beta, p, q, *levels = theta
        model = np.array(levels)[group] + p * np.exp(-alpha * x) + q * np.exp(-beta * y)
        return np.asarray(data.loss - model)

    start = [PUBLISHED.alpha, PUBLISHED.beta, 0.5, 0.5, *[PUBLISHED.E] * N_GROUPS]
    other = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac")
    assert found.objective[0] <= other.cost * (1 + 1e-12)
    np.testing.assert_allclose([found.alpha[0], found.beta[0]], other.x[:2], rtol=1e-5)
    np.testing.assert_allclose(found.levels[0], other.x[4:], rtol=1e-5)
    assert found.converged[0] and found.relative_gradient[0] < 1e-6


def test_a_batch_of_weights_is_the_same_as_repeated_runs() -> None:
    data = profile_data(0.004)
    many = resampled(data, 20, seed=3)
    together = fit_shared_exponents(many, grid_starts(many)[:, 0])
    for row, weights in enumerate(many.weights.astype(int)):
        index = np.repeat(np.arange(len(weights)), weights)
        one = ProfileData(
            data.log_n[index],
            data.log_d[index],
            data.first,  # every group keeps its number of runs
            data.loss[index],
            np.ones((1, len(index))),
        )
        # Other means of ln N and ln D, hence another grid of the same exponents: the same optimum.
        alone = fit_shared_exponents(one, grid_starts(one)[:, 0])
        assert together.objective[row] == pytest.approx(alone.objective[0], rel=1e-9)
        if together.converged[row] and not together.vanished[row]:
            assert together.alpha[row] == pytest.approx(alone.alpha[0], rel=1e-5)


def test_losses_of_rows_are_fitted_as_if_alone() -> None:
    sets = [profile_data(0.004, seed) for seed in range(5)]
    base = sets[0]
    rows = ProfileData(
        base.log_n, base.log_d, base.first, np.stack([s.loss for s in sets]), np.ones((5, len(base.log_n)))
    )
    together = fit_shared_exponents(rows, grid_starts(rows)[:, 0])
    for row, data in enumerate(sets):
        alone = fit_shared_exponents(data, grid_starts(data)[:, 0])
        assert together.alpha[row] == pytest.approx(alone.alpha[0], rel=1e-9)
        assert together.objective[row] == pytest.approx(alone.objective[0], rel=1e-9)


def test_the_grid_finds_the_best_of_its_own_points() -> None:
    """The grid's choice against the search held at every grid point by brute force."""
    data = resampled(profile_data(0.01), 3, seed=1)
    starts = grid_starts(data)[:, 0]
    spread = grid_starts(data, spread=True)
    assert spread.shape == (3, 16, 2)
    np.testing.assert_array_equal(spread[:, 0], starts)
    grid = np.geomspace(0.03, 3.0, 16)
    x, y = data.log_n - data.log_n.mean(), data.log_d - data.log_d.mean()
    for row, weights in enumerate(data.weights):
        root = np.sqrt(weights)
        levels = np.repeat(np.eye(N_GROUPS), N_SIZES, axis=0)
        best = {}
        for alpha in grid:
            for beta in grid:
                design = np.column_stack([levels, np.exp(-alpha * x), np.exp(-beta * y)])
                solution, *_ = np.linalg.lstsq(design * root[:, None], data.loss * root, rcond=None)
                if (solution[-2:] > 0).all():
                    rest = (data.loss - design @ solution) * root
                    best[alpha, beta] = float(rest @ rest)
        assert min(best, key=lambda place: best[place]) == pytest.approx(tuple(starts[row]))


@pytest.mark.parametrize(("rising", "field"), [("log_n", "log_a"), ("log_d", "log_b")])
def test_terms_that_do_not_fall_vanish(rising: str, field: str) -> None:
    """Losses that rise ever more slowly: a term that falls would only bend them the wrong way."""
    data = profile_data(0.0)
    x = getattr(data, rising) - getattr(data, rising).min()
    upward = ProfileData(data.log_n, data.log_d, data.first, 3 + np.sqrt(1 + x), data.weights)
    found = fit_shared_exponents(upward, grid_starts(upward)[:, 0])
    assert found.vanished[0]
    assert getattr(found, field)[0] == -np.inf
