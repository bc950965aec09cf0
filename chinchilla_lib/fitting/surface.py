"""Huber fits of any surface of the loss: for forms that have no search of their own, as Approach 3 has.

Derivatives are differences, so that a form is one function; steps, bounds and the check of the optimum are
those of Approach 3. Delta is lowered in stages, so that far from the optimum the objective is smooth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import OptimumCheck
from chinchilla_lib.fitting.newton import minimise
from chinchilla_lib.fitting.objective import EXACT, huber

__all__ = [
    "LogSurface",
    "SurfaceOptimum",
    "check_delta",
    "fit_surface",
    "grid_of_starts",
    "refit_surface",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
LogSurface = Callable[[FloatArray], FloatArray]
"""From parameters, shape (n_rows, n_free), to the fitted ln L, shape (n_rows, n_runs)."""

_FIRST_DELTA: Final = 1e-2
_SLOPE_STEP: Final = 3e-6
_BEND_STEP: Final = 1e-3
_FAR_STEPS: Final = 60
_NEAR_STEPS: Final = 300
_ROUGH: Final = 1e-3
_EXACTLY: Final = 1e-14
_AGREEMENT: Final = 1e-8
_PROMISED: Final = 1e-6  # of the objective: far below what a resample moves it
_REFIT_STEPS: Final = 150


@dataclass(frozen=True, eq=False)
class SurfaceOptimum:
    """The lowest optimum found."""

    params: FloatArray
    """Shape (n_free,)."""
    value: float
    """Huber's function of ln(fitted / measured loss), summed over runs."""
    check: OptimumCheck
    """What was checked there; a parameter on a bound has no gradient."""


def check_delta(delta: float) -> None:
    """Refuse a delta that `fit_surface` cannot take.

    Raises
    ------
    InputError
        If it is not above 0.
    """
    if not delta > 0:
        raise InputError(f"delta must be above 0, found {delta!r}; the paper's is 1e-3, infinity is squares")


def grid_of_starts(*values: FloatArray) -> FloatArray:
    """All combinations of values of the parameters, shape (n_starts, n_free).

    Examples
    --------
    >>> grid_of_starts(np.array([0.3, 0.4]), np.array([1.0, 2.0, 3.0])).shape
    (6, 2)
    """
    return np.stack([grid.ravel() for grid in np.meshgrid(*values, indexing="ij")], axis=1)


def fit_surface(
    log_surface: LogSurface,
    log_loss: FloatArray,
    starts: FloatArray,
    *,
    lower: FloatArray,
    upper: FloatArray,
    delta: float = 1e-3,
    n_kept: int = 16,
) -> SurfaceOptimum:
    """Minimise the sum over runs of Huber's function of ln(fitted / measured loss).

    Parameters
    ----------
    log_surface : callable
        See `LogSurface`. Parameters should be of order 1 to 10, as logarithms and exponents are.
    log_loss : array of float, shape (n_runs,)
        ln of the measured losses, nats per token.
    starts : array of float, shape (n_starts, n_free)
    lower, upper : array of float, shape (n_free,)
        Bounds.
    delta : float
        Above 0; infinity is least squares.
    n_kept : int
        Starts that are followed: those with the smallest sum of absolute residuals.

    Raises
    ------
    InputError
        If `delta` is not above 0.

    Examples
    --------
    >>> x = np.linspace(0, 3, 9)
    >>> starts = grid_of_starts(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    >>> lower, upper = np.full(2, -5.0), np.full(2, 5.0)
    >>> line = lambda params: params[:, :1] + params[:, 1:] * x
    >>> fit_surface(line, 0.5 - 0.2 * x, starts, lower=lower, upper=upper).params.round(6)
    array([ 0.5, -0.2])
    """
    check_delta(delta)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        starts = np.clip(starts, lower, upper)
        rough = np.abs(log_surface(starts) - log_loss).sum(axis=1)
        rough = np.where(np.isfinite(rough), rough, np.inf)
        point = starts[np.argsort(rough, kind="stable")[:n_kept]]
        stages = _stages(delta)
        for stage in stages:
            last = stage == stages[-1]
            problem = _Problem(log_surface, log_loss, stage)
            found = minimise(
                problem.evaluate,
                point,
                lower=lower,
                upper=upper,
                scale=problem.scale,
                negligible=np.full(len(point), len(log_loss) * _nothing(stage)),
                n_steps=_NEAR_STEPS if last else _FAR_STEPS,
                tolerance=_EXACTLY if last else _ROUGH,
            )
            point = found.point
        value = np.where(np.isfinite(found.value), found.value, np.inf)
        best = int(np.argmin(value))
        terms = problem.gradient_scale(point[best])
    nothing = len(log_loss) * _nothing(delta)
    return SurfaceOptimum(
        params=point[best],
        value=float(value[best]),
        check=OptimumCheck(
            relative_gradient=float(np.max(np.abs(found.gradient[best]) / terms)),
            predicted_reduction=float(found.predicted[best] / (value[best] + nothing)),
            n_starts=len(point),
            agreeing_share=float(np.mean(value <= value[best] * (1 + _AGREEMENT) + nothing)),
        ),
    )


def refit_surface(
    log_surface: LogSurface,
    log_loss: FloatArray,
    start: FloatArray,
    counts: IntArray,
    *,
    lower: FloatArray,
    upper: FloatArray,
    delta: float = 1e-3,
) -> tuple[FloatArray, FloatArray]:
    """Fit resamples of the runs, all together, each from the optimum for all runs.

    The steps are those of reweighted least squares, which need no second derivatives: many, but cheap, and
    near enough to the optimum for an interval.

    Parameters
    ----------
    log_surface, log_loss, lower, upper, delta
        As :func:`fit_surface`.
    start : array of float, shape (n_free,)
        That optimum.
    counts : array of int, shape (n_draws, n_runs)
        How often each draw has each run.

    Returns
    -------
    params : array of float, shape (n_draws, n_free)
        Of each draw's optimum.
    predicted : array of float, shape (n_draws,)
        What one more step would gain, as a share of the objective.

    Examples
    --------
    >>> x = np.linspace(0, 3, 9)
    >>> log_loss = 0.5 - 0.2 * x
    >>> log_loss[-1] += 0.1
    >>> lower, upper = np.full(2, -5.0), np.full(2, 5.0)
    >>> line = lambda params: params[:, :1] + params[:, 1:] * x
    >>> counts = np.array([[1] * 9, [1] * 8 + [0]])
    >>> params, _ = refit_surface(line, log_loss, np.array([0.5, -0.2]), counts, lower=lower, upper=upper)
    >>> params.round(3)
    array([[ 0.5, -0.2],
           [ 0.5, -0.2]])
    """
    check_delta(delta)
    point = np.tile(np.clip(start, lower, upper), (len(counts), 1))
    nothing = len(log_loss) * _nothing(delta)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for stage in _stages(delta):
            problem = _Resamples(log_surface, log_loss, stage, counts)
            found = minimise(
                problem.evaluate,
                point,
                lower=lower,
                upper=upper,
                scale=problem.scale,
                negligible=np.full(len(point), nothing),
                n_steps=_REFIT_STEPS,
                tolerance=_PROMISED,
            )
            point = found.point
    return found.point, found.predicted / (found.value + nothing)


def _nothing(delta: float) -> float:
    """Huber's function of a residual that counts as none."""
    return float(huber(np.array([EXACT]), delta)[0])


def _slopes(log_surface: LogSurface, params: FloatArray) -> FloatArray:
    """Derivatives of the fitted ln L, shape (n_rows, n_free, n_runs)."""
    steps = _SLOPE_STEP * np.eye(params.shape[1])
    return np.stack(
        [(log_surface(params + step) - log_surface(params - step)) / (2 * _SLOPE_STEP) for step in steps],
        axis=1,
    )


def _stages(delta: float) -> list[float]:
    """Deltas from a large one, where the objective is smooth, down to the one asked for."""
    stages = [delta]
    while stages[0] * 10 <= _FIRST_DELTA:
        stages.insert(0, stages[0] * 10)
    return stages


@dataclass(frozen=True, eq=False)
class _Problem:
    """The objective at one delta, with derivatives by differences."""

    log_surface: LogSurface
    log_loss: FloatArray
    delta: float

    def evaluate(self, params: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and Hessian of each row."""
        del rows
        residuals = self.log_surface(params) - self.log_loss
        psi = np.clip(residuals, -self.delta, self.delta)
        slopes = _slopes(self.log_surface, params)
        bend = (psi == residuals).astype(np.float64)
        hessian = (slopes * bend[:, None]) @ slopes.transpose(0, 2, 1) + self._second(params, psi)
        value = huber(residuals, self.delta).sum(axis=1)
        return value, np.einsum("rkn,rn->rk", slopes, psi), hessian

    def _second(self, params: FloatArray, psi: FloatArray) -> FloatArray:
        """Second derivatives of the fitted ln L, summed over runs with weights psi."""
        n_free, h = params.shape[1], _BEND_STEP
        steps = h * np.eye(n_free)

        def summed(step: FloatArray) -> FloatArray:
            both_sides = self.log_surface(params + step) + self.log_surface(params - step)
            return np.asarray(np.vecdot(psi, both_sides), dtype=np.float64)

        middle = 2 * np.vecdot(psi, self.log_surface(params))
        alone = np.stack([summed(step) for step in steps])
        second = np.empty((len(params), n_free, n_free))
        for i in range(n_free):
            second[:, i, i] = (alone[i] - middle) / h**2
            for j in range(i):
                both = summed(steps[i] + steps[j])
                second[:, i, j] = second[:, j, i] = (both - alone[i] - alone[j] + middle) / (2 * h**2)
        return second

    def scale(self, params: FloatArray, rows: IntArray) -> FloatArray:
        """Curvatures that damping is measured in."""
        del rows
        residuals = np.maximum(np.abs(self.log_surface(params) - self.log_loss), EXACT)
        weights = np.minimum(1.0, self.delta / residuals)
        scale = np.einsum("rkn,rn->rk", _slopes(self.log_surface, params) ** 2, weights)
        return np.where(np.isfinite(scale), scale, 1.0) + np.finfo(float).tiny

    def gradient_scale(self, point: FloatArray) -> FloatArray:
        """What the terms of each component of the gradient sum to without their signs."""
        residuals = np.maximum(np.abs(self.log_surface(point[None]) - self.log_loss), EXACT)
        terms = np.abs(_slopes(self.log_surface, point[None]))[0] @ np.minimum(residuals[0], self.delta)
        return np.asarray(terms + np.finfo(float).tiny, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Resamples:
    """The objectives of resamples, a row for each; Hessians are of the squares that touch them from above."""

    log_surface: LogSurface
    log_loss: FloatArray
    delta: float
    counts: IntArray

    def evaluate(self, params: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and Hessian of each row."""
        residuals = self.log_surface(params) - self.log_loss
        weights, slopes = self._weights(residuals, rows), _slopes(self.log_surface, params)
        hessian = (slopes * weights[:, None]) @ slopes.transpose(0, 2, 1)
        value = (self.counts[rows] * huber(residuals, self.delta)).sum(axis=1)
        return value, np.einsum("rkn,rn->rk", slopes, weights * residuals), hessian

    def scale(self, params: FloatArray, rows: IntArray) -> FloatArray:
        """Curvatures that damping is measured in."""
        weights = self._weights(self.log_surface(params) - self.log_loss, rows)
        scale = np.einsum("rkn,rn->rk", _slopes(self.log_surface, params) ** 2, weights)
        return np.where(np.isfinite(scale), scale, 1.0) + np.finfo(float).tiny

    def _weights(self, residuals: FloatArray, rows: IntArray) -> FloatArray:
        cut = np.minimum(1.0, self.delta / np.maximum(np.abs(residuals), EXACT))
        return np.asarray(self.counts[rows] * cut, dtype=np.float64)
