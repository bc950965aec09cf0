"""The variants: what is public, what is far, and what a run costs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import count_params
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.game.variants import VARIANTS, find_variant, practice_truth, recorded_table
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.tiers import tier_shape

SECRET = [name for name, variant in VARIANTS.items() if variant.highest is None]


@pytest.mark.parametrize("name", VARIANTS)
def test_price_of_a_trained_run_is_what_it_cost(name: str) -> None:
    variant, table = find_variant(name), recorded_table(name)
    for n_params, n_tokens, flops in zip(table.n_params, table.n_tokens, table.flops, strict=True):
        assert variant.cost(n_params, n_tokens) == pytest.approx(flops, rel=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("width", [8, 40, 128, 320])
def test_price_is_that_of_the_width(name: str, width: int) -> None:
    shape = tier_shape(VARIANTS[name].design, width)
    price = VARIANTS[name].flops_per_token(count_params(shape).total)
    assert price == pytest.approx(training_flops_per_token(shape, "matmul"), rel=1e-9)


@given(st.sampled_from(list(VARIANTS)), st.floats(1e3, 1e9), st.floats(1e9, 1e16))
def test_tokens_for_a_budget_cost_it(name: str, n_params: float, flops: float) -> None:
    variant = VARIANTS[name]
    assert variant.cost(n_params, variant.tokens_for(n_params, flops)) == pytest.approx(flops)


@pytest.mark.parametrize("name", SECRET)
def test_no_public_run_comes_near_a_far_budget(name: str) -> None:
    variant = VARIANTS[name]
    for recorded, _ in variant.recorded:
        flops = [float(row["flops"]) for rows in load_recorded(recorded).parts().values() for row in rows]
        assert max(flops) < variant.far_budget / 3
    with pytest.raises(InputError, match="whose truth the instructor holds"):
        practice_truth(name)


def test_practice_answers_from_below_and_its_truth_is_above() -> None:
    variant, answering, truth = (
        find_variant("practice"),
        recorded_table("practice"),
        practice_truth("practice"),
    )
    assert max(answering.flops) < 1.01 * (variant.highest or 0)
    assert min(truth.flops) > 0.99 * variant.far_budget
    assert not set(answering.run_id) & set(truth.run_id)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_plan_of_the_truth_is_at_the_far_budget_with_seeds_of_its_own(name: str) -> None:
    variant = VARIANTS[name]
    plan = variant.truth_plan(3)
    sizes = {count_params(config.shape).total for config in plan.configs}
    assert len(plan.configs) == 3 * len(sizes) and len(sizes) >= 7
    assert {config.seed for config in plan.configs} == {100, 101, 102}
    assert {config.corpus for config in plan.configs} == {variant.identity}
    for config in plan.configs:
        cost = variant.cost(count_params(config.shape).total, config.n_tokens)
        assert cost == pytest.approx(variant.far_budget, rel=0.01)
    with pytest.raises(InputError, match="n_seeds"):
        variant.truth_plan(0)


def test_known_entropy_is_that_of_the_source() -> None:
    assert find_variant("zipf-recall").entropy == pytest.approx(ZipfRecall().entropy, rel=1e-9)
    assert min(recorded_table("zipf-recall").loss) > ZipfRecall().entropy


def test_bad_names_and_counts_are_refused() -> None:
    with pytest.raises(InputError, match=r"variant is 'german'; choose one of practice, english"):
        find_variant("german")
    variant = find_variant("code")
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="n_params must"):
            variant.flops_per_token(bad)
        with pytest.raises(InputError, match="n_tokens must"):
            variant.cost(1e5, bad)
        with pytest.raises(InputError, match="flops must"):
            variant.tokens_for(1e5, bad)
    for bad in (0.5, 1e-300, 1e19, 1e308):  # a price of 0, or one beyond all numbers
        with pytest.raises(InputError, match="n_params must be from 1 to 1e"):
            variant.flops_per_token(bad)
    for bad in (1e19, 1e308):
        with pytest.raises(InputError, match="n_tokens must be above 0 and at most 1e"):
            variant.cost(1e5, bad)
