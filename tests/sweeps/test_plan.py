import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import (
    TIERS,
)

CI = plan_isoflop_sweep(TIERS["ci"], corpus="0123456789abcdef")


def test_every_run_spends_its_budget_to_within_half_a_step() -> None:
    for config in CI.configs:
        per_step = config.flops / config.n_steps
        assert abs(config.flops - config.flops_budget) <= 0.5001 * per_step


def test_the_ci_tier_is_an_isoflop_design() -> None:
    budgets = sorted({config.flops_budget for config in CI.configs})
    assert len(budgets) == 3
    for budget in budgets:
        valley = [config for config in CI.configs if config.flops_budget == budget]
        assert len(valley) >= 5
        sizes = [count_params(config.shape).total for config in valley]
        assert sizes == sorted(set(sizes))
        assert {config.shape.n_layers for config in valley} == {2}
    assert len({config.eval_sequences for config in CI.configs}) == 1  # one held-out set: losses are paired


def test_batches_are_whole_and_runs_have_steps_enough() -> None:
    assert all(config.n_steps >= 400 for config in CI.configs)
    assert all(config.warmup_steps == max(1, round(0.05 * config.n_steps)) for config in CI.configs)


def test_json_is_lossless_and_keeps_the_identity() -> None:
    again = SweepPlan.from_dict(json.loads(json.dumps(CI.to_dict())))
    assert again == CI
    assert again.identity == CI.identity
    assert plan_isoflop_sweep(TIERS["ci"], corpus="other").identity != CI.identity
    assert plan_isoflop_sweep(TIERS["ci"], corpus="0123456789abcdef", seeds=[1]).identity != CI.identity


def test_the_price_adds_up() -> None:
    assert CI.flops == pytest.approx(sum(config.flops_budget for config in CI.configs), rel=0.01)
    assert CI.n_tokens == sum(config.n_tokens for config in CI.configs)
    longest = max(config.n_tokens for config in CI.configs)
    assert CI.epochs(longest) == 1
    assert CI.epochs(2 * longest) == 0.5


def test_seeds_repeat_each_run() -> None:
    twice = plan_isoflop_sweep(TIERS["ci"], corpus="c", seeds=[3, 4])
    assert len(twice.configs) == 2 * len(CI.configs)
    assert [config.seed for config in twice.configs[:4]] == [3, 4, 3, 4]


def test_a_short_run_takes_a_smaller_batch_for_its_steps() -> None:
    tier = replace(TIERS["ci"], min_steps=1000)
    for config in plan_isoflop_sweep(tier, corpus="c").configs:
        assert config.n_steps >= 900 or config.batch_size_sequences == 1
    assert min(config.n_steps for config in CI.configs) < 900, "the rule alone gives fewer"


@pytest.mark.parametrize("name", TIERS)
def test_every_tier_is_an_isoflop_design_around_one_shape_rule(name: str) -> None:
    tier = TIERS[name]
    plan = plan_isoflop_sweep(tier, corpus="c", seeds=range(tier.n_seeds)).preview()
    assert {config.shape.n_layers for config in plan.configs} == {tier.n_layers}
    for budget, widths in tier.widths.items():
        valley = [config for config in plan.configs if config.flops_budget == budget]
        assert [config.shape.d_model for config in valley[:: tier.n_seeds]] == sorted(widths)
        assert len(widths) >= 5
        sizes = [count_params(config.shape).total for config in valley]
        assert 2 <= sizes[-1] / sizes[0] <= 20
        assert all(config.shape.kv_size >= min(16, tier.head_size) for config in valley)
    assert all(config.n_steps >= 400 for config in plan.configs)


def test_horizons_of_a_trunk_share_everything_but_their_end() -> None:
    tier = replace(TIERS["ci"], widths={1e12: (32, 48)}, horizons=(1.0, 0.25, 0.5))
    cosine = plan_isoflop_sweep(tier, corpus="c")
    trunks = plan_isoflop_sweep(replace(tier, schedule="wsd"), corpus="c")
    for plan in (cosine, trunks):
        assert [c.flops_budget for c in plan.configs] == [2.5e11] * 2 + [5e11] * 2 + [1e12] * 2
        for config in plan.configs:
            assert config.flops == pytest.approx(config.flops_budget, rel=0.01)
    assert len({config.trunk for config in trunks.configs}) == 2
    assert len({config.batch_size_sequences for config in cosine.configs[::2]}) == 3
    for config in trunks.configs:
        assert config.cooldown_steps == round(0.2 * config.n_steps)
        assert config.final_learning_rate_fraction == 0
    assert {config.final_learning_rate_fraction for config in cosine.configs} == {0.1}
    # A trunk to the end, and a fifth of each shorter run on top of it.
    alone = sum(config.flops for config in trunks.configs)
    assert trunks.flops == pytest.approx(2e12 * (1 + 0.2 * 0.75), rel=0.01)
    assert trunks.flops < alone / 1.5 and cosine.flops == pytest.approx(alone, rel=0.01)


def test_the_shortest_run_of_a_trunk_has_twice_the_steps() -> None:
    tier = replace(TIERS["cpu-20"], widths={1.2e12: (32, 48)}, horizons=(0.25, 1.0))
    cosine, trunks = (
        plan_isoflop_sweep(replace(tier, schedule=schedule), corpus="c") for schedule in ("cosine", "wsd")
    )
    for config, cooled in zip(cosine.configs[:2], trunks.configs[:2], strict=True):
        assert 900 <= config.n_steps < 1800 <= cooled.n_steps


def test_too_many_repeats_are_refused() -> None:
    longest = max(config.n_tokens for config in CI.configs)
    CI.check_epochs(longest // 4 + 1)
    with pytest.raises(InputError, match=r"plan ci: 1 of 18 runs repeat .* more than 4 times, up to 4\.4"):
        CI.check_epochs(round(longest / 4.4))


def test_runs_that_name_what_they_repeat_are_not_refused() -> None:
    repeating = replace(CI, configs=tuple(replace(c, unique_tokens=1000) for c in CI.configs))
    repeating.check_epochs(1000)
    assert repeating.epochs(1000) == 0


def test_a_staged_plan_begins_with_its_smallest_budget() -> None:
    tier = replace(TIERS["ci"], staged=True)
    staged = plan_isoflop_sweep(tier, corpus="c", seeds=[0, 1], max_tokens=1e7)
    assert {config.flops_budget for config in staged.configs} == {8e10}
    assert (
        staged.preview().configs
        == plan_isoflop_sweep(replace(tier, staged=False), corpus="c", seeds=[0, 1]).configs
    )
    again = SweepPlan.from_dict(json.loads(json.dumps(staged.to_dict())))
    assert again == staged and again.identity == staged.identity
    assert again.identity != plan_isoflop_sweep(tier, corpus="c", seeds=[0, 1]).identity
    assert CI.preview() is CI


def test_a_budget_too_small_for_the_width_is_refused() -> None:
    tier = replace(TIERS["ci"], widths={1e9: (256,)})
    with pytest.raises(InputError, match="buys 1 steps of width 256"):
        plan_isoflop_sweep(tier, corpus="c")


def test_an_empty_plan_and_a_repeated_run_are_refused() -> None:
    with pytest.raises(InputError, match="no runs"):
        plan_isoflop_sweep(replace(TIERS["ci"], widths={}), corpus="c")
    with pytest.raises(InputError, match="twice"):
        plan_isoflop_sweep(replace(TIERS["ci"], widths={1e11: (16, 16)}), corpus="c")
    for strange in (
        {"name": "x"},
        [],
        {"name": "x", "configs": [{}]},
        {**CI.to_dict(), "ladder": {"tier": 1}},
    ):
        with pytest.raises(InputError, match="not the"):
            SweepPlan.from_dict(strange)  # type: ignore[arg-type]


@given(
    budgets=st.lists(st.floats(1e8, 1e13), min_size=1, max_size=3, unique=True),
    widths=st.lists(st.integers(4, 60).map(lambda half: 2 * half), min_size=1, max_size=4, unique=True),
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True),
    schedule=st.sampled_from(["cosine", "wsd"]),
    horizons=st.sampled_from([(1.0,), (0.5, 1.0), (0.3, 0.6, 1.0)]),
    staged=st.booleans(),
)
def test_any_plan_survives_its_json_and_spends_its_budgets(
    budgets: list[float],
    widths: list[int],
    seeds: list[int],
    schedule: str,
    horizons: tuple[float, ...],
    staged: bool,
) -> None:
    tier = replace(
        TIERS["ci"],
        widths=dict.fromkeys(budgets, tuple(widths)),
        schedule=schedule,
        horizons=horizons,
        staged=staged,
    )
    try:
        plan = plan_isoflop_sweep(tier, corpus="c", seeds=seeds)
    except InputError as error:
        assert "buys" in str(error) or "cooldown_steps" in str(error)
        return
    again = SweepPlan.from_dict(json.loads(json.dumps({**plan.to_dict(), "identity": plan.identity})))
    assert again == plan and again.identity == plan.identity
    n_budgets = 1 if staged else len(budgets)
    assert len(plan.configs) == n_budgets * len(widths) * len(seeds) * len(horizons)
    for config in plan.configs:
        per_step = config.flops / config.n_steps
        assert abs(config.flops - config.flops_budget) <= 0.51 * per_step
        assert config.warmup_steps + config.cooldown_steps <= config.n_steps
    assert plan.flops <= sum(config.flops for config in plan.configs) * (1 + 1e-12)
