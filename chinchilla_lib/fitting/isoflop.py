"""Approach 2: isoFLOP profiles (section 3.2).

For each compute budget a parabola is fitted to the loss against ln N; its minimum is the optimal model
size of that budget. Power laws through the minima give the frontier.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import Estimator
from chinchilla_lib.fitting.diagnostics import Diagnostics, OptimumPoint, ValleyFit
from chinchilla_lib.fitting.parabola import fit_parabolas
from chinchilla_lib.fitting.power_law import fit_log_lines, fit_power_law
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.sweeps.table import SweepTable, Valley

__all__ = ["ISOFLOP", "fit_isoflop_profiles"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SAME_SIZE: Final = 1e-9  # sizes closer than this in ln N are one size
_REASONS: Final = (
    "fewer than three distinct sizes in a valley",
    "a parabola that does not open upward",
    "a minimum outside the valley's sizes",
)


def fit_isoflop_profiles(table: SweepTable) -> FrontierFit:
    """Approach 2: the frontier through the minima of parabolas, one per compute budget (section 3.2).

    The tokens at a minimum are read off the valley: ln D is interpolated on ln N between its sizes. With
    C = 6ND that is exact, and then a + b = 1 and 6 N_opt D_opt = C hold identically.

    A valley is left out of the laws, and reported with its reason in ``diagnostics.valleys``, if its
    parabola does not open upward or has its minimum outside the sampled sizes, or if its smallest or
    largest size has the lowest loss (a parabola through a falling curve may still turn up).

    Parameters
    ----------
    table : SweepTable
        At least two budgets with three sizes each; see `SweepTable.valleys` for how runs are grouped.

    Returns
    -------
    FrontierFit
        Without draws; `chinchilla_lib.fitting.bootstrap_fit` adds them.

    Raises
    ------
    InputError
        If budgets cannot be told apart, a valley has fewer than three sizes, or fewer than two valleys
        have a minimum inside.

    Notes
    -----
    The true valley is not a parabola: sampled symmetrically over 0.5, 1 or 1.5 decades to each side, N_opt
    comes out 1, 4 or 9 % high at every budget, so the level is biased and the exponent is not. The window
    of each valley is in ``diagnostics.valleys``.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> fit = fit_isoflop_profiles(simulate_isoflop_sweep(law, [1e18, 1e19, 1e20]))
    >>> f"{fit.a:.4f} {fit.b:.4f}"
    '0.4516 0.5484'
    """
    valleys = table.valleys()
    for valley in valleys:
        _check_sizes(table, valley)
    if len(valleys) < 2:
        column = "flops" if table.flops_budget is None else "flops_budget"
        raise InputError(
            f"{table.where(valleys[0].index, column)}: all runs belong to one budget, "
            f"{format_flops(valleys[0].flops)}; an exponent needs two budgets or more"
        )
    fits = tuple(_fit_valley(table, valley) for valley in valleys)
    points = tuple(fit.optimum for fit in fits if fit.optimum is not None)
    if len(points) < 2:
        open_ones = [fit for fit in fits if fit.reason is not None]
        reasons = "; ".join(f"{format_flops(fit.flops)}: {fit.reason}" for fit in open_ones)
        where = table.where(np.concatenate([fit.index for fit in open_ones]), "loss")
        raise InputError(
            f"{where}: {len(points)} of {len(fits)} valleys have a minimum inside their "
            f"sizes and an exponent needs two ({reasons}); add runs beyond the edges of these valleys"
        )
    residuals = np.empty(len(table))
    for fit in fits:
        residuals[fit.index] = table.loss[fit.index] - fit.predict(table.n_params[fit.index])
    used = np.concatenate([fit.index for fit in fits if fit.reason is None])
    flops = [point.flops for point in points]
    return FrontierFit(
        method="isoflop",
        table=table,
        n_opt=fit_power_law(flops, [point.n_params for point in points]),
        d_opt=fit_power_law(flops, [point.n_tokens for point in points]),
        points=points,
        residuals=residuals,
        diagnostics=Diagnostics(
            flops_convention=table.flops_convention,
            budgets_from="clustered flops" if table.flops_budget is None else "flops_budget",
            n_runs_used=len(used),
            n_runs_left_out=len(table) - len(used),
            residual_rms=_rms(residuals[used]),
            valleys=fits,
            messages=_messages(fits),
        ),
    )


def _check_sizes(table: SweepTable, valley: Valley) -> None:
    n_sizes = int(_size_numbers(np.log(table.n_params[valley.index])).max()) + 1
    if n_sizes < 3:
        raise InputError(
            f"{table.where(valley.index, 'n_params')}: the valley at {format_flops(valley.flops)} FLOPs has "
            f"{len(valley.index)} run{'s' if len(valley.index) > 1 else ''} of {n_sizes} "
            f"size{'s' if n_sizes > 1 else ''}; a parabola needs three sizes or more"
        )


def _size_numbers(log_n: FloatArray) -> IntArray:
    """Number of the distinct size of each run, from 0; `log_n` ascending."""
    return np.concatenate([[0], np.cumsum(np.diff(log_n) > _SAME_SIZE)]).astype(np.int64)


def _fit_valley(table: SweepTable, valley: Valley) -> ValleyFit:
    loss, log_n = table.loss[valley.index], np.log(table.n_params[valley.index])
    center, half_width = (log_n[0] + log_n[-1]) / 2, (log_n[-1] - log_n[0]) / 2
    z, size = (log_n - center) / half_width, _size_numbers(log_n)
    parabola = fit_parabolas(z, size, loss, np.ones((1, len(loss)), dtype=np.int64))
    u, slope, bend = float(parabola.center[0]), float(parabola.c1[0]), float(parabola.c2[0])
    lowest = float(parabola.argmin[0])
    best = int(np.argmin(np.bincount(size, weights=loss) / np.bincount(size)))
    optimum, reason = None, None
    if not parabola.opens_upward[0]:
        reason = "the parabola does not open upward"
    elif not -1 < lowest < 1:
        side, edge = ("below", log_n[0]) if lowest <= -1 else ("above", log_n[-1])
        reason = f"the minimum lies {side} the sampled sizes, beyond the edge {format_count(math.exp(edge))}"
    elif best in (0, size[-1]):
        side, edge = ("smallest", log_n[0]) if best == 0 else ("largest", log_n[-1])
        reason = f"the lowest loss is that of the {side} size, at the edge {format_count(math.exp(edge))}"
    else:
        log_n_opt = center + half_width * lowest
        optimum = OptimumPoint(
            flops=valley.flops,
            n_params=math.exp(log_n_opt),
            n_tokens=math.exp(_tokens(table, valley.index, np.array([log_n_opt]))[0]),
            loss=float(parabola.predict(np.array([lowest]))[0, 0]),
        )
    residuals = loss - parabola.predict(z)[0]
    return ValleyFit(
        flops=valley.flops,
        index=valley.index,
        n_sizes=int(size[-1]) + 1,
        center=float(center),
        half_width=float(half_width),
        coefficients=(float(parabola.c0[0]) - u * (slope - u * bend), slope - 2 * u * bend, bend),
        optimum=optimum,
        reason=reason,
        residual_rms=_rms(residuals),
    )


def _tokens(table: SweepTable, index: IntArray, log_n: FloatArray) -> FloatArray:
    """ln D at sizes inside a valley, linear in ln N between its sizes."""
    known = np.log(table.n_params[index])
    size = _size_numbers(known)
    runs = np.bincount(size)
    return np.asarray(
        np.interp(
            log_n,
            np.bincount(size, weights=known) / runs,
            np.bincount(size, weights=np.log(table.n_tokens[index])) / runs,
        ),
        dtype=np.float64,
    )


def _rms(residuals: FloatArray) -> float:
    return float(np.sqrt(np.mean(residuals**2)))


def _messages(fits: Sequence[ValleyFit]) -> tuple[str, ...]:
    messages = [
        f"the valley at {format_flops(fit.flops)} FLOPs is left out: {fit.reason}"
        for fit in fits
        if fit.reason is not None
    ]
    if len(fits) - sum(fit.reason is not None for fit in fits) == 2:
        messages.append("the law rests on two valleys, so nothing tells how well it holds")
    return tuple(messages)


def _strata(fit: FrontierFit) -> list[IntArray]:
    return [valley.index for valley in fit.diagnostics.valleys if valley.reason is None]


def _refit(fit: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
    """Refit resamples of the valleys that the fit rests on.

    A resample is unusable if, in any of these valleys, it holds fewer than three distinct sizes, its
    parabola does not open upward, or the minimum lies outside the valley's sampled sizes. The first of
    these that applies is its reason. Which size has the lowest loss is not asked again: a resample may
    lack the sizes in the middle.
    """
    used = [valley for valley in fit.diagnostics.valleys if valley.reason is None]
    n_draws = len(counts[0])
    log_n, log_d = np.empty((n_draws, len(used))), np.empty((n_draws, len(used)))
    fault = np.full(n_draws, len(_REASONS))
    for column, (valley, drawn) in enumerate(zip(used, counts, strict=True)):
        known = np.log(fit.table.n_params[valley.index])
        z = (known - valley.center) / valley.half_width
        parabolas = fit_parabolas(z, _size_numbers(known), fit.table.loss[valley.index], drawn)
        lowest = parabolas.argmin
        faults = [~parabolas.determined, ~parabolas.opens_upward, ~(np.abs(lowest) < 1)]
        fault = np.minimum(fault, np.select(faults, [0, 1, 2], default=len(_REASONS)))
        log_n[:, column] = valley.center + valley.half_width * lowest
        log_d[:, column] = _tokens(fit.table, valley.index, log_n[:, column])
    usable = fault == len(_REASONS)
    log_flops = np.log([valley.flops for valley in used])
    log_n_coefficient, a = fit_log_lines(log_flops, log_n[usable])
    log_d_coefficient, b = fit_log_lines(log_flops, log_d[usable])
    draws = FrontierDraws(a=a, b=b, log_n_coefficient=log_n_coefficient, log_d_coefficient=log_d_coefficient)
    return draws, [_REASONS[code] for code in fault[~usable]]


ISOFLOP: Final = Estimator(method="isoflop", fit=fit_isoflop_profiles, strata=_strata, refit=_refit, n_free=3)
"""Approach 2, for `bootstrap_fit`; strata are the valleys that the fit rests on."""
