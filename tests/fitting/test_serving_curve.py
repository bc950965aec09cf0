"""The closed form against the root that `fitting.serving` finds, and bands against their own draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.serving import best_for_total_budget, training_overhead
from chinchilla_lib.fitting.serving_curve import served_for_size, serving_curve
from chinchilla_lib.laws import ParametricLoss
from tests.test_laws import PUBLISHED, budgets, laws

SERVED = [0.0, 1e9, 1e12, 3e13]


def row(law: ParametricLoss) -> list[float]:
    return [law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta]


@given(laws, budgets, st.floats(-4, 3))
def test_it_is_the_optimum_of_training_and_serving(
    law: ParametricLoss, flops: float, log_share: float
) -> None:
    """What `best_for_total_budget` makes of the budget that the cheapest model costs in all is that model."""
    served = law.d_opt(flops) * 10**log_share
    curve = serving_curve(law, flops, [served])
    n_params = curve.unserved_n_params * curve.size_factor[0]
    n_tokens = curve.unserved_n_tokens * curve.token_factor[0]
    best = best_for_total_budget(law, 2 * n_params * (3 * n_tokens + served), served)
    assert best.n_params == pytest.approx(n_params, rel=1e-7)
    assert best.n_tokens == pytest.approx(n_tokens, rel=1e-7)
    assert curve.tokens_per_param[0] == pytest.approx(best.tokens_per_param, rel=1e-7)
    assert curve.saving[0] == pytest.approx(best.saving, abs=1e-7)


@given(laws, budgets, st.floats(0.05, 1))
def test_a_size_and_the_tokens_that_ask_for_it(law: ParametricLoss, flops: float, factor: float) -> None:
    served, interval = served_for_size(law, flops, factor)
    assert interval is None
    if math.isinf(served):
        assert training_overhead(law, factor) == math.inf
    elif served < 1e100:
        assert serving_curve(law, flops, [served]).size_factor[0] == pytest.approx(factor, rel=1e-7)
    assert served_for_size(law, flops, 1.0) == (0.0, None)


def test_what_training_costs_more_is_the_overhead_of_the_size() -> None:
    curve = serving_curve(PUBLISHED, 5.76e23, SERVED)
    for size, tokens in zip(curve.size_factor, curve.token_factor, strict=True):
        assert size * tokens - 1 == pytest.approx(training_overhead(PUBLISHED, float(size)), abs=1e-9)
    assert curve.size_factor[0] == curve.token_factor[0] == 1
    assert curve.saving[0] == 0
    assert (np.diff(curve.size_factor) < 0).all() and (np.diff(curve.saving) > 0).all()


def test_only_the_ratio_of_tokens_served_to_tokens_trained_on_matters() -> None:
    small, large = (serving_curve(PUBLISHED, c, [2 * PUBLISHED.d_opt(c)]) for c in (1e12, 1e24))
    assert small.size_factor == pytest.approx(large.size_factor, rel=1e-12)
    assert small.saving == pytest.approx(large.saving, rel=1e-12)


def test_bands_are_percentiles_of_each_draws_own_curve() -> None:
    rng = np.random.default_rng(0)
    others = [
        ParametricLoss(E=1.7, A=400 * math.exp(p), B=400 * math.exp(q), alpha=0.34 + 0.02 * r, beta=0.3)
        for p, q, r in rng.standard_normal((41, 3)) * 0.3
    ]
    draws = np.array([row(law) for law in others])
    curve = serving_curve(PUBLISHED, 5.76e23, SERVED, draws=draws, level=0.8)
    alone = [serving_curve(law, 5.76e23, SERVED) for law in others]
    for name, band in (
        ("size_factor", curve.size_band),
        ("tokens_per_param", curve.ratio_band),
        ("saving", curve.saving_band),
    ):
        expected = np.quantile([getattr(one, name) for one in alone], [0.1, 0.9], axis=0)
        np.testing.assert_allclose(band, expected, rtol=1e-9, atol=1e-12)
    assert curve.level == 0.8
    assert serving_curve(PUBLISHED, 5.76e23, SERVED).size_band is None
    _, interval = served_for_size(PUBLISHED, 5.76e23, 0.9, draws=draws, level=0.8)
    each = sorted(served_for_size(law, 5.76e23, 0.9)[0] for law in others)
    assert interval == pytest.approx((each[4], each[36]))


def test_an_interval_may_have_no_end() -> None:
    """A law whose smallest possible model is larger than asked for."""
    steep = ParametricLoss(E=1, A=1e4, B=1e4, alpha=2.0, beta=2.0)
    draws = np.array([row(steep)] * 10 + [row(PUBLISHED)] * 10)
    served, interval = served_for_size(PUBLISHED, 5.76e23, 0.5, draws=draws)
    assert interval is not None
    assert math.isfinite(served) and interval[1] == math.inf > interval[0]


def test_what_is_not_allowed_is_named() -> None:
    with pytest.raises(InputError, match="served_tokens must be a list of finite numbers, 0 or above"):
        serving_curve(PUBLISHED, 1e20, [1.0, -1.0])
    with pytest.raises(InputError, match="served_tokens must be a list"):
        serving_curve(PUBLISHED, 1e20, [math.nan])
    for call in (
        lambda: serving_curve(PUBLISHED, 1e20, [1.0], level=1.0),
        lambda: served_for_size(PUBLISHED, 1e20, 0.5, level=0.0),
    ):
        with pytest.raises(InputError, match="level must lie between 0 and 1"):
            call()
    with pytest.raises(InputError, match=r"draws must have the shape \(n_draws, 5\)"):
        serving_curve(PUBLISHED, 1e20, [1.0], draws=np.ones((3, 4)))
    with pytest.raises(InputError, match=r"size_factor must lie above 0, up to 1, found 1\.5"):
        served_for_size(PUBLISHED, 1e20, 1.5)
    with pytest.raises(InputError, match="finite and above 0"):
        serving_curve(PUBLISHED, -1.0, [1.0])
