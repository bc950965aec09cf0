"""Profile intervals: against a plain search, the Wald limit and the truth."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric
from chinchilla_lib.fitting.objective import paper_objective
from chinchilla_lib.fitting.profile import PROFILED, profile_interval, quasi_scale
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

TRUTH = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
TABLE = simulate_isoflop_sweep(TRUTH, [1e18, 1e19, 1e20, 1e21], noise=0.003, seed=1)
FIT = fit_parametric(TABLE, delta=np.inf)


def quantity(name: str, params: np.ndarray) -> float:
    a, b, e, alpha, beta = params
    if name == "n_opt":
        return float(np.log(ParametricLoss(np.exp(e), np.exp(a), np.exp(b), alpha, beta).n_opt(1e22)))
    if name == "a":
        return float(beta / (alpha + beta))
    return float({"A": a, "B": b, "E": e, "alpha": alpha, "beta": beta}[name])


@pytest.mark.parametrize("name", PROFILED)
def test_the_ends_are_where_the_profile_reaches_its_allowance(name: str) -> None:
    """SciPy's SLSQP finds the lowest objective with the quantity held at each end."""
    assert FIT.law is not None
    assert FIT.objective is not None
    ends = profile_interval(FIT, name, flops=1e22)
    held = np.log(ends) if name in ("E", "A", "B", "n_opt") else np.array(ends)
    law = FIT.law
    start = np.array([np.log(law.A), np.log(law.B), np.log(law.E), law.alpha, law.beta])
    variance = 2 * FIT.objective / (len(TABLE) - 5)
    objective = paper_objective(TABLE, delta=np.inf)
    for end in held:
        found = minimize(
            lambda p: objective(p)[0] / FIT.objective, start, method="SLSQP",
            constraints={"type": "eq", "fun": lambda p, end=end: quantity(name, p) - end},
            options={"maxiter": 1000, "ftol": 1e-14},
        )  # fmt: skip
        risen = 2 * (found.fun - 1) * FIT.objective / variance
        assert risen == pytest.approx(chi2.ppf(0.9, 1), rel=0.01)


@pytest.mark.parametrize("name", PROFILED)
def test_levels_are_nested_around_the_fit(name: str) -> None:
    fit = fit_parametric(TABLE)
    assert fit.law is not None
    own = fit.n_opt.predict(1e22) if name == "n_opt" else getattr(fit.law, name)
    wide, narrow = (profile_interval(fit, name, level=level, flops=1e22) for level in (0.95, 0.5))
    assert wide[0] < narrow[0] < own < narrow[1] < wide[1]


def test_least_squares_scale_is_the_residual_variance() -> None:
    residuals = np.random.default_rng(0).standard_normal(50)
    assert quasi_scale(residuals, np.inf, 5) == pytest.approx(residuals @ residuals / 45, rel=1e-12)


def test_least_absolute_scale_is_that_of_the_density() -> None:
    """For normal residuals and a tiny delta, tau / delta tends to 1 / (2 f(0)); 4,000 tell it to 5 %."""
    residuals = np.random.default_rng(0).standard_normal(4000)
    assert quasi_scale(residuals, 1e-6, 5) / 1e-6 == pytest.approx(np.sqrt(np.pi / 2), rel=0.1)


def test_options_are_profiled_in_their_own_space() -> None:
    tied, held = fit_parametric(TABLE, tied=True), fit_parametric(TABLE, floor=1.69)
    assert profile_interval(tied, "alpha") == pytest.approx(profile_interval(tied, "beta"), rel=1e-3)
    free_low, free_high = profile_interval(fit_parametric(TABLE), "alpha")
    low, high = profile_interval(held, "alpha")
    assert high - low < free_high - free_low
    with pytest.raises(InputError, match="E is held in this fit"):
        profile_interval(held, "E")
    with pytest.raises(InputError, match="a is held in this fit"):
        profile_interval(tied, "a")


def test_what_is_not_allowed_is_named() -> None:
    with pytest.raises(InputError, match="profiles are known for E, A, B, alpha, beta, a, n_opt, found 'G'"):
        profile_interval(FIT, "G")
    with pytest.raises(InputError, match="n_opt needs flops, a budget above 0, found None"):
        profile_interval(FIT, "n_opt")
    with pytest.raises(InputError, match="level must lie between 0 and 1, found 2"):
        profile_interval(FIT, "a", level=2)
    with pytest.raises(InputError, match="must be parametric, found isoflop"):
        profile_interval(fit_isoflop_profiles(TABLE), "a")
