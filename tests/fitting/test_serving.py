"""Optima that count serving: published examples, the condition for an optimum, and the two limits."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.serving import (
    ServingOptimum,
    best_for_total_budget,
    cheapest_for_loss,
    training_overhead,
)
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import load_paper_table
from tests.test_laws import PUBLISHED, budgets, laws

[DE_VRIES_ROW] = [row for row in load_paper_table("approach3_fits").rows if row["fit"].startswith("de Vries")]
DE_VRIES = ParametricLoss(**{name: float(DE_VRIES_ROW[name]) for name in ("E", "A", "B", "alpha", "beta")})
"""Sardana et al. print Hoffmann's constants with these exponents; their E does not enter."""

served = st.one_of(st.just(0.0), st.floats(1e6, 1e16))


def chinchilla_loss(law: ParametricLoss, n_params: float) -> float:
    """Loss of the compute-optimal model of this size: the size term is the share a of what E leaves."""
    return law.E + law.A / n_params**law.alpha / law.a


@pytest.mark.parametrize("row", load_paper_table("sardana2023_examples").rows, ids=lambda row: row["quality"])
def test_the_published_examples_come_out(row: dict[str, str]) -> None:
    quality = float(row["quality"])
    best = cheapest_for_loss(DE_VRIES, chinchilla_loss(DE_VRIES, quality), float(row["served_tokens"]))
    assert best.unserved_n_params == pytest.approx(quality, rel=1e-9)
    saving = best.saving if row["n_params"] else best.unserved_total_flops / best.total_flops - 1
    assert saving == pytest.approx(float(row["saving"]), abs=0.005)
    if row["n_params"]:
        assert best.n_params == pytest.approx(float(row["n_params"]), rel=0.005)
    if row["data_factor"]:
        assert best.n_tokens / best.unserved_n_tokens == pytest.approx(float(row["data_factor"]), abs=0.01)
    if quality == 13e9:
        assert best.unserved_total_flops - best.total_flops == pytest.approx(1.7e22, abs=5e20)


@pytest.mark.parametrize(
    ("size_factor", "printed", "tolerance"),
    [(0.75, 0.028, 0.001), (0.5, 0.20, 0.01), (0.3, 1.0, 0.06), (0.25, 1.88, 0.01)],
)
def test_smaller_models_cost_what_de_vries_found(
    size_factor: float, printed: float, tolerance: float
) -> None:
    assert training_overhead(DE_VRIES, size_factor) == pytest.approx(printed, abs=tolerance)


@given(laws, budgets, served)
def test_an_optimum_is_stationary(law: ParametricLoss, flops: float, tokens: float) -> None:
    """Equal gain per FLOP from size and from tokens: dL/dN / (6D + 2S) = dL/dD / 6N."""
    best = best_for_total_budget(law, flops, tokens)
    assert best.total_flops == pytest.approx(flops, rel=1e-9)
    by_size = law.alpha * law.A * best.n_params ** (-law.alpha - 1) / (6 * best.n_tokens + 2 * tokens)
    by_data = law.beta * law.B * best.n_tokens ** (-law.beta - 1) / (6 * best.n_params)
    assert by_size == pytest.approx(by_data, rel=1e-8)


@given(laws, budgets, served)
def test_the_two_questions_have_one_answer(law: ParametricLoss, flops: float, tokens: float) -> None:
    best = best_for_total_budget(law, flops, tokens)
    assume(best.loss > 1.001 * law.E)  # or what is left of the loss is lost to rounding
    again = cheapest_for_loss(law, best.loss, tokens)
    assert again.n_params == pytest.approx(best.n_params, rel=1e-4)
    assert again.total_flops == pytest.approx(flops, rel=1e-4)
    assert again.saving >= -1e-9


@pytest.mark.parametrize("tokens", [0.0, 1e10, 2e12, 1e14])
def test_no_other_model_of_the_loss_is_cheaper(tokens: float) -> None:
    loss = 2.0
    best = cheapest_for_loss(PUBLISHED, loss, tokens)

    def cost(log_n: float) -> float:
        left = loss - PUBLISHED.E - PUBLISHED.A * math.exp(-PUBLISHED.alpha * log_n)
        n_tokens = (PUBLISHED.B / left) ** (1 / PUBLISHED.beta)
        return math.log(2 * math.exp(log_n) * (3 * n_tokens + tokens))

    smallest = math.log(PUBLISHED.A / (loss - PUBLISHED.E)) / PUBLISHED.alpha
    found = minimize_scalar(cost, bounds=(smallest + 1e-9, smallest + 5), method="bounded")
    assert math.log(best.total_flops) == pytest.approx(found.fun, abs=1e-8)
    assert PUBLISHED.loss(best.n_params, best.n_tokens) == pytest.approx(loss, rel=1e-12)


@given(laws, budgets)
def test_without_serving_it_is_chinchillas_optimum(law: ParametricLoss, flops: float) -> None:
    for tokens in (0.0, 1e-9 * law.d_opt(flops)):
        best = best_for_total_budget(law, flops, tokens)
        assert best.n_params == pytest.approx(law.n_opt(flops), rel=1e-8)
        assert best.n_tokens == pytest.approx(law.d_opt(flops), rel=1e-8)
        assert best.unserved_n_params == pytest.approx(best.n_params, rel=1e-8)
        assert best.saving == pytest.approx(0, abs=1e-8)


def test_more_serving_asks_for_smaller_models_on_more_tokens() -> None:
    found = [cheapest_for_loss(PUBLISHED, 2.0, tokens) for tokens in (0, 1e10, 1e12, 1e14, 1e16, 1e18)]
    for less, more in pairwise(found):
        assert more.n_params < less.n_params
        assert more.n_tokens > less.n_tokens
        assert more.saving > less.saving
    smallest = (PUBLISHED.A / (2.0 - PUBLISHED.E)) ** (1 / PUBLISHED.alpha)  # it needs endless data
    assert smallest < found[-1].n_params < 1.2 * smallest


def test_the_overhead_is_least_at_the_best_size() -> None:
    assert training_overhead(PUBLISHED, 1) == pytest.approx(0, abs=1e-12)
    assert min(training_overhead(PUBLISHED, factor) for factor in (0.9, 0.99, 1.01, 1.1)) > 0
    assert training_overhead(PUBLISHED, PUBLISHED.a ** (1 / PUBLISHED.alpha) * 0.999) == math.inf
    # It is what the law says at a budget.
    n_params, n_tokens = PUBLISHED.n_opt(1e21), PUBLISHED.d_opt(1e21)
    left = PUBLISHED.loss(n_params, n_tokens) - PUBLISHED.E - PUBLISHED.A / (n_params / 2) ** PUBLISHED.alpha
    longer = (PUBLISHED.B / left) ** (1 / PUBLISHED.beta)
    assert training_overhead(PUBLISHED, 0.5) == pytest.approx(longer / 2 / n_tokens - 1, rel=1e-9)


def test_the_text_names_both_models() -> None:
    text = str(ServingOptimum(7e9, 1.2e12, 2e12, 1.97, 13e9, 5.8e11))
    assert "7B parameters on 1.2T tokens" in text
    assert text.endswith("fewer than 13B on 580B")


def test_what_is_not_allowed_is_named() -> None:
    with pytest.raises(InputError, match=r"loss must be finite and above the law's E, 1\.69 nats"):
        cheapest_for_loss(PUBLISHED, 1.69, 0)
    with pytest.raises(InputError, match="served_tokens must be finite and 0 or above, found -1"):
        cheapest_for_loss(PUBLISHED, 2.0, -1)
    with pytest.raises(InputError, match="flops must be finite and above 0"):
        best_for_total_budget(PUBLISHED, math.inf, 1e12)
    with pytest.raises(InputError, match="size_factor must be finite and above 0, found 0"):
        training_overhead(PUBLISHED, 0)
    with pytest.raises(InputError, match="leave the range of a double"):
        best_for_total_budget(PUBLISHED, 1e300, 0)
    with pytest.raises(InputError, match="leave the range of a double"):
        cheapest_for_loss(ParametricLoss(E=0, A=1, B=1, alpha=1e-3, beta=1e-3), 1e-6, 0)
