"""Functional forms of the loss, compared by what they foretell: fitted up to a budget, tried above it.

A form here is a surface of size and data, fitted to every run, that foretells every run. Ways to carry on the
minima of valleys alone, and how far to trust a forecast made so, are the forecast experiment's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.kaplan import fit_kaplan
from chinchilla_lib.fitting.parametric import fit_parametric
from chinchilla_lib.fitting.surface import LogSurface, check_delta, fit_surface, grid_of_starts
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["FORMS", "BudgetErrors", "Foretell", "Form", "FormComparison", "FormErrors", "compare_forms"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Foretell = Callable[[SweepTable], FloatArray]
"""From runs to their losses, nats per token; the losses in the table are not looked at."""

_FACTORS: Final = np.array([0.4, 0.7, 1.0, 1.5])
_SMALLEST: Final = 1e-6
_SAME_BUDGET: Final = 1e-9
_DEPTH: Final = 25.0
_HEIGHT: Final = 30.0


@dataclass(frozen=True)
class Form:
    """A functional form of the loss."""

    formula: str
    """What it says."""
    n_free: int
    """Free parameters."""
    fit: Callable[[SweepTable, float], Foretell]
    """From runs and a delta to what foretells others; it raises `InputError` where runs do not tell it."""


@dataclass(frozen=True)
class BudgetErrors:
    """What a form errs on one budget that was held out."""

    flops: float
    """The budget."""
    factor: float
    """Distance in compute from the largest budget fitted."""
    n_runs: int
    """Runs."""
    bias: float
    """Mean of ln(foretold / measured loss)."""
    rms: float
    """Root mean square of the same."""


@dataclass(frozen=True)
class FormErrors:
    """What a form errs on the runs it was fitted to, and on those held out; in ln of the loss."""

    form: str
    """Its name in the comparison."""
    n_free: int
    """Free parameters."""
    fitted_rms: float | None = None
    """Root mean square on the runs fitted; None where the form could not be fitted."""
    bias: float | None = None
    """Mean of ln(foretold / measured loss) over all runs held out."""
    rms: float | None = None
    """Root mean square of the same."""
    by_budget: tuple[BudgetErrors, ...] = ()
    """Budget by budget, from small to large."""
    reason: str | None = None
    """Why the form could not be fitted, or None."""


@dataclass(frozen=True)
class FormComparison:
    """Forms fitted to runs up to a budget, and their errors above it."""

    source: str
    """Where the runs come from."""
    up_to: float
    """The largest budget fitted, FLOPs."""
    n_fitted: int
    """Runs fitted."""
    n_held_out: int
    """Runs foretold."""
    delta: float
    """Of Huber's function."""
    errors: tuple[FormErrors, ...]
    """One for each form, in the order given."""

    @property
    def best(self) -> FormErrors:
        """The form with the smallest error on the runs held out.

        Raises
        ------
        InputError
            If no form could be fitted.
        """
        fitted = [errors for errors in self.errors if errors.rms is not None]
        if not fitted:
            raise InputError(f"{self.source}: no form could be fitted up to {format_flops(self.up_to)} FLOPs")
        return min(fitted, key=lambda errors: errors.rms or 0.0)

    def __str__(self) -> str:
        budgets = next((errors.by_budget for errors in self.errors if errors.by_budget), ())
        lines = [
            f"{self.n_fitted} runs of {self.source} up to {format_flops(self.up_to)} FLOPs, "
            f"{self.n_held_out} above; errors in % of the loss",
            f"{'form':34}{'free':>5}{'fitted':>8}{'ahead':>8}{'bias':>8}"
            + "".join(f"{f'{one.factor:.3g}x':>9}" for one in budgets),
        ]
        for errors in self.errors:
            start = f"{errors.form:34}{errors.n_free:>5}"
            if errors.fitted_rms is None or errors.rms is None or errors.bias is None:
                lines.append(f"{start}  {errors.reason}")
                continue
            lines.append(
                f"{start}{errors.fitted_rms:>8.2%}{errors.rms:>8.2%}{errors.bias:>+8.2%}"
                + "".join(f"{one.bias:>+9.2%}" for one in errors.by_budget)
            )
        return "\n".join(lines)


def _additive(table: SweepTable, delta: float, *, tied: bool = False, floor: float | None = None) -> Foretell:
    law = fit_parametric(table, delta=delta, tied=tied, floor=floor).law
    assert law is not None
    return lambda runs: law.loss(runs.n_params, runs.n_tokens)


def _kaplan(table: SweepTable, delta: float) -> Foretell:
    law = fit_kaplan(replace(table, n_params_non_embedding=table.n_params), delta=delta).law
    return lambda runs: law.loss(runs.n_params, runs.n_tokens)


def _kaplan_non_embedding(table: SweepTable, delta: float) -> Foretell:
    law = fit_kaplan(table, delta=delta).law

    def foretell(runs: SweepTable) -> FloatArray:
        if runs.n_params_non_embedding is None:
            raise InputError(f"{runs.source}: there is no column 'n_params_non_embedding'; add it")
        return law.loss(runs.n_params_non_embedding, runs.n_tokens)

    return foretell


def _power_of_sum(table: SweepTable, delta: float) -> Foretell:
    """E + (A / N^alpha + B / D^beta)^gamma, from the additive law (gamma = 1) and flatter ones."""
    law = fit_parametric(table, delta=delta).law
    assert law is not None
    center = _center(table)
    a = math.log(law.A) - law.alpha * center[0]
    b = math.log(law.B) - law.beta * center[1]
    starts = np.array([
        [a / gamma, b / gamma, math.log(max(share * law.E, _SMALLEST)),
         math.log(law.alpha / gamma), math.log(law.beta / gamma), math.log(gamma)]
        for gamma in (0.1, 0.3, 1.0, 2.0)
        for share in (0.0, 0.5, 1.0)
    ])  # fmt: skip

    def surface_of(runs: SweepTable) -> LogSurface:
        x, y = np.log(runs.n_params) - center[0], np.log(runs.n_tokens) - center[1]

        def log_surface(params: FloatArray) -> FloatArray:
            a, b, e = params[:, :3].T[..., None]
            alpha, beta, gamma = np.exp(params[:, 3:]).T[..., None]
            return np.asarray(np.logaddexp(gamma * np.logaddexp(a - alpha * x, b - beta * y), e))

        return log_surface

    low, high = float(np.log(table.loss).min()), float(np.log(table.loss).max())
    lower = np.array([-10 * _HEIGHT, -10 * _HEIGHT, low - _DEPTH, *np.log([1e-3, 1e-3, 1e-2])])
    upper = np.array([10 * _HEIGHT, 10 * _HEIGHT, high, *np.log([20, 20, 10])])
    return _fitted(surface_of, table, delta, starts, lower, upper)


def _frontier(table: SweepTable, delta: float, *, logarithm: bool) -> Foretell:
    """A frontier in ln C and one shape for all valleys: what size loses against the best one of its budget.

    With v = ln(N / N_opt): p - q ln C + k (beta e^(-alpha v) + alpha e^(beta v) - alpha - beta), which is the
    loss, or its logarithm. N_opt grows as C^(beta / (alpha + beta)), as of a law of these exponents.
    """
    law = fit_parametric(table, delta=delta).law
    assert law is not None
    center = _center(table)
    middle = sum(center)

    def shape_of(runs: SweepTable) -> Callable[[FloatArray, FloatArray, FloatArray], FloatArray]:
        log_n, log_nd = np.log(runs.n_params) - center[0], np.log(runs.n_params * runs.n_tokens) - middle

        def shape(alpha: FloatArray, beta: FloatArray, log_best: FloatArray) -> FloatArray:
            v = log_n - log_best - beta / (alpha + beta) * log_nd
            return np.asarray(beta * np.expm1(-alpha * v) + alpha * np.expm1(beta * v), dtype=np.float64)

        return shape

    def surface_of(runs: SweepTable) -> LogSurface:
        shape, log_nd = shape_of(runs), np.log(runs.n_params * runs.n_tokens) - middle

        def log_surface(params: FloatArray) -> FloatArray:
            p, q, log_best = params[:, [0, 1, 5]].T[..., None]
            k, alpha, beta = np.exp(params[:, 2:5]).T[..., None]
            value = p - q * log_nd + k * shape(alpha, beta, log_best)
            return np.asarray(value if logarithm else np.log(np.maximum(value, _SMALLEST)), dtype=np.float64)

        return log_surface

    target = np.log(table.loss) if logarithm else table.loss
    log_nd, shape = np.log(table.n_params * table.n_tokens) - middle, shape_of(table)
    best = math.log(law.n_opt(6 * math.exp(middle))) - center[0]
    starts = []
    for by_alpha, by_beta in grid_of_starts(_FACTORS, _FACTORS).tolist():
        alpha, beta = by_alpha * law.alpha, by_beta * law.beta
        curve = shape(np.array(alpha), np.array(beta), np.array(best))
        terms = np.stack([np.ones_like(log_nd), -log_nd, curve], axis=1)
        p, q, k = np.linalg.lstsq(terms, target, rcond=None)[0].tolist()
        starts.append([p, q, math.log(max(k, _SMALLEST)), math.log(alpha), math.log(beta), best])
    spread = float(np.ptp(np.log(table.n_params)))
    lower = np.array([-100, -100, -_HEIGHT, *np.log([1e-3, 1e-3]), -10 * spread])
    upper = np.array([100, 100, _HEIGHT, *np.log([20, 20]), 10 * spread])
    return _fitted(surface_of, table, delta, np.array(starts), lower, upper)


def _center(table: SweepTable) -> tuple[float, float]:
    return float(np.log(table.n_params).mean()), float(np.log(table.n_tokens).mean())


def _fitted(
    surface_of: Callable[[SweepTable], LogSurface],
    table: SweepTable,
    delta: float,
    starts: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> Foretell:
    if len(table) <= starts.shape[1]:
        raise InputError(
            f"{table.where(range(len(table)), 'loss')}: {len(table)} runs for {starts.shape[1]} free "
            f"parameters; give {starts.shape[1] + 1} runs or more"
        )
    found = fit_surface(surface_of(table), np.log(table.loss), starts, lower=lower, upper=upper, delta=delta)
    return lambda runs: np.exp(surface_of(runs)(found.params[None])[0])


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "additive": Form("E + A / N^alpha + B / D^beta (Hoffmann et al.)", 5, _additive),
        "additive, alpha = beta": Form(
            "E + A / N^alpha + B / D^alpha", 4, lambda table, delta: _additive(table, delta, tied=True)
        ),
        "additive, E = 0": Form(
            "A / N^alpha + B / D^beta", 4, lambda table, delta: _additive(table, delta, floor=0.0)
        ),
        "power of the sum": Form("E + (A / N^alpha + B / D^beta)^gamma", 6, _power_of_sum),
        "Kaplan": Form("((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D, all parameters", 4, _kaplan),
        "Kaplan, without embeddings": Form(
            "the same of parameters without embeddings", 4, _kaplan_non_embedding
        ),
        "power-law frontier": Form(
            "ln L = p - q ln C + valley(N / N_opt(C))",
            6,
            lambda table, delta: _frontier(table, delta, logarithm=True),
        ),
        "logarithmic frontier": Form(
            "L = p - q ln C + valley(N / N_opt(C))",
            6,
            lambda table, delta: _frontier(table, delta, logarithm=False),
        ),
    }
)
"""The forms by name. The power of the sum contains the additive ones (gamma 1) and Kaplan's (E 0, beta 1)."""


def compare_forms(
    table: SweepTable,
    up_to: float,
    *,
    forms: Mapping[str, Form] = FORMS,
    delta: float = 1e-3,
) -> FormComparison:
    """Fit forms to the runs up to a budget and foretell the runs above it.

    Parameters
    ----------
    table : SweepTable
        Budgets are those planned, or the FLOPs of each run where none are stated: then all runs above count
        as one budget.
    up_to : float
        The largest budget fitted, FLOPs.
    forms : mapping
        By name; by default `FORMS`. That without embeddings is left out where the table has no such column.
    delta : float
        Of Huber's function of ln(fitted / measured loss), above 0; infinity is least squares.

    Returns
    -------
    FormComparison
        A form that the runs do not tell has a reason in place of errors.

    Raises
    ------
    InputError
        If no run is above or below the budget, or an argument is out of range.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 3e18, 1e19, 1e21])
    >>> some = {name: FORMS[name] for name in ("additive", "additive, E = 0")}
    >>> [f"{errors.form}: {errors.rms:.1%}" for errors in compare_forms(table, 1e19, forms=some).errors]
    ['additive: 0.0%', 'additive, E = 0: 8.1%']
    """
    check_delta(delta)
    if not (math.isfinite(up_to) and up_to > 0):
        raise InputError(f"up_to must be finite and above 0, found {up_to!r}; give a budget in FLOPs")
    budgets = table.flops if table.flops_budget is None else table.flops_budget
    below = np.flatnonzero(budgets <= up_to * (1 + _SAME_BUDGET))
    above = np.flatnonzero(budgets > up_to * (1 + _SAME_BUDGET))
    if not (below.size and above.size):
        raise InputError(
            f"{table.source}: {below.size} runs up to {format_flops(up_to)} FLOPs and {above.size} above; "
            f"choose a budget from {format_flops(budgets.min())}, below {format_flops(budgets.max())}"
        )
    fitted, ahead = table.take(below), table.take(above)
    highest = float(budgets[below].max())
    groups = _groups(ahead)
    if table.n_params_non_embedding is None:
        forms = {name: form for name, form in forms.items() if form.fit is not _kaplan_non_embedding}
    return FormComparison(
        source=table.source,
        up_to=highest,
        n_fitted=len(fitted),
        n_held_out=len(ahead),
        delta=delta,
        errors=tuple(
            _errors(name, form, fitted, ahead, groups, highest, delta) for name, form in forms.items()
        ),
    )


def _groups(ahead: SweepTable) -> Sequence[tuple[float, IntArray]]:
    """Runs held out, by budget."""
    if ahead.flops_budget is None:
        return [(math.exp(float(np.log(ahead.flops).mean())), np.arange(len(ahead)))]
    return [(valley.flops, valley.index) for valley in ahead.valleys()]


def _errors(
    name: str,
    form: Form,
    fitted: SweepTable,
    ahead: SweepTable,
    groups: Sequence[tuple[float, IntArray]],
    highest: float,
    delta: float,
) -> FormErrors:
    try:
        foretell = form.fit(fitted, delta)
        misses = [np.log(foretell(runs) / runs.loss) for runs in (fitted, ahead)]
    except InputError as error:
        return FormErrors(name, form.n_free, reason=str(error))
    return FormErrors(
        name,
        form.n_free,
        fitted_rms=_rms(misses[0]),
        bias=float(misses[1].mean()),
        rms=_rms(misses[1]),
        by_budget=tuple(
            BudgetErrors(
                flops=flops,
                factor=flops / highest,
                n_runs=len(index),
                bias=float(misses[1][index].mean()),
                rms=_rms(misses[1][index]),
            )
            for flops, index in groups
        ),
    )


def _rms(values: FloatArray) -> float:
    return math.sqrt(float(np.mean(values**2)))
