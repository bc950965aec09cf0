"""Approach 2: isoFLOP profiles (section 3.2).

For each compute budget a parabola is fitted to the loss against ln N; its minimum is the optimal model
size of that budget. Power laws through the minima give the frontier.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_flops
from chinchilla_lib.fitting.bootstrap import Estimator
from chinchilla_lib.fitting.counts import repeated_rows
from chinchilla_lib.fitting.diagnostics import Diagnostics, OptimumPoint, ValleyFit
from chinchilla_lib.fitting.leverage import leverages
from chinchilla_lib.fitting.parabola import Parabolas, fit_parabolas, fit_parabolas_to_losses
from chinchilla_lib.fitting.power_law import fit_log_lines, fit_power_law
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.fitting.windows import check_minima, check_valleys, edge_reason, size_numbers
from chinchilla_lib.sweeps.table import SweepTable, Valley

__all__ = ["ISOFLOP", "ParabolaFit", "fit_isoflop_profiles"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_FEW: Final = 8
_REASONS: Final = (
    "fewer than three distinct sizes in a valley",
    "a parabola that does not open upward",
    "a minimum outside the valley's sizes",
    "a minimum with a loss of 0 or below",
)


@dataclass(frozen=True, eq=False)
class ParabolaFit(ValleyFit):
    """A valley fitted by ``loss = c0 + c1 z + c2 z^2`` with z = (ln N - center) / half_width."""

    coefficients: tuple[float, float, float]
    """c0, c1, c2 in nats per token."""

    @property
    def curvature(self) -> float:
        """Second derivative of the loss in ln N, nats per token."""
        return 2 * self.coefficients[2] / self.half_width**2

    def predict(self, n_params: FloatArray) -> FloatArray:
        """Loss of the parabola at model sizes, nats per token."""
        z = (np.log(n_params) - self.center) / self.half_width
        c0, c1, c2 = self.coefficients
        return np.asarray(c0 + z * (c1 + z * c2), dtype=np.float64)


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
    fits = tuple(_fit_valley(table, valley) for valley in check_valleys(table))
    check_minima(table, fits)
    points = tuple(fit.optimum for fit in fits if fit.optimum is not None)
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
        loss_line=fit_power_law(flops, [point.loss for point in points]),
        points=points,
        residuals=residuals,
        diagnostics=Diagnostics(
            flops_convention=table.flops_convention,
            budgets_from="clustered flops" if table.flops_budget is None else "flops_budget",
            n_runs_used=len(used),
            n_runs_left_out=len(table) - len(used),
            residual_rms=_rms(residuals[used]),
            valleys=fits,
            messages=(*_messages(fits), *repeated_rows(table)),
        ),
    )


def _fit_valley(table: SweepTable, valley: Valley) -> ValleyFit:
    loss, log_n = table.loss[valley.index], np.log(table.n_params[valley.index])
    center, half_width = (log_n[0] + log_n[-1]) / 2, (log_n[-1] - log_n[0]) / 2
    z, size = (log_n - center) / half_width, size_numbers(log_n)
    parabola = fit_parabolas(z, size, loss, np.ones((1, len(loss)), dtype=np.intp))
    u, slope, bend = float(parabola.center[0]), float(parabola.c1[0]), float(parabola.c2[0])
    lowest = float(parabola.argmin[0])
    log_n_opt = float(center + half_width * lowest)
    optimum = None
    if not parabola.opens_upward[0]:
        reason: str | None = "the parabola does not open upward"
    else:
        reason = edge_reason(log_n, loss, log_n_opt)
    if reason is None:
        height = float(parabola.predict(np.array([lowest]))[0, 0])
        if height <= 0:
            reason = f"the loss at the minimum is {height:.3g}, not above 0"
        else:
            log_d_opt = _tokens(table, valley.index, np.array([log_n_opt]))[0]
            optimum = OptimumPoint(valley.flops, math.exp(log_n_opt), math.exp(log_d_opt), height)
    residuals = loss - parabola.predict(z)[0]
    return ParabolaFit(
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
    size = size_numbers(known)
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
    if (fewest := min(len(fit.index) for fit in fits)) < _FEW:
        messages.append(
            f"a valley has {fewest} runs: below {_FEW} the residual scheme (scheme='residual') loses hardly "
            "any resample; its intervals are half as wide as those of pairs and hold nearly as often"
        )
    return tuple(messages)


def _strata(fit: FrontierFit) -> list[IntArray]:
    return [valley.index for valley in _used(fit)]


def _refit(fit: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
    """Refit resamples of the valleys that the fit rests on.

    A resample is unusable if, in any of these valleys, it holds fewer than three distinct sizes, its
    parabola does not open upward, or the minimum lies outside the valley's sampled sizes or at a loss that
    is not above 0. The first of these that applies is its reason. Which size has the lowest loss is not
    asked again: a resample may lack the sizes in the middle.
    """
    resamples = []
    for valley, drawn in zip(_used(fit), counts, strict=True):
        known = np.log(fit.table.n_params[valley.index])
        z = (known - valley.center) / valley.half_width
        resamples.append(fit_parabolas(z, size_numbers(known), fit.table.loss[valley.index], drawn))
    return _draws(fit, resamples)


def _refit_losses(fit: FrontierFit, losses: Sequence[FloatArray]) -> tuple[FrontierDraws, list[str]]:
    """The same for other losses of the same runs."""
    resamples = []
    for valley, loss in zip(_used(fit), losses, strict=True):
        z = (np.log(fit.table.n_params[valley.index]) - valley.center) / valley.half_width
        resamples.append(fit_parabolas_to_losses(z, loss))
    return _draws(fit, resamples)


def _leverage(fit: FrontierFit) -> list[FloatArray]:
    found = []
    for valley in _used(fit):
        z = (np.log(fit.table.n_params[valley.index]) - valley.center) / valley.half_width
        found.append(leverages(np.stack([np.ones_like(z), z, z**2], axis=1)))
    return found


def _used(fit: FrontierFit) -> list[ValleyFit]:
    return [valley for valley in fit.diagnostics.valleys if valley.reason is None]


def _draws(fit: FrontierFit, resamples: Sequence[Parabolas]) -> tuple[FrontierDraws, list[str]]:
    used = _used(fit)
    shape = len(resamples[0].c0), len(used)
    log_n, log_d, loss = np.empty(shape), np.empty(shape), np.empty(shape)
    fault = np.full(shape[0], len(_REASONS))
    for column, (valley, parabolas) in enumerate(zip(used, resamples, strict=True)):
        lowest = parabolas.argmin
        height = parabolas.predict(lowest[:, None])[:, 0]
        faults = [~parabolas.determined, ~parabolas.opens_upward, ~(np.abs(lowest) < 1), ~(height > 0)]
        fault = np.minimum(fault, np.select(faults, range(len(_REASONS)), default=len(_REASONS)))
        log_n[:, column] = valley.center + valley.half_width * lowest
        log_d[:, column] = _tokens(fit.table, valley.index, log_n[:, column])
        loss[:, column] = height
    usable = fault == len(_REASONS)
    log_flops = np.log([valley.flops for valley in used])
    log_n_coefficient, a = fit_log_lines(log_flops, log_n[usable])
    log_d_coefficient, b = fit_log_lines(log_flops, log_d[usable])
    draws = FrontierDraws(
        a=a,
        b=b,
        log_n_coefficient=log_n_coefficient,
        log_d_coefficient=log_d_coefficient,
        loss_line=np.stack(fit_log_lines(log_flops, np.log(loss[usable])), axis=1),
    )
    return draws, [_REASONS[code] for code in fault[~usable]]


ISOFLOP: Final = Estimator(
    method="isoflop",
    fit=fit_isoflop_profiles,
    strata=_strata,
    refit=_refit,
    n_free=3,
    refit_losses=_refit_losses,
    leverage=_leverage,
    held={"pairs": (0.95, 0.98), "subsample": (0.67, 0.82)},
)
"""Approach 2, for `bootstrap_fit`; strata are the valleys that the fit rests on."""
