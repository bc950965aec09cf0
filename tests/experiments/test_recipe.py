import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from chinchilla_lib.experiments.experiment import Experiment
from chinchilla_lib.experiments.recipe import (
    COOLDOWNS,
    MAX_EXCESS,
    RATES,
    REPLICATION,
    SCHEDULES,
    compare_costs,
    judge_rates,
    judge_schedules,
    plan_cooldowns,
    plan_rates,
    plan_replication,
    plan_schedules,
    schedule_differences,
)
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS, learning_rate_rule


def rows(configs: tuple[RunConfig, ...], loss: Callable[[RunConfig], float]) -> list[dict[str, str]]:
    """As read from a table: text."""
    return [
        {
            "d_model": str(c.shape.d_model),
            "n_steps": str(c.n_steps),
            "learning_rate": repr(c.learning_rate),
            "schedule": c.schedule,
            "seed": str(c.seed),
            "loss": repr(loss(c)),
        }
        for c in configs
    ]


def test_the_rates_are_those_of_the_tier_halved_and_doubled() -> None:
    plan = plan_rates("ci", corpus="c")
    tier = {c.shape.d_model: c for c in plan_isoflop_sweep(TIERS["ci"], corpus="c").configs
            if c.flops_budget == 2e11}  # fmt: skip
    assert len(plan.configs) == 9
    for d_model in (20, 32, 64):
        rates = sorted(c.learning_rate for c in plan.configs if c.shape.d_model == d_model)
        assert rates == pytest.approx([tier[d_model].learning_rate * f for f in (0.5, 1, 2)])
    assert replace(tier[32], seed=1) in plan.configs, "a seed that the rule was not fitted to"


@pytest.mark.parametrize("tier", ["ci", "cpu-20"])
def test_the_rule_passes_within_a_fifth_of_the_rates_it_was_fitted_to(tier: str) -> None:
    rows = load_recorded(f"first-rates-{tier}").rows
    sizes = {int(row["d_model"]): row for row in rows}
    for check in judge_rates(rows):
        row = sizes[check.d_model]
        tokens = float(row["n_tokens"]) / float(row["n_steps"])
        rule = learning_rate_rule(float(row["n_params_non_embedding"]), tokens, maximum=1.0)
        assert check.best_factor * check.rate == pytest.approx(rule, rel=0.2)


@pytest.mark.parametrize("off", [0.0, 0.4, -0.7])
def test_a_parabola_in_the_logarithm_of_the_rate_is_found_exactly(off: float) -> None:
    plan = plan_rates("cpu-20", corpus="c")
    rule = {c.shape.d_model: c.learning_rate for c in plan.configs[1::3]}

    def loss(config: RunConfig) -> float:
        return 3 + 0.05 * (math.log2(config.learning_rate / rule[config.shape.d_model]) - off) ** 2

    for check in judge_rates(rows(plan.configs, loss)):
        assert check.best_factor == pytest.approx(2**off)
        assert check.excess == pytest.approx(0.05 * off**2)
        assert check.holds == (0.05 * off**2 <= MAX_EXCESS)


def test_a_best_rate_beyond_the_three_is_not_made_up() -> None:
    plan = plan_rates("ci", corpus="c")
    for check in judge_rates(rows(plan.configs, lambda c: 3 - 10 * c.learning_rate)):
        assert check.best_factor == 2
        assert check.excess == pytest.approx(10 * check.rate)
        assert not check.holds or check.rate <= MAX_EXCESS / 10


def test_schedules_are_compared_at_equal_sizes_tokens_batches_and_rates() -> None:
    plan = plan_schedules("ci", corpus="c")
    assert len(plan.configs) == 36
    trunks = {c.trunk for c in plan.configs if c.trunk}
    assert len(trunks) == 6
    for cosine, cooled in zip(plan.configs[:18], plan.configs[18:], strict=True):
        assert (cosine.schedule, cooled.schedule) == ("cosine", "wsd")
        assert (cosine.final_learning_rate_fraction, cooled.final_learning_rate_fraction) == (0.1, 0.0)
        for name in ("shape", "n_steps", "batch_size_sequences", "learning_rate", "warmup_steps", "seed"):
            assert getattr(cosine, name) == getattr(cooled, name)


@pytest.mark.parametrize("tier", ["ci", "cpu-20"])
def test_the_second_comparison_differs_in_final_rate_and_seeds_alone(tier: str) -> None:
    first, second = plan_schedules(tier, corpus="c").configs, plan_cooldowns(tier, corpus="c").configs
    assert {c.final_learning_rate_fraction for c in second} == {0.1}
    assert not {c.seed for c in first} & {c.seed for c in second}

    def designs(configs: tuple[RunConfig, ...]) -> set[RunConfig]:
        return {replace(c, seed=0, final_learning_rate_fraction=0.1) for c in configs}

    assert designs(first) == designs(second)
    assert len(second) == 2 * 2 * 3 * 4
    results = {"runs": rows(second, lambda c: 3 + 0.01 * c.seed + (0.03 if c.schedule == "wsd" else 0))}
    assert COOLDOWNS.judge(results, None).outcome == "does not hold"
    results = {"runs": rows(second, lambda c: 3 + 0.01 * c.seed + (0.003 if c.schedule == "wsd" else 0))}
    assert COOLDOWNS.judge(results, None).outcome == "holds"


def test_the_third_has_the_design_of_the_first_and_the_cosines_of_the_second() -> None:
    first, third = (
        plan_schedules("cpu-20", corpus="c").configs,
        plan_replication("cpu-20", corpus="c").configs,
    )
    second = plan_cooldowns("cpu-20", corpus="c").configs
    assert {replace(c, seed=0) for c in first} == {replace(c, seed=0) for c in third}
    assert {c for c in third if c.schedule == "cosine"} == {c for c in second if c.schedule == "cosine"}
    results = {"runs": rows(third, lambda c: 3 + 0.01 * c.seed + (0.005 if c.schedule == "wsd" else 0))}
    assert REPLICATION.judge(results, None).outcome == "holds"


@pytest.mark.parametrize(("shift", "equal"), [(0.005, True), (-0.005, True), (0.02, False), (-0.02, False)])
def test_a_difference_beyond_seed_noise_is_seen(shift: float, equal: bool) -> None:
    def loss(config: RunConfig) -> float:
        return 3 + 0.01 * (config.seed - 1) + (shift if config.schedule == "wsd" else 0)  # sd 0.01

    configs = plan_schedules("ci", corpus="c").configs
    check = judge_schedules(rows(configs, loss))
    assert check.seed_sd == pytest.approx(0.01)
    assert check.mean_difference == pytest.approx(abs(shift))
    assert check.holds == equal
    # Lengths 1, 2, 4 with fifths as cooldowns: 7 against 3.2 + 1.4, up to whole steps and sequences.
    assert compare_costs(configs) == pytest.approx(7 / 4.6, rel=0.01)


@pytest.mark.parametrize("tier", ["ci", "cpu-20"])
@pytest.mark.parametrize("experiment", [RATES, SCHEDULES])
def test_the_recorded_runs_are_those_of_the_plan(experiment: Experiment, tier: str) -> None:
    recorded = load_recorded(f"{experiment.name}-{tier}")
    (part,) = experiment.parts_of(tier)
    plan = part.plan(recorded.provenance["corpus"])
    assert [row["run_id"] for row in recorded.rows] == list(plan.run_ids)
    assert recorded.provenance["n_runs"] == len(plan.configs)
    assert recorded.provenance["seeds"] == sorted({c.seed for c in plan.configs})
    assert not recorded.provenance["commit"].endswith("+")


def test_differences_by_seed_are_those_whose_mean_is_judged() -> None:
    recorded = load_recorded("schedules-cpu-20").rows
    found = schedule_differences(recorded)
    means = {cell: sum(by_seed.values()) / len(by_seed) for cell, by_seed in found.items()}
    assert means == pytest.approx(judge_schedules(recorded).differences)
    assert all(list(by_seed) == [0, 1, 2] for by_seed in found.values())
