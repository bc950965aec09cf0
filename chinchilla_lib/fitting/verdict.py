"""Do the runs tell the frontier? Three answers, each with its reason.

The limits were set before they were tried on simulated sweeps of known truth
(`chinchilla_lib.experiments.verdicts`; recorded as ``reference/recorded/verdicts``).
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from chinchilla_lib.fitting.diagnostics import Diagnostics, Interval
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["Verdict", "judge_frontier"]

_SHARP: Final = 0.1  # width of the 90 % interval of a
_USEFUL: Final = 0.3
_THIN: Final = 0.05  # of ln N and ln D, across the line through the runs
_FEW_POINTS: Final = 2
_UNSTEADY: Final = 0.25  # share of resamples that are unusable
_BROKEN: Final = 0.5


@dataclass(frozen=True)
class Verdict:
    """Whether runs identify the compute-optimal frontier."""

    label: Literal["identifiable", "weakly identifiable", "not identifiable"]
    reason: str

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


def judge_frontier(
    interval: Interval | None, diagnostics: Diagnostics, *, floor: float | None, surface: SweepTable | None
) -> Verdict:
    """Verdict on a fitted frontier.

    Parameters
    ----------
    interval : tuple of float or None
        The 90 % interval of the exponent a; None without draws.
    diagnostics : Diagnostics
    floor : float or None
        E of the law, nats per token; None for a method without a law.
    surface : SweepTable or None
        The runs, for a method that fits a law to them.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_parametric
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> fit = fit_parametric(runs)
    >>> judge_frontier((0.44, 0.47), fit.diagnostics, floor=fit.law.E, surface=runs)
    Verdict(label='identifiable', reason='the 90 % interval of a is 0.03 wide')
    """
    fatal = _one_line(surface) or diagnostics.degenerate or _failing(diagnostics)
    if fatal is not None:
        return Verdict("not identifiable", fatal)
    if interval is None:
        return Verdict("weakly identifiable", "without draws nothing tells how well a is known")
    width = interval[1] - interval[0]
    known = f"the 90 % interval of a is {width:.2g} wide"
    caution = diagnostics.bootstrap and diagnostics.bootstrap.caution
    if caution:
        known += f" ({caution})"
    if not width <= _USEFUL:
        return Verdict("not identifiable", f"{known}, more than {_USEFUL:g}")
    if width > _SHARP:
        return Verdict("weakly identifiable", f"{known}, more than {_SHARP:g}")
    if floor == 0:
        return Verdict(
            "weakly identifiable", f"{known}, but E came out as 0: losses beyond the runs are not known"
        )
    if (doubt := _doubt(diagnostics)) is not None:
        return Verdict("weakly identifiable", f"{known}, but {doubt}")
    return Verdict("identifiable", known)


def _one_line(table: SweepTable | None) -> str | None:
    """Whether larger models saw more tokens by one rule: then nothing tells size from data."""
    if table is None:
        return None
    counts = np.log(np.stack([table.n_params, table.n_tokens]))
    covariance = np.cov(counts)
    across = float(np.sqrt(max(np.linalg.eigvalsh(covariance)[0], 0.0)))
    if covariance[0, 1] <= 0 or across > _THIN:
        return None
    return (
        f"all runs lie within {across:.1g} of one line in ln N and ln D, so the two terms of the law cannot "
        "be told apart; add runs with other ratios of tokens to parameters"
    )


def _failing(diagnostics: Diagnostics) -> str | None:
    n_valleys = len(diagnostics.valleys)
    n_without = sum(valley.reason is not None for valley in diagnostics.valleys)
    if 2 * n_without > n_valleys:
        return f"{n_without} of {n_valleys} valleys have no minimum inside their sizes"
    report = diagnostics.bootstrap
    if report is not None and report.unusable_share > _BROKEN:
        return f"{report.unusable_share:.0%} of the resamples give no frontier"
    return None


def _doubt(diagnostics: Diagnostics) -> str | None:
    n_points = sum(valley.reason is None for valley in diagnostics.valleys)
    if diagnostics.valleys and n_points <= _FEW_POINTS:
        return "the frontier rests on two valleys"
    report = diagnostics.bootstrap
    if report is not None and report.unusable_share > _UNSTEADY:
        return f"{report.unusable_share:.0%} of the resamples give no frontier"
    if diagnostics.optimum is not None and not diagnostics.optimum.passed:
        return "the optimum's check did not pass"
    return None
