"""How far an evaluation has come, and what is left of it: known before it starts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Meter", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far an evaluation has come.

    Attributes
    ----------
    n_done, n_requests : int
        Answers scored or written, and asked for.
    n_tokens : int
        Tokens the model computes for all of them, at most: those shared count once.
    seconds_left : float
        At the pace so far; before the start, at the pace of a short trial.
    """

    n_done: int
    n_requests: int
    n_tokens: int
    seconds_left: float


class Meter:
    """Says how far an evaluation has come, from nothing on.

    Parameters
    ----------
    report : callable
        Called with a :class:`Progress`, first at once.
    n_requests, n_tokens : int
    tokens_per_second : float
        Expected.
    """

    def __init__(
        self, report: Callable[[Progress], None], n_requests: int, n_tokens: int, tokens_per_second: float
    ) -> None:
        self._report, self._n_requests, self._n_tokens = report, n_requests, n_tokens
        self._n_done = self._tokens_done = 0
        self._started = time.perf_counter()
        report(Progress(0, n_requests, n_tokens, n_tokens / tokens_per_second))

    def advance(self, n_requests: int, n_tokens: int) -> None:
        """So many answers more, for which so many tokens counted."""
        self._n_done += n_requests
        self._tokens_done += n_tokens
        left = self._n_tokens - self._tokens_done
        passed = time.perf_counter() - self._started
        seconds = passed / max(1, self._tokens_done) * left if self._n_done < self._n_requests else 0.0
        self._report(Progress(self._n_done, self._n_requests, self._n_tokens, seconds))
