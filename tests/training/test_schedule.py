from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS
from chinchilla_lib.training.schedule import schedule_rate

RUN = plan_isoflop_sweep(TIERS["ci"], corpus="0123456789abcdef").configs[0]


def rates_of(config: RunConfig) -> list[float]:
    return [schedule_rate(config, step) / config.learning_rate for step in range(config.n_steps)]


@given(
    n_steps=st.integers(2, 2000),
    share=st.floats(0, 0.9),
    cooldown=st.floats(0, 1),
    final=st.floats(0, 1),
    schedule=st.sampled_from(["cosine", "wsd"]),
)
def test_the_rate_rises_then_falls_to_its_end(
    n_steps: int, share: float, cooldown: float, final: float, schedule: str
) -> None:
    warmup = int(share * n_steps)
    config = replace(
        RUN,
        n_steps=n_steps,
        warmup_steps=warmup,
        final_learning_rate_fraction=final,
        schedule=schedule,
        cooldown_steps=max(1, int(cooldown * (n_steps - warmup))) if schedule == "wsd" else 0,
    )
    rates = rates_of(config)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert rates[0] > 0 or n_steps - warmup == 1
    assert all(-1e-12 <= rate <= 1 + 1e-12 for rate in rates)
    if n_steps - warmup > 1:
        assert rates[-1] == pytest.approx(final, abs=1e-9)
        assert max(rates) == pytest.approx(1.0) or config.cooldown_steps == n_steps - warmup


def test_half_way_down_the_cosine_is_half_way() -> None:
    config = replace(RUN, n_steps=1001, warmup_steps=0)
    assert rates_of(config)[500] == pytest.approx(0.55)


def test_the_trunk_does_not_know_how_long_it_will_be() -> None:
    short = replace(RUN, n_steps=500, warmup_steps=20, schedule="wsd", cooldown_steps=100)
    long = replace(RUN, n_steps=900, warmup_steps=20, schedule="wsd", cooldown_steps=180)
    assert rates_of(short)[:400] == rates_of(long)[:400]
    assert set(rates_of(long)[20:720]) == {1.0}
    assert rates_of(long)[720] < 1.0
    # A quarter into the cooldown, 1 - sqrt has fallen half of its way to a tenth.
    assert rates_of(short)[400 + 24] == pytest.approx(1 - 0.9 * 0.5)


def test_a_cycle_longer_than_the_run_is_cut() -> None:
    long = replace(RUN, n_steps=900, warmup_steps=20)
    cut = replace(RUN, n_steps=500, warmup_steps=20, cycle_steps=900)
    assert rates_of(cut) == rates_of(long)[:500]
    assert rates_of(replace(cut, n_steps=10, warmup_steps=20))[-1] < 0.5  # it ends within its warmup
