"""Approach 3: the parametric loss surface (section 3.3, equations 2 to 4)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import Estimator
from chinchilla_lib.fitting.counts import check_counts, repeated_rows
from chinchilla_lib.fitting.diagnostics import Diagnostics, OptimumCheck, OptimumPoint
from chinchilla_lib.fitting.leverage import leverages, surface_slopes
from chinchilla_lib.fitting.objective import Runs, huber, log_residuals
from chinchilla_lib.fitting.refit import refit_rows
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.fitting.search import Optimum, Space, find_optimum
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["PARAMETRIC", "fit_parametric", "parametric_estimator", "parametric_options"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_EXPONENTS: Final = (0.02, 5.0)
_VANISHED: Final = 1e-6  # of the loss
_LOG_RANGE: Final = 700.0
_OTHER_FLOPS: Final = 1e-3
_UNCHECKED: Final = "no optimum whose check passes"
_TOO_FEW: Final = "no more distinct runs than free parameters"
_NOT_POSITIVE: Final = "a resampled loss that is not positive"
_REFIT_ROWS: Final = 4096


def fit_parametric(
    table: SweepTable, *, delta: float = 1e-3, tied: bool = False, floor: float | None = None
) -> FrontierFit:
    """Approach 3: L(N, D) = E + A / N^alpha + B / D^beta through all runs at once (section 3.3).

    The sum over runs of Huber's function of ln(fitted loss / measured loss) is minimised (equation 3);
    the frontier is equation 4 under C = 6ND, whatever the FLOPs of the table count.

    Parameters
    ----------
    table : SweepTable
        More runs than free parameters, of two sizes and two token counts or more.
    delta : float
        Where Huber's function turns from a square into a line, in units of ln L. The paper's is 1e-3;
        infinity is least squares, the better choice under Gaussian noise; 0 is least absolute deviations.
    tied : bool
        Hold alpha = beta.
    floor : float, optional
        Hold E at this value, nats per token.

    Returns
    -------
    FrontierFit
        Without draws; `chinchilla_lib.fitting.bootstrap_fit` adds them. ``objective`` is the sum;
        ``diagnostics.optimum`` is what was checked; ``diagnostics.degenerate`` says so where the lowest
        optimum describes no surface.

    Raises
    ------
    InputError
        If the runs cannot determine a surface, a count looks like millions, or an option is out of range.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> fit = fit_parametric(simulate_isoflop_sweep(law, [1e18, 1e19, 1e20]))
    >>> f"{fit.law.E:.4f} {fit.law.alpha:.4f} {fit.law.beta:.4f}"
    '1.6900 0.3400 0.2800'
    """
    space = Space(tied=tied, floor=floor)
    _check_options(table, delta, floor)
    _check_runs(table, space)
    order = _order(table)
    runs = Runs.from_table(table, order)
    optimum = find_optimum(runs, delta, space)
    law_row = _clip(runs.to_law(_without_traces(runs, optimum, delta)[None]))[0]
    law = ParametricLoss(
        E=float(law_row[0]),
        A=math.exp(law_row[1]),
        B=math.exp(law_row[2]),
        alpha=float(law_row[3]),
        beta=float(law_row[4]),
    )
    residuals = np.empty(len(table))
    residuals[order] = -table.loss[order] * np.expm1(log_residuals(runs, runs.from_law(law_row[None]))[0])
    n_opt, d_opt, clipped = _frontier(law_row)
    return FrontierFit(
        method="parametric",
        table=table,
        n_opt=n_opt,
        d_opt=d_opt,
        points=() if clipped else _points(table, law, n_opt, d_opt),
        residuals=residuals,
        law=law,
        objective=optimum.value,
        diagnostics=Diagnostics(
            flops_convention="six_nd",
            budgets_from=None,
            n_runs_used=len(table),
            n_runs_left_out=0,
            residual_rms=float(np.sqrt(np.mean(residuals**2))),
            optimum=optimum.check,
            degenerate=_degenerate(law, table),
            details={"delta": "inf" if math.isinf(delta) else delta, "tied": tied, "floor": floor},
            messages=(
                *_table_messages(table),
                *repeated_rows(table),
                *_fit_messages(law, optimum.check, clipped=clipped, floor=floor),
            ),
        ),
    )


def parametric_estimator(delta: float = 1e-3, tied: bool = False, floor: float | None = None) -> Estimator:
    """Approach 3 with options, for `bootstrap_fit`; the options are those of `fit_parametric`.

    All runs are resampled together; see `refit` for how resamples are refitted.

    Examples
    --------
    >>> from chinchilla_lib.fitting import bootstrap_fit
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> fit = bootstrap_fit(parametric_estimator(tied=True), runs, n_draws=20)
    >>> [f"{value:.2f}" for value in (fit.law.alpha, fit.law.beta)]
    ['0.32', '0.32']
    """

    def fit(table: SweepTable) -> FrontierFit:
        return fit_parametric(table, delta=delta, tied=tied, floor=floor)

    return Estimator(
        method="parametric",
        fit=fit,
        strata=lambda fit: [_order(fit.table)],
        refit=_refit,
        refit_losses=_refit_losses,
        leverage=_leverage,
        n_free=Space(tied=tied, floor=floor).n_free,
        held={"subsample": (0.61, 0.76)},
    )


def parametric_options(fit: FrontierFit) -> tuple[float, Space]:
    """Delta and free parameters of a fit of Approach 3.

    Raises
    ------
    InputError
        If the fit is of another method.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> delta, space = parametric_options(fit_parametric(runs, tied=True))
    >>> delta, space
    (0.001, Space(tied=True, floor=None))
    """
    if fit.method != "parametric":
        raise InputError(f"the fit must be parametric, found {fit.method}; make it with fit_parametric")
    details = fit.diagnostics.details
    return float(details["delta"]), Space(tied=details["tied"], floor=details["floor"])


def _check_options(table: SweepTable, delta: float, floor: float | None) -> None:
    if not delta >= 0:
        raise InputError(f"delta must be 0 or above, found {delta!r}; the paper's is 1e-3")
    if floor is not None and not 0 <= floor < table.loss.min():
        raise InputError(
            f"floor must be 0 or above and below the smallest loss, {table.loss.min():.4g} nats per token, "
            f"found {floor!r}"
        )


def _check_runs(table: SweepTable, space: Space) -> None:
    check_counts(table)
    everything = range(len(table))
    if len(table) <= space.n_free:
        raise InputError(
            f"{table.where(everything, 'loss')}: {len(table)} runs for {space.n_free} free parameters; "
            f"give {space.n_free + 1} runs or more"
        )
    if np.ptp(np.log(table.n_tokens)) < 1e-9:
        raise InputError(
            f"{table.where(everything, 'n_tokens')}: all runs have one token count, "
            f"{format_count(table.n_tokens[0])}; a surface needs runs of several token counts"
        )


def _order(table: SweepTable) -> IntArray:
    """The runs in an order that does not depend on that of the rows."""
    return np.lexsort((table.loss, table.n_tokens, table.n_params)).astype(np.intp)


def _without_traces(runs: Runs, optimum: Optimum, delta: float) -> FloatArray:
    """Parameters with E at 0 exactly, if it has come down to nothing and the objective allows."""
    params = optimum.params.copy()
    params[2] = -np.inf
    value = float(huber(log_residuals(runs, params[None]), delta).sum())
    near_zero = optimum.params[2] < runs.log_loss.min() + math.log(_VANISHED)
    return params if near_zero and value <= optimum.value * (1 + 1e-9) else optimum.params


def _clip(laws: FloatArray) -> FloatArray:
    """Laws whose ln A and ln B fit a double."""
    clipped = laws.copy()
    clipped[:, 1:3] = np.clip(laws[:, 1:3], -_LOG_RANGE, _LOG_RANGE)
    return clipped


def _frontier_logs(laws: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Equation 4 for many laws: a, b, ln N_opt and ln D_opt at one FLOP."""
    _, log_a, log_b, alpha, beta = laws.T
    log_g = (np.log(alpha) + log_a - np.log(beta) - log_b) / (alpha + beta)
    a, b = beta / (alpha + beta), alpha / (alpha + beta)
    return a, b, log_g - a * math.log(6), -log_g - b * math.log(6)


def _frontier(law: FloatArray) -> tuple[PowerLaw, PowerLaw, bool]:
    a, b, log_n, log_d = (float(value[0]) for value in _frontier_logs(law[None]))
    inside = [min(max(value, -_LOG_RANGE), _LOG_RANGE) for value in (log_n, log_d)]
    return PowerLaw.from_log(inside[0], a), PowerLaw.from_log(inside[1], b), inside != [log_n, log_d]


def _points(
    table: SweepTable, law: ParametricLoss, n_opt: PowerLaw, d_opt: PowerLaw
) -> tuple[OptimumPoint, ...]:
    """The frontier at the planned budgets, or at three over the range of the runs."""
    spent = 6 * table.n_params * table.n_tokens
    budgets = (
        np.geomspace(spent.min(), spent.max(), 3)
        if table.flops_budget is None
        else np.unique(table.flops_budget)
    )
    points = []
    for flops in map(float, budgets):
        try:
            n_params, n_tokens = n_opt.predict(flops), d_opt.predict(flops)
            points.append(OptimumPoint(flops, n_params, n_tokens, law.loss(n_params, n_tokens)))
        except InputError:
            return ()
    return tuple(points)


def _degenerate(law: ParametricLoss, table: SweepTable) -> str | None:
    """Why a law describes no surface, or None."""
    for name, exponent in (("alpha", law.alpha), ("beta", law.beta)):
        if not _EXPONENTS[0] <= exponent <= _EXPONENTS[1]:
            return f"{name} came out as {exponent:.3g}, outside {_EXPONENTS[0]:g} to {_EXPONENTS[1]:g}"
    for name, log_term in (
        ("size", math.log(law.A) - law.alpha * np.log(table.n_params)),
        ("data", math.log(law.B) - law.beta * np.log(table.n_tokens)),
    ):
        if np.max(log_term - np.log(table.loss)) < math.log(_VANISHED):
            return f"the {name} term has vanished: the losses do not depend on it"
    return None


def _table_messages(table: SweepTable) -> list[str]:
    messages = []
    ratio = table.flops / (6 * table.n_params * table.n_tokens)
    if np.abs(ratio - 1).max() > _OTHER_FLOPS:
        messages.append(
            f"the table's FLOPs ({table.flops_convention}) are {np.median(ratio):.4g} times 6ND in the "
            "median; the frontier counts 6ND"
        )
    return messages


def _fit_messages(
    law: ParametricLoss, check: OptimumCheck, *, clipped: bool, floor: float | None
) -> list[str]:
    messages = []
    if law.E == 0 and floor is None:
        messages.append("E came out as 0: the losses show no floor")
    messages += check.messages()
    if clipped:
        messages.append("the frontier's coefficients leave the range of a double and are clipped")
    return messages


def _refit(fit: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
    """Refit resamples of the runs."""
    runs, drawn = Runs.from_table(fit.table, _order(fit.table)), counts[0]
    enough = (drawn > 0).sum(axis=1) > parametric_options(fit)[1].n_free
    batches = [
        replace(runs, weights=part.astype(np.float64)) for part in _batches(drawn[enough]) if len(part)
    ]
    draws, reasons = _refit_batches(fit, batches)
    return draws, reasons + [_TOO_FEW] * int((~enough).sum())


def _refit_losses(fit: FrontierFit, losses: Sequence[FloatArray]) -> tuple[FrontierDraws, list[str]]:
    """Refit other losses of the same runs."""
    runs, drawn = Runs.from_table(fit.table, _order(fit.table)), losses[0]
    positive = (drawn > 0).all(axis=1)
    batches = [replace(runs, log_loss=np.log(part)) for part in _batches(drawn[positive]) if len(part)]
    draws, reasons = _refit_batches(fit, batches)
    return draws, reasons + [_NOT_POSITIVE] * int((~positive).sum())


def _leverage(fit: FrontierFit) -> list[FloatArray]:
    order, law = _order(fit.table), fit.law
    assert law is not None
    n_params, n_tokens = fit.table.n_params[order], fit.table.n_tokens[order]
    slopes = np.insert(surface_slopes(law, n_params, n_tokens), 2, law.E, axis=1)
    free = parametric_options(fit)[1].basis
    return [leverages(slopes / law.loss(n_params, n_tokens)[:, None] @ free)]


def _batches(rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [rows[first : first + _REFIT_ROWS] for first in range(0, len(rows), _REFIT_ROWS)]


def _refit_batches(fit: FrontierFit, batches: Sequence[Runs]) -> tuple[FrontierDraws, list[str]]:
    delta, space = parametric_options(fit)
    assert fit.law is not None
    law = fit.law
    warm = np.array([[law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta]])
    laws, n_unchecked = [np.empty((0, 5))], 0
    for resampled in batches:
        params, checked = refit_rows(resampled, resampled.from_law(warm), delta, space)
        laws.append(_clip(resampled.to_law(params[checked])))
        n_unchecked += int((~checked).sum())
    law_rows = np.concatenate(laws)
    a, b, log_n, log_d = _frontier_logs(law_rows)
    return FrontierDraws(a, b, log_n, log_d, law=law_rows), [_UNCHECKED] * n_unchecked


PARAMETRIC: Final = parametric_estimator()
"""Approach 3 with the paper's delta, for `bootstrap_fit`."""
