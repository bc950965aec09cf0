"""A fit as plain values: what ``chinchilla-lib fit --json`` writes and ``allocate --law FILE.json`` reads."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.result import LAW_FIELDS, Allocation, FrontierFit

__all__ = ["fit_report"]

_BELOW: Final = 0.1
_ABOVE: Final = 1e4
_PER_DECADE: Final = 4
_TINY, _HUGE = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)


def fit_report(fit: FrontierFit, level: float = 0.9) -> dict[str, Any]:
    """Plain values of a fit, for JSON.

    Parameters
    ----------
    fit : FrontierFit
    level : float
        Of the intervals, between 0 and 1.

    Returns
    -------
    dict
        ``verdict`` is the label and ``verdict_reason`` its reason. ``law`` (E, A, B, alpha, beta) and
        ``objective`` (the sum over runs) are null only for a method that fits no law; ``loss_known`` is false
        where the law tells differences of losses only. ``intervals`` holds
        ``[low, high]`` of a, b and the law's fields, null without draws; ``intervals_from`` is the scheme
        that made them. ``frontier`` is the optimum on a grid of budgets from a tenth of the smallest to
        10,000 times the largest; ``flops_range`` is where the runs' own budgets lie, and what is outside of
        it is extrapolated.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_valley
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> report = fit_report(fit_valley(runs))
    >>> report["method"], report["verdict"], sorted(report["law"])
    ('valley', 'weakly identifiable', ['A', 'B', 'E', 'alpha', 'beta'])
    """
    verdict, report = fit.verdict, fit.diagnostics.bootstrap
    return {
        "method": fit.method,
        "source": fit.table.source,
        "n_runs": len(fit.table),
        "flops_convention": fit.table.flops_convention,
        "verdict": verdict.label,
        "verdict_reason": verdict.reason,
        "law": None if fit.law is None else {name: getattr(fit.law, name) for name in LAW_FIELDS},
        "loss_known": fit.law is None or fit.loss_known,
        "objective": fit.objective,
        "exponents": {"a": fit.a, "b": fit.b},
        "coefficients": {"n_opt": fit.n_opt.coefficient, "d_opt": fit.d_opt.coefficient},
        "intervals": _intervals(fit, level),
        "intervals_from": report.scheme if report is not None and fit.has_intervals else None,
        "optimum": [
            {
                "flops": point.flops,
                "n_params": point.n_params,
                "n_tokens": point.n_tokens,
                "tokens_per_param": point.n_tokens / point.n_params,
                "loss": point.loss,
            }
            for point in fit.points
        ],
        "flops_range": list(_range_of(fit)),
        "frontier": [_grid_point(known) for known in _frontier(fit, level)],
        "diagnostics": fit.diagnostics.to_dict(),
    }


def _intervals(fit: FrontierFit, level: float) -> dict[str, Any] | None:
    if not fit.has_intervals:
        return None
    names = ("a", "b") if fit.law is None else ("a", "b", *LAW_FIELDS)
    ends = {name: [min(end, _HUGE) for end in fit.interval(name, level)] for name in names}
    return {"level": level, **ends}


def _range_of(fit: FrontierFit) -> tuple[float, float]:
    """The smallest and the largest budget of the runs, FLOPs."""
    flops = fit.table.flops if fit.table.flops_budget is None else fit.table.flops_budget
    return float(flops.min()), float(flops.max())


def _budgets(fit: FrontierFit) -> npt.NDArray[np.float64]:
    """A logarithmic grid, with the ends of the points: a loss line is known between them only."""
    smallest, largest = _range_of(fit)
    low, high = _BELOW * smallest, _ABOVE * largest
    grid = np.geomspace(low, high, 1 + math.ceil(_PER_DECADE * math.log10(high / low)))
    ends = [point.flops for point in fit.points]
    return np.unique([*grid, *([min(ends), max(ends)] if ends else [])])


def _frontier(fit: FrontierFit, level: float) -> list[Allocation]:
    found = []
    for flops in _budgets(fit).tolist():
        try:
            found.append(fit.allocate(flops, level))
        except InputError:  # beyond the range of a double
            continue
    return found


def _grid_point(known: Allocation) -> dict[str, Any]:
    intervals = {
        name: list(ends)
        for name, ends in (
            ("n_params", known.n_params_interval),
            ("n_tokens", known.n_tokens_interval),
            ("loss", known.loss_interval),
        )
        if ends is not None and _is_plain(ends)
    }
    return {
        "flops": known.flops,
        "n_params": known.n_params,
        "n_tokens": known.n_tokens,
        "loss": known.loss,
        "intervals": intervals or None,
    }


def _is_plain(ends: Interval) -> bool:
    return ends[0] >= _TINY and ends[1] <= _HUGE
