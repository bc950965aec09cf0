"""How wide must a sweep be before E is known? Simulated sweeps of one law, over more and more of compute.

The law is that of the recorded runs on Zipf recall with E held at its true value, the noise that of their
seeds, or a third of it, as the mean of nine seeds would have. Each sweep has 35 runs whatever its span: five
budgets from 3e10 FLOPs up, seven sizes at each, half a decade to either side of the optimum. What is said of
E is fixed in `chinchilla_lib.experiments.floor`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.floor import LABELS, judge_floor
from chinchilla_lib.experiments.known_truth import KNOWN_TRUTH, truth
from chinchilla_lib.experiments.main_sweep import seed_noise
from chinchilla_lib.fitting import PARAMETRIC, bootstrap_fit, fit_parametric
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

__all__ = ["COLUMNS", "FIRST", "KINDS", "Span", "fit_sweep", "measured_law", "simulate_sweep", "summarise"]

COLUMNS: Final = (
    "decades", "noise_share", "n_sets", "low", "estimate", "high", "held", *LABELS, "frontier_identifiable",
    "a_width",
)  # fmt: skip
"""Of a summary: medians of E and of the ends of its 90 % interval, the share of intervals that hold the
truth, shares of what is said of E, the share of sweeps whose frontier is identifiable by the fit's own
verdict, and the median width of a's interval."""

FIRST: Final = 3e10
"""The smallest budget, FLOPs."""

_RECORDED: Final = "cpu-20"
_N_BUDGETS: Final = 5
_N_SIZES: Final = 7
_N_DRAWS: Final = 200


@dataclass(frozen=True)
class Span:
    """What sweeps of one kind have in common.

    Attributes
    ----------
    decades : float
        From the smallest budget to the largest, in powers of ten of FLOPs.
    noise_share : float
        Of the noise between our seeds.
    """

    decades: float
    noise_share: float

    @property
    def name(self) -> str:
        """For example ``1.5 decades, 1 of the noise``."""
        return f"{self.decades:g} decades, {self.noise_share:.2g} of the noise"


KINDS: Final[Mapping[str, Span]] = {
    span.name: span
    for share in (1.0, 1 / 3)
    for span in (Span(decades, share) for decades in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0))
}
"""Spans by name."""


@cache
def measured_law() -> tuple[ParametricLoss, float]:
    """The law of the recorded runs with E held at the truth, and their noise relative to the loss.

    Raises
    ------
    InputError
        If the runs are not recorded.
    """
    table = load_recorded(f"{KNOWN_TRUTH.name}-{_RECORDED}").table()
    law = fit_parametric(table, floor=truth().E).law
    assert law is not None
    return law, seed_noise(table) / float(np.mean(table.loss))


def simulate_sweep(law: ParametricLoss, decades: float, *, noise: float, seed: int) -> dict[str, Any]:
    """Simulate a sweep, fit it, and say what it tells of E.

    Parameters
    ----------
    law : ParametricLoss
        The truth.
    decades : float
        See `Span`.
    noise : float
        Standard deviation of the logarithm of the loss.
    seed : int

    Returns
    -------
    dict
        ``low``, ``estimate`` and ``high`` (of E), ``held``, ``label``, ``frontier`` (the label of the fit's
        own verdict), ``a_width``. A sweep that cannot be fitted leaves E not identifiable.
    """
    budgets = np.geomspace(FIRST, FIRST * 10**decades, _N_BUDGETS).tolist()
    table = simulate_isoflop_sweep(law, budgets, n_sizes=_N_SIZES, noise=noise, seed=seed)
    try:
        fit = bootstrap_fit(PARAMETRIC, table, n_draws=_N_DRAWS, seed=seed)
        floor = judge_floor(fit)
        a_low, a_high = fit.interval("a")
    except InputError:
        nothing = dict.fromkeys(("low", "estimate", "high", "a_width"), math.nan)
        return {**nothing, "held": False, "label": LABELS[-1], "frontier": LABELS[-1]}
    low, high = floor.interval
    return {
        "low": low,
        "estimate": floor.estimate,
        "high": high,
        "held": low <= law.E <= high,
        "label": floor.label,
        "frontier": fit.verdict.label,
        "a_width": a_high - a_low,
    }


def fit_sweep(kind: str, seed: int, number: int) -> dict[str, Any]:
    """A sweep of one kind under the measured law; see :func:`simulate_sweep`.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    seed, number : int
        Of the campaign, and of the sweep in it.
    """
    law, noise = measured_law()
    span = KINDS[kind]
    own = int(np.random.default_rng([seed, list(KINDS).index(kind), number]).integers(2**31))
    return simulate_sweep(law, span.decades, noise=span.noise_share * noise, seed=own)


def summarise(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each kind.

    Parameters
    ----------
    results : mapping
        For each kind what :func:`fit_sweep` gave.

    Returns
    -------
    list of dict
        With the keys `COLUMNS`.
    """
    rows = []
    for kind, sweeps in results.items():
        span = KINDS[kind]
        row: dict[str, Any] = {
            "decades": span.decades,
            "noise_share": span.noise_share,
            "n_sets": len(sweeps),
        }
        for name in ("low", "estimate", "high", "a_width"):
            row[name] = float(np.nanmedian([sweep[name] for sweep in sweeps]))
        row["held"] = float(np.mean([sweep["held"] for sweep in sweeps]))
        for label in LABELS:
            row[label] = float(np.mean([sweep["label"] == label for sweep in sweeps]))
        row["frontier_identifiable"] = float(np.mean([sweep["frontier"] == LABELS[0] for sweep in sweeps]))
        rows.append({name: row[name] for name in COLUMNS})
    return rows
