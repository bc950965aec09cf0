"""Turns in rounds, and what becomes of them."""

import time
from itertools import groupby

from benchmarks.contestants import Contestant
from benchmarks.timing import _WARMUP_STEPS, Spread, ratio, spread, time_rounds


def test_contestants_take_turns_and_have_equal_time() -> None:
    turns: list[str] = []

    def work(name: str, seconds: float) -> Contestant:
        def step() -> None:
            turns.append(name)
            time.sleep(seconds)

        return Contestant(name, step, amount=10.0)

    fast, slow = time_rounds([work("a", 0.001), work("b", 0.004)], n_rounds=3, seconds=0.02)
    in_rounds = turns[2 * 2 * _WARMUP_STEPS :]
    assert [name for name, _ in groupby(in_rounds)] == list("ababab")
    assert in_rounds.count("a") > in_rounds.count("b")
    assert len(fast) == len(slow) == 3
    assert max(fast) <= 10 / 0.001 and max(slow) <= 10 / 0.004


def test_what_is_queued_is_waited_for() -> None:
    queued: list[float] = []

    def wait() -> None:
        time.sleep(sum(queued))
        queued.clear()

    [[speed]] = time_rounds(
        [Contestant("queue", lambda: queued.append(0.002), 1.0, wait)], n_rounds=1, seconds=0.01
    )
    assert speed <= 1 / 0.002


def test_ratios_are_taken_round_by_round() -> None:
    # The machine slows to a tenth in the second round; the ratio does not.
    assert ratio([20.0, 2.0, 30.0], [10.0, 1.0, 10.0]) == Spread(2.0, 2.0, 3.0)
    assert spread([3.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=3.0)
