"""Taking turns: rounds in which each contestant gets a slot, so that a busy machine troubles all alike."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.contestants import Contestant

__all__ = ["Spread", "ratio", "spread", "time_rounds"]

_WARMUP_STEPS: Final = 3


@dataclass(frozen=True)
class Spread:
    """What the rounds gave.

    Attributes
    ----------
    median, low, high : float
    """

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and extremes."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours over theirs, round by round."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def time_rounds(contestants: Sequence[Contestant], *, n_rounds: int, seconds: float) -> list[list[float]]:
    """What each contestant does per second, in each round.

    Parameters
    ----------
    contestants : sequence of Contestant
    n_rounds : int
    seconds : float
        Length of a slot, about.

    Returns
    -------
    list of list of float
        In the order given.
    """
    n_steps = []
    for contestant in contestants:
        _time(contestant, _WARMUP_STEPS)
        n_steps.append(max(1, round(_WARMUP_STEPS * seconds / _time(contestant, _WARMUP_STEPS))))
    speeds: list[list[float]] = [[] for _ in contestants]
    for _ in range(n_rounds):
        for contestant, n, found in zip(contestants, n_steps, speeds, strict=True):
            found.append(n * contestant.amount / _time(contestant, n))
    return speeds


def _time(contestant: Contestant, n_steps: int) -> float:
    contestant.wait()
    started = time.perf_counter()
    for _ in range(n_steps):
        contestant.step()
    contestant.wait()
    return time.perf_counter() - started
