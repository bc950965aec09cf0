"""Do the runs tell the frontier? Three answers, each with its reason.

The limits were chosen on simulated sweeps of known truth (``benchmarks/coverage.py``).
"""

from dataclasses import dataclass
from typing import Final, Literal

from chinchilla_lib.fitting.diagnostics import Diagnostics, Interval

__all__ = ["Verdict", "judge_frontier"]

_SHARP: Final = 0.1  # width of the 90 % interval of a
_USEFUL: Final = 0.3


@dataclass(frozen=True)
class Verdict:
    """Whether runs identify the compute-optimal frontier."""

    label: Literal["identifiable", "weakly identifiable", "not identifiable"]
    reason: str

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


def judge_frontier(interval: Interval | None, diagnostics: Diagnostics, *, floor: float | None) -> Verdict:
    """Verdict on a fitted frontier.

    Parameters
    ----------
    interval : tuple of float or None
        The 90 % interval of the exponent a; None without draws.
    diagnostics : Diagnostics
    floor : float or None
        E of the law, nats per token; None for a method without a law.
    """
    if diagnostics.degenerate is not None:
        return Verdict("not identifiable", diagnostics.degenerate)
    if interval is None:
        return Verdict("weakly identifiable", "without draws nothing tells how well a is known")
    width = interval[1] - interval[0]
    known = f"the 90 % interval of a is {width:.2g} wide"
    if not width <= _USEFUL:
        return Verdict("not identifiable", f"{known}, more than {_USEFUL:g}")
    if width > _SHARP:
        return Verdict("weakly identifiable", f"{known}, more than {_SHARP:g}")
    if floor == 0:
        return Verdict(
            "weakly identifiable", f"{known}, but E came out as 0: losses beyond the runs are not known"
        )
    return Verdict("identifiable", known)
