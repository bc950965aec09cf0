"""Power laws and the parametric loss: equation 4 against a numerical minimum, identities, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import KaplanLoss, ParametricLoss, PowerLaw, RepeatedDataLoss

PUBLISHED = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)

laws = st.builds(
    ParametricLoss,
    E=st.floats(0, 3),
    A=st.floats(1, 1e4),
    B=st.floats(1, 1e4),
    alpha=st.floats(0.1, 1),
    beta=st.floats(0.1, 1),
)
budgets = st.floats(1e10, 1e26)


def test_published_law_at_gophers_budget() -> None:
    """Exponent of section 3.3, and the 32B that the printed, rounded exponents give at 5.76e23."""
    assert PUBLISHED.a == pytest.approx(0.4516, abs=5e-5)
    assert PUBLISHED.b == pytest.approx(0.5484, abs=5e-5)
    assert PUBLISHED.n_opt(5.76e23) == pytest.approx(32e9, rel=0.02)


@given(laws, budgets)
def test_closed_form_is_the_minimum_along_the_budget(law: ParametricLoss, flops: float) -> None:
    log_n_opt = math.log(law.n_opt(flops))

    def log_reducible(log_n: float) -> float:  # without E, beside which the rest may be lost to rounding
        log_d = math.log(flops / 6) - log_n
        return math.log(law.A * math.exp(-law.alpha * log_n) + law.B * math.exp(-law.beta * log_d))

    found = minimize_scalar(log_reducible, bracket=(log_n_opt - 3, log_n_opt + 1), tol=1e-8)
    assert found.fun == pytest.approx(log_reducible(log_n_opt), abs=1e-9)
    assert found.x == pytest.approx(log_n_opt, abs=1e-3)


@given(laws, budgets)
def test_frontier_identities(law: ParametricLoss, flops: float) -> None:
    assert law.a + law.b == pytest.approx(1, rel=1e-12)
    assert 6 * law.n_opt(flops) * law.d_opt(flops) == pytest.approx(flops, rel=1e-9)
    assert law.n_opt(flops) == pytest.approx(law.G * (flops / 6) ** law.a, rel=1e-9)


def test_power_law_from_its_log_form_and_back() -> None:
    law = PowerLaw.from_log(math.log(0.3), 0.7)
    assert law.predict(1e20) == pytest.approx(0.3 * 1e20**0.7, rel=1e-12)
    x = np.array([1e18, 1e20])
    np.testing.assert_allclose(law.predict(x), [law.predict(1e18), law.predict(1e20)], rtol=1e-15)
    assert isinstance(law.predict(1e20), float)


def test_loss_broadcasts() -> None:
    sizes, tokens = np.array([[1e9], [2e9]]), np.array([1e10, 2e10, 3e10])
    loss = PUBLISHED.loss(sizes, tokens)
    assert loss.shape == (2, 3)
    assert loss[1, 2] == PUBLISHED.loss(2e9, 3e10)
    assert PUBLISHED.loss(1e9, tokens).shape == (3,)


@pytest.mark.parametrize("field", ["E", "A", "B", "alpha", "beta"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_parametric_loss_refuses(field: str, value: float) -> None:
    fields = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28} | {field: value}
    with pytest.raises(InputError, match=f"^{field} must be finite"):
        ParametricLoss(**fields)


@pytest.mark.parametrize("coefficient", [0.0, -1.0, math.nan, math.inf])
def test_power_law_refuses_its_coefficient(coefficient: float) -> None:
    with pytest.raises(InputError, match="coefficient must be"):
        PowerLaw(coefficient=coefficient, exponent=0.5)


def test_out_of_range_is_refused_not_infinite() -> None:
    with pytest.raises(InputError, match="exponent must be finite"):
        PowerLaw(coefficient=1.0, exponent=math.nan)
    with pytest.raises(InputError, match="outside the range of a double"):
        PowerLaw.from_log(-1e4, 100.0)
    with pytest.raises(InputError, match="leaves a double's range"):
        PowerLaw(coefficient=1.0, exponent=50.0).predict(1e20)
    with pytest.raises(InputError, match="leaves a double's range"):
        ParametricLoss(E=1, A=1e300, B=1, alpha=5, beta=1).loss(1e-9, 1.0)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="n_params must be finite and above 0"):
            PUBLISHED.loss(bad, 1e9)


KAPLAN = {"n_c": 8.8e13, "d_c": 5.4e13, "alpha_n": 0.076, "alpha_d": 0.095}


def test_kaplans_loss_broadcasts_and_is_the_power_of_an_additive_law() -> None:
    law = KaplanLoss(**KAPLAN)
    inner = ParametricLoss(E=0, A=8.8e13**0.8, B=5.4e13, alpha=0.8, beta=1)
    sizes, tokens = np.array([[1e6], [1e9]]), np.array([1e8, 1e10])
    np.testing.assert_allclose(law.loss(sizes, tokens), inner.loss(sizes, tokens) ** 0.095, rtol=1e-12)
    assert law.loss(1e6, 1e8) == law.loss(sizes, tokens)[0, 0]
    assert isinstance(law.loss(1e6, 1e8), float)
    assert law.n_opt(1e20) == pytest.approx(inner.n_opt(1e20), rel=1e-9)
    assert law.d_opt(1e20) == pytest.approx(inner.d_opt(1e20), rel=1e-9)


@pytest.mark.parametrize("field", KAPLAN)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_kaplans_loss_refuses(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"^{field} must be finite and above 0"):
        KaplanLoss(**KAPLAN | {field: value})


def test_kaplans_loss_refuses_what_leaves_a_double() -> None:
    with pytest.raises(InputError, match="leaves a double's range"):
        KaplanLoss(n_c=1, d_c=1, alpha_n=9, alpha_d=9).loss(1e-90, 1)
    with pytest.raises(InputError, match="leaves a double's range"):
        KaplanLoss(n_c=1, d_c=1, alpha_n=9, alpha_d=9).loss(1e90, 1e90)
    with pytest.raises(InputError, match="n_params must be finite and above 0"):
        KaplanLoss(**KAPLAN).loss(0, 1e9)


REPEATED = RepeatedDataLoss(PUBLISHED, r_d=15.387756, r_n=5.309743)


@pytest.mark.parametrize(("epochs", "worth"), [(1, 1.0), (4, 0.93), (16, 0.66), (40, 0.38)])
def test_epochs_are_worth_what_is_published(epochs: float, worth: float) -> None:
    assert REPEATED.effective_tokens(epochs * 1e9, 1e9) / (epochs * 1e9) == pytest.approx(worth, abs=0.005)


@given(st.floats(1e6, 1e12), st.floats(1e6, 1e13), st.floats(1e6, 1e13))
def test_effective_counts_grow_slower_than_counts(n_params: float, n_tokens: float, unique: float) -> None:
    tokens = REPEATED.effective_tokens(n_tokens, unique)
    assert min(unique, n_tokens) * (1 - 1e-9) <= tokens <= n_tokens * (1 + 1e-9)
    assert tokens <= unique * (1 + REPEATED.r_d) * (1 + 1e-9)
    assert REPEATED.effective_params(n_params, unique) <= n_params * (1 + 1e-9)
    endless = RepeatedDataLoss(PUBLISHED)
    assert endless.loss(n_params, n_tokens, unique) == pytest.approx(PUBLISHED.loss(n_params, n_tokens))
    assert REPEATED.loss(n_params, n_tokens, unique) >= PUBLISHED.loss(n_params, n_tokens) * (1 - 1e-12)


def test_parameters_count_in_full_up_to_the_best_size_of_the_data() -> None:
    best, unique = PUBLISHED.n_opt(1e20), PUBLISHED.d_opt(1e20)
    assert REPEATED.effective_params(0.999 * best, unique) == pytest.approx(0.999 * best, rel=1e-9)
    assert REPEATED.effective_params(3 * best, unique) < 2.9 * best
    assert REPEATED.loss(best, unique, unique) == pytest.approx(PUBLISHED.loss(best, unique), rel=1e-12)
    many = REPEATED.loss(np.array([best, 2 * best]), np.array([unique, 4 * unique]), unique)
    assert many[1] == pytest.approx(REPEATED.loss(2 * best, 4 * unique, unique), rel=1e-12)


@pytest.mark.parametrize("field", ["r_d", "r_n"])
def test_decay_is_above_0(field: str) -> None:
    with pytest.raises(InputError, match=f"^{field} must be above 0, found 0"):
        RepeatedDataLoss(PUBLISHED, **{field: 0.0})
    with pytest.raises(InputError, match="unique_tokens must be finite and above 0"):
        REPEATED.loss(1e9, 1e9, 0.0)
