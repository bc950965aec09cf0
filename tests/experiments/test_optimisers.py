from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.experiments.optimisers import BASE, OPTIMISERS, SETUPS, compare_setups, rows_by_setup
from chinchilla_lib.fitting.paired import pair_differences
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import plan_runs
from tests.experiments.trained_rows import trained_rows

TIERS = list(OPTIMISERS.parts)


def made_up(adam: float, bf16: float, noise: float = 0.005) -> Callable[[RunConfig], float]:
    def loss(config: RunConfig) -> float:
        excess = adam * (config.optimizer == "adam") + bf16 * (config.weight_precision == "bf16")
        own = 0.0 if excess == 0 else noise * (-1) ** config.seed  # so that four seeds have a mean of 0
        return 4 + 0.1 * config.seed + excess + own

    return loss


@pytest.mark.parametrize("tier", TIERS)
def test_all_setups_are_trained_alike(tier: str) -> None:
    (part,) = OPTIMISERS.parts_of(tier)
    configs = part.plan("c").configs
    base = [c for c in configs if (c.optimizer, c.weight_precision) == BASE]
    assert len(configs) == len(SETUPS) * len(base)
    assert {replace(c, weight_decay=0.1, weight_precision="float32") for c in configs} == set(base)
    assert {(c.optimizer, c.weight_precision) for c in configs} == set(SETUPS)


def test_chinchillas_setup_is_that_of_the_main_sweep() -> None:
    (part,) = OPTIMISERS.parts_of("cpu-20")
    main = plan_runs(DESIGN, {3e11: (40,), 1e12: (64,)}, corpus="c", seeds=range(4))
    assert part.plan("c").configs[: len(main)] == main


@pytest.mark.parametrize("tier", TIERS)
def test_each_setup_is_found_and_its_excess_is_that_put_in(tier: str) -> None:
    (rows,) = trained_rows(OPTIMISERS.parts_of(tier), made_up(0.02, 0.05, noise=0)).values()
    assert len({len(runs) for runs in rows_by_setup(rows).values()}) == 1
    found = {setup: excess.pooled.mean for setup, excess in compare_setups(rows).items()}
    assert found == pytest.approx(
        {("adam", "float32"): 0.02, ("adamw", "bf16"): 0.05, ("adam", "bf16"): 0.07}
    )


@pytest.mark.parametrize(
    ("adam", "bf16", "outcome"),
    [
        (0.03, 0.05, "holds"),
        (-0.03, 0.05, "does not hold"),
        (0.03, -0.05, "does not hold"),
        (0.001, 0.05, "cannot tell"),
        (0.03, 0.001, "cannot tell"),
        (0.03, -0.001, "cannot tell"),
    ],
)
def test_the_verdict_follows_the_truth(adam: float, bf16: float, outcome: str) -> None:
    results = trained_rows(OPTIMISERS.parts_of("cpu-20"), made_up(adam, bf16))
    verdict = OPTIMISERS.judge(results, None)
    assert verdict.outcome == outcome, verdict
    assert verdict.numbers["adam_float32"] == pytest.approx(adam)
    assert "AdamW, bf16 weights" in verdict.text
    under_other_name = {"optimisers-cpu-20": results["runs"]}  # as a recorded result of one part is
    assert OPTIMISERS.judge(under_other_name, None) == verdict


def test_an_effect_of_1_2_standard_deviations_is_seen_nine_times_in_ten() -> None:
    rng = np.random.default_rng(0)
    seen = [pair_differences(draw.tolist()).above(0) for draw in rng.normal(1.2, 1, size=(2000, 2, 4))]
    assert np.mean(seen) == pytest.approx(0.9, abs=0.03)
