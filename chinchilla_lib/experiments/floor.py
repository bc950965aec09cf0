"""How well is the irreducible loss E known, and how wide must a sweep be for that?

What lies above E falls as powers; E itself is seen only as their bend, so a wrong E can hide behind wrong
exponents. What counts is the excess: losses less E are what exponents are slopes of. So E is judged by the
factor within which its interval leaves the excess of the best run.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import PARAMETRIC, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

__all__ = ["COLUMNS", "LABELS", "LIMITS", "Floor", "judge_floor", "simulate_span", "summarise"]

LIMITS: Final = (1.5, 3.0)
"""Factors, low end of the excess to high, up to which E counts as identifiable and as weakly identifiable."""

LABELS: Final = ("identifiable", "weakly identifiable", "not identifiable")

COLUMNS: Final = (
    "decades", "n_sweeps", "low", "estimate", "high", "holds", *LABELS, "frontier_identifiable", "a_width",
)  # fmt: skip
"""Of a summary: medians of E's interval and of E, the share of intervals that hold the truth, shares of what
is said of E, the share of sweeps whose frontier is identifiable, and the median width of a's interval."""

_LEVEL: Final = 0.9
_REFUSED: Final = {"low": math.nan, "estimate": math.nan, "high": math.nan, "a_width": math.nan}


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


def simulate_span(
    law: ParametricLoss,
    decades: float,
    *,
    first: float,
    noise: float,
    n_sweeps: int,
    n_budgets: int = 5,
    n_sizes: int = 7,
    n_draws: int = 200,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Simulate sweeps of one span, fit each, and say what it knows of E.

    Every span has as many runs: budgets are spread over it evenly, sizes half a decade to either side of
    each optimum.

    Parameters
    ----------
    law : ParametricLoss
        The truth.
    decades : float
        From the smallest budget to the largest, in powers of ten of FLOPs, above 0.
    first : float
        The smallest budget.
    noise : float
        Standard deviation of the logarithm of the loss.
    n_sweeps, n_budgets, n_sizes, n_draws : int
    seed : int
        Of the first sweep; the next has the next.

    Yields
    ------
    dict
        ``low``, ``estimate``, ``high`` (of E), ``holds``, ``label``, ``frontier`` (the label of the fit's own
        verdict) and ``a_width``. A sweep that cannot be fitted leaves E not identifiable.
    """
    budgets = np.geomspace(first, first * 10**decades, n_budgets).tolist()
    for number in range(n_sweeps):
        table = simulate_isoflop_sweep(law, budgets, n_sizes=n_sizes, noise=noise, seed=seed + number)
        try:
            fit = bootstrap_fit(PARAMETRIC, table, n_draws=n_draws, seed=seed + number)
            floor = judge_floor(fit)
            low, high = fit.interval("a")
        except InputError:
            yield {**_REFUSED, "holds": False, "label": LABELS[-1], "frontier": LABELS[-1]}
            continue
        yield {
            "low": floor.interval[0],
            "estimate": floor.estimate,
            "high": floor.interval[1],
            "holds": floor.interval[0] <= law.E <= floor.interval[1],
            "label": floor.label,
            "frontier": fit.verdict.label,
            "a_width": high - low,
        }


def summarise(decades: float, sweeps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row for a span.

    Parameters
    ----------
    decades : float
    sweeps : sequence of dict
        As :func:`simulate_span` yields them.

    Returns
    -------
    dict
        With the keys `COLUMNS`.
    """
    found: dict[str, Any] = {"decades": decades, "n_sweeps": len(sweeps)}
    for name in ("low", "estimate", "high", "a_width"):
        found[name] = float(np.nanmedian([sweep[name] for sweep in sweeps]))
    found["holds"] = float(np.mean([sweep["holds"] for sweep in sweeps]))
    for label in LABELS:
        found[label] = float(np.mean([sweep["label"] == label for sweep in sweeps]))
    found["frontier_identifiable"] = float(np.mean([sweep["frontier"] == LABELS[0] for sweep in sweeps]))
    return {name: found[name] for name in COLUMNS}
