"""The law of repeated data as a surface: the law's own losses, there and back, and its lowest optimum."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from chinchilla_lib.fitting.data_constrained import fit_data_constrained
from chinchilla_lib.fitting.repeated_surface import DECAY_RANGE, RepeatedSurface
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.sweeps.simulate import simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from tests.fitting.test_data_constrained import TRUTH, repeated_runs


def surface_of(
    table: SweepTable, unique: np.ndarray, law: ParametricLoss | None, r_n: float | None
) -> RepeatedSurface:
    return RepeatedSurface(np.log(table.n_params), np.log(table.n_tokens), np.log(unique), law, r_n)


@pytest.mark.parametrize("r_n", [math.inf, 4.0, None])
@pytest.mark.parametrize("joint", [False, True])
def test_the_surface_is_the_law(r_n: float | None, joint: bool) -> None:
    """Its logarithm at every run, for several rows of parameters at once; and each row is its law again."""
    table, unique = repeated_runs(TRUTH)
    laws = [
        replace(TRUTH, r_n=4.0 if r_n is None else r_n),
        RepeatedDataLoss(
            ParametricLoss(E=1.2, A=90, B=700, alpha=0.3, beta=0.34) if joint else TRUTH.law,
            r_d=40,
            r_n=0.7 if r_n is None else r_n,
        ),
    ]
    surface = surface_of(table, unique, None if joint else TRUTH.law, r_n)
    params = np.array([surface.params_of(law) for law in laws])
    lower, upper = surface.bounds(np.log(table.loss))
    assert params.shape == (2, 1 + (r_n is None) + 5 * joint)
    assert np.all((lower < params) & (params < upper))
    expected = [np.log(law.loss(table.n_params, table.n_tokens, unique)) for law in laws]
    np.testing.assert_allclose(surface(params), expected, rtol=1e-12)
    for row, law in zip(params, laws, strict=True):
        found = surface.law_of(row)
        assert (found.r_d, found.r_n) == pytest.approx((law.r_d, law.r_n), rel=1e-12)
        for name in ("E", "A", "B", "alpha", "beta"):
            assert getattr(found.law, name) == pytest.approx(getattr(law.law, name), rel=1e-12), name


def test_what_no_run_can_tell_from_infinity_is_put_at_the_end() -> None:
    table, unique = repeated_runs(TRUTH)
    surface = surface_of(table, unique, TRUTH.law, None)
    for decay, end in ((math.inf, DECAY_RANGE[1]), (1e-9, DECAY_RANGE[0])):
        params = surface.params_of(replace(TRUTH, r_d=decay, r_n=decay))
        np.testing.assert_allclose(np.exp(params), end, rtol=1e-12)


@pytest.mark.parametrize("r_n", [4.0, math.inf])
def test_the_lowest_optimum_lies_on_the_surface_that_made_the_runs(r_n: float) -> None:
    truth = replace(TRUTH, r_n=r_n)
    table, unique = repeated_runs(truth)
    surface, optimum = surface_of(table, unique, truth.law, None).lowest(table, 1e-3)
    assert surface.r_n == (math.inf if r_n == math.inf else None)
    assert optimum.value < 1e-12
    assert surface.law_of(optimum.params).r_d == pytest.approx(truth.r_d, rel=1e-3)


def grid_of_runs(truth: RepeatedDataLoss, seed: int) -> tuple[SweepTable, np.ndarray]:
    """54 small runs of 1 to 32 epochs, up to thousands of times U_N, with 1 % noise."""
    sizes, unique, epochs = (
        values.ravel()
        for values in np.meshgrid([2e4, 6e4, 2e5], [2e5, 1e6, 4e6], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    )
    table = simulate_table(truth.law, sizes, unique * epochs)
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(table))
    return replace(table, loss=truth.loss(sizes, unique * epochs, unique) * np.exp(noise)), unique


def huber_objective(table: SweepTable, unique: np.ndarray, law: RepeatedDataLoss) -> float:
    off = np.abs(np.log(law.loss(table.n_params, table.n_tokens, unique) / table.loss))
    return float(np.where(off <= 1e-3, off**2 / 2, 1e-3 * (off - 1e-3 / 2)).sum())


def brute_force(table: SweepTable, unique: np.ndarray, truth: RepeatedDataLoss, seed: int) -> float:
    """The lowest objective that scipy finds from the truth and from four points scattered around it."""
    center = np.log([table.n_params, table.n_tokens]).mean(axis=1)

    def law_of(x: np.ndarray) -> RepeatedDataLoss:
        a, b = x[3] + x[5] * center[0], x[4] + x[6] * center[1]
        law = ParametricLoss(E=math.exp(x[2]), A=math.exp(a), B=math.exp(b), alpha=x[5], beta=x[6])
        return RepeatedDataLoss(law, r_d=math.exp(x[0]), r_n=math.exp(x[1]))

    def residuals(x: np.ndarray) -> np.ndarray:
        fitted = law_of(x).loss(table.n_params, table.n_tokens, unique)
        return np.asarray(np.log(fitted / table.loss))

    law = truth.law
    start = np.array(
        [
            math.log(truth.r_d),
            math.log(min(truth.r_n, 1e3)),
            math.log(law.E),
            math.log(law.A) - law.alpha * center[0],
            math.log(law.B) - law.beta * center[1],
            law.alpha,
            law.beta,
        ]
    )
    spread = np.array([1.0, 1.5, 0.5, 0.5, 0.5, 0.1, 0.1])
    scattered = start + spread * np.random.default_rng(seed).uniform(-1, 1, (4, 7))
    bounds = [-4, -4, -15, -15, -15, 0.02, 0.02], [9.2, 14, 3, 10, 10, 3, 3]
    lowest = math.inf
    for x in [start, *scattered]:
        for delta in (0.01, 1e-3):  # the kinks of the last are hard to start with
            found = least_squares(
                residuals, x, loss="huber", f_scale=delta, bounds=bounds, xtol=1e-12, ftol=1e-12, gtol=1e-12
            )
            x = found.x
        lowest = min(lowest, huber_objective(table, unique, law_of(x)))
    return lowest


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("r_n", [5.0, math.inf])
def test_no_other_search_ends_lower(r_n: float, seed: int) -> None:
    """With everything free; an infinite R*_N lies inside, and so does the truth."""
    truth = RepeatedDataLoss(ParametricLoss(E=1.5, A=80, B=900, alpha=0.35, beta=0.4), r_d=10, r_n=r_n)
    table, unique = grid_of_runs(truth, seed)
    fit = fit_data_constrained(table, unique, r_n=None)
    assert fit.objective == pytest.approx(huber_objective(table, unique, fit.law), rel=1e-6)
    assert fit.objective <= huber_objective(table, unique, truth)
    assert fit.objective <= fit_data_constrained(table, unique).objective
    assert fit.objective <= brute_force(table, unique, truth, seed) * (1 + 1e-6)
    assert fit.law.r_d == pytest.approx(truth.r_d, rel=0.25)
    if math.isfinite(r_n):
        assert fit.law.r_n == pytest.approx(r_n, rel=0.6)
    else:
        assert fit.law.r_n == math.inf
        assert any(message.startswith("r_n came out at the end of its range") for message in fit.messages)
