from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.experiments.cycles import (
    CYCLES,
    FACTORS,
    FINAL_FRACTIONS,
    compare_cycles,
    compare_final_rates,
    rows_by_factor,
)
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.runs import RunConfig
from tests.experiments.trained_rows import trained_rows

TIERS = list(CYCLES.parts)


def made_up(excess: Callable[[float], float], noise: float = 0.004) -> Callable[[RunConfig], float]:
    """Loss of a run whose cosine is some times as long as it, with noise of its own and that of its seed."""

    def loss(config: RunConfig) -> float:
        rng = np.random.default_rng(int(config.run_id[-10:], 16))
        factor = (config.cycle_steps or config.n_steps) / config.n_steps
        return 4 + 0.1 * config.seed + excess(factor - 1) + noise * rng.normal()

    return loss


def judge(excess: Callable[[float], float], noise: float = 0.004) -> str:
    return CYCLES.judge(trained_rows(CYCLES.parts_of("cpu-20"), made_up(excess, noise)), None).outcome


@pytest.mark.parametrize("tier", TIERS)
def test_only_the_cosine_changes(tier: str) -> None:
    cycles, *finals = CYCLES.parts_of(tier)
    configs = cycles.plan("c").configs
    matched = [config for config in configs if config.cycle_steps is None]
    assert len(configs) == len(FACTORS) * len(matched)
    assert {replace(config, cycle_steps=None) for config in configs} == set(matched)
    for config in configs:
        assert round((config.cycle_steps or config.n_steps) / config.n_steps, 2) in FACTORS
    for part, final in zip(finals, FINAL_FRACTIONS, strict=True):
        others = part.plan("c").configs
        assert {config.final_learning_rate_fraction for config in others} == {final}
        assert [replace(config, final_learning_rate_fraction=0.1) for config in others] == matched


def test_two_lengths_and_the_runs_of_the_main_sweep() -> None:
    cycles, *_ = CYCLES.parts_of("cpu-20")
    (english,) = MAIN.parts_of("cpu-60")
    configs, main = cycles.plan("c").configs, set(english.plan("c").configs)
    matched = {config for config in configs if config.cycle_steps is None}
    assert len({config.n_tokens for config in configs}) == 2
    assert {config.seed for config in matched & main} == {0, 1, 2}
    assert {config.seed for config in matched - main} == {3}


@pytest.mark.parametrize("tier", TIERS)
def test_each_run_is_found_by_its_cycle_and_its_excess_is_that_put_in(tier: str) -> None:
    parts = CYCLES.parts_of(tier)
    results = trained_rows(parts, made_up(lambda beyond: beyond / 10, noise=0))
    by_factor = rows_by_factor(results["cycles"])
    assert len({len(rows) for rows in by_factor.values()}) == 1
    for factor, excess in compare_cycles(results).items():
        assert excess.pooled.mean == pytest.approx((factor - 1) / 10, abs=1e-4)  # cycles are whole steps
        assert len(excess.differences) == 2
    assert all(excess.pooled.mean == 0 for excess in compare_final_rates(results).values())
    assert CYCLES.judge(results, None).numbers["cycle_1.5"] == pytest.approx(0.05, abs=1e-4)


def test_the_verdict_follows_the_truth() -> None:
    assert judge(lambda beyond: 0.05 * beyond) == "holds"
    assert judge(lambda beyond: 0.0) == "does not hold"
    assert judge(lambda beyond: 0.03 if beyond > 1.5 else 0.0) == "does not hold", "no harm up to twice"
    assert judge(lambda beyond: 0.03 if beyond > 0.05 else 0.0) == "does not hold", "harm already at 1.1"
    assert judge(lambda beyond: 0.02 * beyond) == "cannot tell", "at 1.5 the excess is .01 itself"
    assert judge(lambda beyond: 0.05 * beyond, noise=0.05) == "cannot tell"


def test_a_final_rate_that_costs_is_told_from_the_one_that_does_not() -> None:
    results = trained_rows(
        CYCLES.parts_of("cpu-20"),
        lambda config: 4 + 0.1 * config.seed + (0.02 if config.final_learning_rate_fraction == 0.2 else 0),
    )
    found = compare_final_rates(results)
    assert found[0.0].pooled.mean == pytest.approx(0)
    assert found[0.2].pooled.mean == pytest.approx(0.02)
    assert CYCLES.judge(results, None).numbers["final_0.2"] == pytest.approx(0.02)
