"""Approach 2 with the valleys' own shape: one law for all budgets, and a level of each budget's own.

A parabola is not the shape of a valley (section 3.2 fits one all the same), so its minimum is off by an
amount that depends on the window. Here ``L = e_b + A N^-alpha + B D^-beta`` is fitted by least squares to the
runs of all budgets at once. Only differences within a valley count: a level e_b takes up whatever the
runs of a budget share, so this stays an isoFLOP method, and equal levels are a check of equation 2.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import fdtrc

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import Estimator
from chinchilla_lib.fitting.counts import repeated_rows
from chinchilla_lib.fitting.diagnostics import Diagnostics, OptimumCheck, OptimumPoint, ValleyFit
from chinchilla_lib.fitting.leverage import leverages, surface_slopes
from chinchilla_lib.fitting.power_law import fit_log_lines, fit_power_law
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.fitting.shared_exponents import (
    ProfileData,
    SharedExponents,
    fit_shared_exponents,
    grid_starts,
)
from chinchilla_lib.fitting.valley_shape import ProfileFit, fit_tokens, log_minimum
from chinchilla_lib.fitting.windows import check_minima, check_valleys, edge_reason, size_numbers
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable, Valley

__all__ = ["VALLEY", "fit_valley"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_AGREE: Final = 1e-9  # starts whose objectives differ by less than this share agree
_EXACT: Final = 1e-8  # as in shared_exponents: residuals below this share of the loss count as none
_N_SHAPE: Final = 4  # A, B, alpha, beta
_WIDEST: Final = 18.0
_LOSSES: Final = (1e-6, 1e6)
_REASONS: Final = (
    "a term that has vanished",
    "an exponent outside 0.02 to 5",
    "a search that did not converge",
)


def fit_valley(table: SweepTable) -> FrontierFit:
    """Approach 2 without the parabola: the exact profile, fitted over all budgets at once.

    Minimises half the sum of squared residuals of ``L = e_b + A N^-alpha + B D^-beta`` with a level e_b for
    each budget and A, B of 0 or above, by variable projection: a Newton search over (alpha, beta) from 16
    starts. Each valley's minimum follows in closed form from the tokens as the runs of the valley have
    them (ln D is a line in ln N, exactly so under C = 6ND); power laws through the minima are the frontier.

    A valley is reported with a reason, and gives no point to these power laws, by the rule of
    `fit_isoflop_profiles`: its minimum lies outside its sizes, or its smallest or largest size has the
    lowest loss. Its runs still inform the common shape: on simulated sweeps with valleys off their middle, a
    fit without them had 1.3 to 3 times the error in a, and more bias.

    Parameters
    ----------
    table : SweepTable
        At least two budgets with three sizes each and five runs more than budgets.

    Returns
    -------
    FrontierFit
        ``law`` has the fitted shape, and for E the mean of the levels weighted by runs. ``objective`` is
        half the sum of squared residuals in nats^2. ``diagnostics.details`` holds the levels and an F test
        of their being equal, as they must be if the loss is additive.

    Raises
    ------
    InputError
        If budgets cannot be told apart, a valley has fewer than three sizes, counts or losses are out of
        all range, runs are too few, fewer than
        two valleys have a minimum inside, or the best fit has no minimum in size because A or B is 0.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> fit = fit_valley(simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], decades=1.0))
    >>> f"{fit.a:.5f} {fit.points[0].n_params / law.n_opt(1e18):.5f}"
    '0.45161 1.00000'
    """
    valleys = check_valleys(table)
    _check_ranges(table)
    if len(table) < len(valleys) + _N_SHAPE + 1:
        raise InputError(
            f"{table.where(range(len(table)), 'loss')}: {len(table)} runs at {len(valleys)} budgets, but "
            f"{len(valleys)} levels and the 4 numbers of the shape need {len(valleys) + _N_SHAPE + 1} or more"
        )
    order = np.concatenate([valley.index for valley in valleys])
    data = _profile_data(table, valleys)
    starts = grid_starts(data, spread=True)[0]
    tried = fit_shared_exponents(_repeated(data, len(starts)), starts)
    best = int(np.argmin(tried.objective))
    _refuse_vanished(table, tried, best)
    shape = _row(tried, best)
    law, below = _law(shape, float(_mean_level(shape.levels, valleys)[0]))
    fits = tuple(
        _fit_one(table, valley, law, float(level))
        for valley, level in zip(valleys, shape.levels[0], strict=True)
    )
    check_minima(table, fits)
    points = tuple(fit.optimum for fit in fits if fit.optimum is not None)
    residuals = np.empty(len(table))
    residuals[order] = (
        table.loss[order]
        - _surface(law, table, order)
        - np.repeat(shape.levels[0], [len(valley.index) for valley in valleys])
    )
    flops = [point.flops for point in points]
    agree = tried.objective <= shape.objective * (1 + _AGREE) + _EXACT**2 * data.scale
    return FrontierFit(
        method="valley",
        table=table,
        n_opt=fit_power_law(flops, [point.n_params for point in points]),
        d_opt=fit_power_law(flops, [point.n_tokens for point in points]),
        law=law,
        loss_known=not below,
        objective=float(shape.objective[0]),
        points=points,
        residuals=residuals,
        diagnostics=Diagnostics(
            flops_convention=table.flops_convention,
            budgets_from="clustered flops" if table.flops_budget is None else "flops_budget",
            n_runs_used=len(table),
            n_runs_left_out=0,
            residual_rms=float(np.sqrt(np.mean(residuals**2))),
            valleys=fits,
            optimum=OptimumCheck(
                relative_gradient=float(shape.relative_gradient[0]),
                predicted_reduction=float(shape.predicted_reduction[0]),
                n_starts=len(starts),
                agreeing_share=float(agree.mean()),
            ),
            degenerate=_degenerate(shape),
            details={
                "levels": [{"flops": fit.flops, "level": fit.level} for fit in fits],
                "equal_levels": _level_test(data, shape),
            },
            messages=(*_messages(fits, below), *repeated_rows(table)),
        ),
    )


def _check_ranges(table: SweepTable) -> None:
    """Refuse what powers of up to 8 would carry out of the range of a double."""
    for name in ("n_params", "n_tokens"):
        log = np.log(getattr(table, name))
        far = np.abs(log - log.mean())
        if far.max() > _WIDEST:
            position = int(np.argmax(far))
            raise InputError(
                f"{table.where([position], name)}: found {getattr(table, name)[position]:.3g}, more than a "
                f"factor {math.exp(_WIDEST):.0g} from the column's geometric mean; look for a mixed-up column"
            )
    odd = ~((table.loss >= _LOSSES[0]) & (table.loss <= _LOSSES[1]))
    if odd.any():
        position = int(np.argmax(odd))
        raise InputError(
            f"{table.where([position], 'loss')}: found {table.loss[position]:.3g}, but losses are in nats "
            f"per token, {_LOSSES[0]:g} to {_LOSSES[1]:g} here; look for a mixed-up column"
        )


def _profile_data(table: SweepTable, valleys: Sequence[Valley]) -> ProfileData:
    order = np.concatenate([valley.index for valley in valleys])
    sizes = [len(valley.index) for valley in valleys]
    return ProfileData(
        log_n=np.log(table.n_params[order]),
        log_d=np.log(table.n_tokens[order]),
        first=np.cumsum([0, *sizes[:-1]]),
        loss=table.loss[order],
        weights=np.ones((1, len(order))),
    )


def _repeated(data: ProfileData, n_rows: int) -> ProfileData:
    weights = np.ones((n_rows, len(data.log_n)))
    return ProfileData(data.log_n, data.log_d, data.first, data.loss, weights)


def _row(shapes: SharedExponents, row: int) -> SharedExponents:
    return SharedExponents(*(values[row : row + 1] for values in vars(shapes).values()))


def _refuse_vanished(table: SweepTable, shapes: SharedExponents, row: int) -> None:
    if shapes.vanished[row]:
        size_gone = not np.isfinite(shapes.log_a[row])
        name, gone = ("n_params", "A") if size_gone else ("n_tokens", "B")
        side = "smaller" if size_gone else "larger"
        raise InputError(
            f"{table.where([], 'loss')}: within the valleys losses do not fall with {name} ({gone} = 0 fits "
            f"best), so there is no best size; add {side} models, or look for mixed-up columns"
        )


def _mean_level(levels: FloatArray, valleys: Sequence[Valley] | Sequence[ValleyFit]) -> FloatArray:
    return np.average(levels, axis=1, weights=[len(valley.index) for valley in valleys])


def _law(shape: SharedExponents, level: float) -> tuple[ParametricLoss, bool]:
    """The law, and whether its E would have been below 0."""
    law = ParametricLoss(
        E=max(level, 0.0),
        A=math.exp(shape.log_a[0]),
        B=math.exp(shape.log_b[0]),
        alpha=float(shape.alpha[0]),
        beta=float(shape.beta[0]),
    )
    return law, level < 0


def _surface(law: ParametricLoss, table: SweepTable, index: IntArray) -> FloatArray:
    return law.loss(table.n_params[index], table.n_tokens[index]) - law.E


def _fit_one(table: SweepTable, valley: Valley, law: ParametricLoss, level: float) -> ProfileFit:
    log_n, loss = np.log(table.n_params[valley.index]), table.loss[valley.index]
    log_k, g = fit_tokens(table, valley.index)
    optimum = None
    if g <= 0:
        reason: str | None = "its larger models saw no fewer tokens, so it has no minimum in size"
    else:
        log_a, log_b, alpha, beta = np.array([[math.log(law.A)], [math.log(law.B)], [law.alpha], [law.beta]])
        log_n_opt = float(log_minimum(log_a, log_b, alpha, beta, log_k, g)[0])
        reason = edge_reason(log_n, loss, log_n_opt)
        if reason is None:
            n_params, n_tokens = math.exp(log_n_opt), math.exp(log_k - g * log_n_opt)
            height = level + law.loss(n_params, n_tokens) - law.E
            optimum = OptimumPoint(valley.flops, n_params, n_tokens, height)
    fitted = level + _surface(law, table, valley.index)
    return ProfileFit(
        flops=valley.flops,
        index=valley.index,
        n_sizes=int(size_numbers(log_n)[-1]) + 1,
        center=float(log_n[0] + log_n[-1]) / 2,
        half_width=float(log_n[-1] - log_n[0]) / 2,
        optimum=optimum,
        reason=reason,
        residual_rms=float(np.sqrt(np.mean((loss - fitted) ** 2))),
        law=law,
        level=level,
        log_k=log_k,
        g=g,
    )


def _degenerate(shape: SharedExponents) -> str | None:
    if not shape.extreme[0]:
        return None
    return (
        f"alpha = {shape.alpha[0]:.3g} and beta = {shape.beta[0]:.3g} are not both between 0.02 and 5: the "
        "valleys tell no such shape"
    )


def _level_test(data: ProfileData, free: SharedExponents) -> dict[str, float | None]:
    """F test of one level for all budgets against a level for each; None where residuals are rounding."""
    one = ProfileData(data.log_n, data.log_d, data.first[:1], data.loss, data.weights)
    starts = np.concatenate([[[free.alpha[0], free.beta[0]]], grid_starts(one, spread=True)[0][:3]])
    equal = fit_shared_exponents(_repeated(one, len(starts)), starts).objective.min()
    n_more = len(data.first) - 1
    n_left = len(data.log_n) - len(data.first) - _N_SHAPE
    statistic = p_value = None
    if free.objective[0] > _EXACT**2 * data.scale[0]:
        statistic = float(max(equal - free.objective[0], 0) / n_more / (free.objective[0] / n_left))
        p_value = float(fdtrc(n_more, n_left, statistic))
    return {
        "statistic": statistic,
        "degrees_of_freedom": n_more,
        "residual_degrees_of_freedom": n_left,
        "p_value": p_value,
    }


def _messages(fits: Sequence[ProfileFit], below: bool) -> tuple[str, ...]:
    messages = [
        f"the valley at {format_flops(fit.flops)} FLOPs gives no point: {fit.reason}"
        for fit in fits
        if fit.reason is not None
    ]
    if below:
        messages.append("the mean of the levels is below 0: E is written as 0, and the law tells no losses")
    return tuple(messages)


def _strata(fit: FrontierFit) -> list[IntArray]:
    return [valley.index for valley in fit.diagnostics.valleys]


def _refit(fit: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
    data = _profile_data(fit.table, fit.table.valleys())
    weights = np.concatenate(counts, axis=1).astype(np.float64)
    return _draws(fit, ProfileData(data.log_n, data.log_d, data.first, data.loss, weights))


def _refit_losses(fit: FrontierFit, losses: Sequence[FloatArray]) -> tuple[FrontierDraws, list[str]]:
    data = _profile_data(fit.table, fit.table.valleys())
    loss = np.concatenate(losses, axis=1)
    return _draws(fit, ProfileData(data.log_n, data.log_d, data.first, loss, np.ones(loss.shape)))


def _leverage(fit: FrontierFit) -> list[FloatArray]:
    strata = _strata(fit)
    order, sizes = np.concatenate(strata), [len(stratum) for stratum in strata]
    assert fit.law is not None
    slopes = surface_slopes(fit.law, fit.table.n_params[order], fit.table.n_tokens[order])
    levels = np.repeat(np.eye(len(strata)), sizes, axis=0)
    return np.split(leverages(np.concatenate([levels, slopes], axis=1)), np.cumsum(sizes)[:-1])


def _draws(fit: FrontierFit, data: ProfileData) -> tuple[FrontierDraws, list[str]]:
    """Refit from the fit's own exponents and from the grid, and keep the lower.

    Minima may lie outside a valley's sizes: the points that the frontier goes through are those of the fit.
    """
    assert fit.law is not None
    warm = fit_shared_exponents(data, np.tile([fit.law.alpha, fit.law.beta], (len(data.weights), 1)))
    cold = fit_shared_exponents(data, grid_starts(data)[:, 0])
    shapes = cold.select(cold.objective < warm.objective, warm)
    fault = np.select([shapes.vanished, shapes.extreme, ~shapes.converged], range(3), default=len(_REASONS))
    usable = fault == len(_REASONS)
    kept = SharedExponents(*(values[usable] for values in vars(shapes).values()))
    used = [v for v in fit.diagnostics.valleys if v.reason is None and isinstance(v, ProfileFit)]
    minima = [log_minimum(kept.log_a, kept.log_b, kept.alpha, kept.beta, v.log_k, v.g) for v in used]
    tokens = [v.log_k - v.g * minimum for v, minimum in zip(used, minima, strict=True)]
    log_flops = np.log([v.flops for v in used])
    log_n_coefficient, a = fit_log_lines(log_flops, np.stack(minima, axis=1))
    log_d_coefficient, b = fit_log_lines(log_flops, np.stack(tokens, axis=1))
    level = np.maximum(_mean_level(kept.levels, fit.diagnostics.valleys), 0)
    draws = FrontierDraws(
        a=a,
        b=b,
        log_n_coefficient=log_n_coefficient,
        log_d_coefficient=log_d_coefficient,
        law=np.stack([level, kept.log_a, kept.log_b, kept.alpha, kept.beta], axis=1),
    )
    return draws, [_REASONS[code] for code in fault[~usable]]


VALLEY: Final = Estimator(
    method="valley",
    fit=fit_valley,
    strata=_strata,
    refit=_refit,
    n_free=2,
    refit_losses=_refit_losses,
    leverage=_leverage,
    held={"residual": (0.84, 0.93), "subsample": (0.61, 0.74)},
)
"""The exact profile, for `bootstrap_fit`; strata are all valleys."""
