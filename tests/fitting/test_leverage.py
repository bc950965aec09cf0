"""Leverages are those of ordinary least squares, and widened residuals have the variance they claim."""

import numpy as np
import pytest

from chinchilla_lib.fitting.bootstrap import bootstrap_fit
from chinchilla_lib.fitting.isoflop import ISOFLOP
from chinchilla_lib.fitting.leverage import leverages, surface_slopes, widened
from chinchilla_lib.fitting.parametric import PARAMETRIC, parametric_estimator
from chinchilla_lib.fitting.valley import VALLEY
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], n_sizes=6, noise=0.003, seed=1)


def test_leverages_are_the_diagonal_of_the_hat_matrix() -> None:
    jacobian = np.random.default_rng(0).standard_normal((9, 3))
    hat = jacobian @ np.linalg.inv(jacobian.T @ jacobian) @ jacobian.T
    np.testing.assert_allclose(leverages(jacobian), np.diag(hat), rtol=1e-12)
    # A column that repeats another, or is nothing, changes no projection.
    more = np.column_stack([jacobian, 1e-6 * jacobian[:, 0], np.zeros(9)])
    np.testing.assert_allclose(leverages(more), np.diag(hat), rtol=1e-9)


def test_slopes_are_differences_of_the_law() -> None:
    slopes = surface_slopes(PUBLISHED, TABLE.n_params, TABLE.n_tokens)
    base = PUBLISHED.loss(TABLE.n_params, TABLE.n_tokens)
    step = 1e-6
    for column, change in enumerate(
        [
            {"A": PUBLISHED.A * np.exp(step)},
            {"B": PUBLISHED.B * np.exp(step)},
            {"alpha": PUBLISHED.alpha + step},
            {"beta": PUBLISHED.beta + step},
        ]
    ):
        moved = type(PUBLISHED)(**(vars(PUBLISHED) | change)).loss(TABLE.n_params, TABLE.n_tokens)
        np.testing.assert_allclose((moved - base) / step, slopes[:, column], rtol=1e-4)


@pytest.mark.parametrize(
    ("estimator", "n_free"),
    [(ISOFLOP, 9), (VALLEY, 7), (PARAMETRIC, 5), (parametric_estimator(tied=True, floor=1.7), 3)],
)
def test_leverages_of_a_method_sum_to_its_free_parameters(estimator: object, n_free: int) -> None:
    fit = estimator.fit(TABLE)  # type: ignore[attr-defined]
    found = np.concatenate(estimator.leverage(fit))  # type: ignore[attr-defined]
    assert found.sum() == pytest.approx(n_free)
    assert ((found > 0) & (found <= 1 + 1e-12)).all()
    strata = estimator.strata(fit)  # type: ignore[attr-defined]
    assert [len(part) for part in estimator.leverage(fit)] == [len(part) for part in strata]  # type: ignore[attr-defined]


def test_a_run_with_all_leverage_gives_a_finite_residual() -> None:
    np.testing.assert_allclose(
        widened(np.array([0.01, 0.01, 0.0]), np.array([0.0, 0.75, 1.0])), [0.01, 0.01 * 4**0.75, 0]
    )


def test_residual_draws_spread_as_estimates_do() -> None:
    """Their variance over that of 60 estimates, known to 18 %: 1 to 1.6 by design, 0.6 to 2.4 here."""
    draws, estimates = [], []
    for seed in range(60):
        table = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], n_sizes=9, noise=0.001, seed=seed)
        fit = bootstrap_fit(ISOFLOP, table, n_draws=100, seed=seed, scheme="residual")
        assert fit.draws is not None
        draws.append(fit.draws.a.var())
        estimates.append(fit.a)
    assert 0.6 < np.mean(draws) / np.var(estimates) < 2.4
