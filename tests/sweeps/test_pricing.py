from collections.abc import Sequence

import pytest

from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.pricing import Prices
from chinchilla_lib.sweeps.tiers import TIERS


def test_a_kind_of_step_is_timed_once_and_workers_share_the_time() -> None:
    asked: list[RunConfig] = []

    def estimate(configs: Sequence[RunConfig]) -> list[float]:
        asked.extend(configs)
        return [0.5 * config.n_steps for config in configs]

    prices = Prices(estimate)
    configs = plan_isoflop_sweep(TIERS["ci"], corpus="c", seeds=(0, 1, 2)).configs
    seconds = [0.5 * config.n_steps for config in configs]
    assert prices(configs) == pytest.approx(seconds)
    assert len(asked) == len(configs) // 3, "seeds differ in nothing that takes time"
    assert prices.wall_seconds(configs, 2) == pytest.approx(sum(seconds) / 2)
    assert prices.wall_seconds(configs[:1], 2) == pytest.approx(seconds[0])
    assert prices.wall_seconds([], 2) == 0
    assert len(asked) == len(configs) // 3
