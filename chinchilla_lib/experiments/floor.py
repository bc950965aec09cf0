"""How well is the irreducible loss E known?

What lies above E falls as powers; E itself is seen only as their bend, so a wrong E can hide behind wrong
exponents. What counts is the excess: losses less E are what exponents are slopes of. So E is judged by the
factor within which its interval leaves the excess of the best run.
"""

import math
from dataclasses import dataclass
from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import FrontierFit
from chinchilla_lib.fitting.diagnostics import Interval

__all__ = ["LABELS", "LIMITS", "Floor", "judge_floor"]

LIMITS: Final = (1.5, 3.0)
"""Factors, low end of the excess to high, up to which E counts as identifiable and as weakly identifiable."""

LABELS: Final = ("identifiable", "weakly identifiable", "not identifiable")

_LEVEL: Final = 0.9


@dataclass(frozen=True)
class Floor:
    """What a fit knows of E.

    Attributes
    ----------
    estimate : float
        E, nats per token.
    interval : tuple of float
        90 %.
    lowest : float
        The law's loss at the optimum of the largest budget.
    """

    estimate: float
    interval: Interval
    lowest: float

    @property
    def factor(self) -> float:
        """The excess of `lowest` with E at the low end of its interval, over that at the high end."""
        low, high = self.interval
        return (self.lowest - low) / (self.lowest - high) if high < self.lowest else math.inf

    @property
    def label(self) -> str:
        """One of `LABELS`, by `LIMITS`."""
        return LABELS[sum(not self.factor <= limit for limit in LIMITS)]

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"E {self.label}: {self.estimate:.3f} ({low:.3f} to {high:.3f}), so that the excess of the best "
            f"run is known within a factor {self.factor:.2g}"
        )


def judge_floor(fit: FrontierFit) -> Floor:
    """What a fit knows of E.

    Parameters
    ----------
    fit : FrontierFit
        Of the parametric law with E free, with draws.

    Raises
    ------
    InputError
        If the fit has no law, no draws or no optimum.
    """
    if fit.law is None or not fit.points:
        raise InputError(
            f"a fit by {fit.method} with {len(fit.points)} optima tells no E; use fit_parametric"
        )
    return Floor(fit.law.E, fit.interval("E", _LEVEL), fit.points[-1].loss)
