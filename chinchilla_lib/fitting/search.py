"""From starts to a checked optimum of Approach 3.

Huber's delta is lowered in stages, so that far from the optimum the objective is smooth. The number of
starts grows while fewer than half of them end at the best optimum found.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.diagnostics import OptimumCheck
from chinchilla_lib.fitting.least_absolute import SMOOTH, find_corner
from chinchilla_lib.fitting.newton import Evaluate, Minimum, Scale, minimise, solve_positive
from chinchilla_lib.fitting.objective import (
    EXACT,
    HuberSum,
    Runs,
    gradient_scale,
    huber,
    log_residuals,
    run_terms,
)
from chinchilla_lib.fitting.projection import START_COUNTS, projection_starts

__all__ = ["Optimum", "Space", "approach", "find_optimum", "finish", "parameter_bounds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_SMALLEST_EXPONENT: Final = 1e-3
_LARGEST_EXPONENT: Final = 20.0
_DEPTH: Final = 25.0  # a term may fall to exp(-25) of the smallest loss
_HEIGHT: Final = 30.0
_FIRST_DELTA: Final = 1e-2
_FAR_STEPS: Final = 60
_NEAR_STEPS: Final = 300
_KINKED: Final = 1e-3  # below it only the runs inside delta bend the objective
_NUDGE: Final = 1e-4
_LEAST_SMOOTH: Final = 1e-9
_AGREEMENT: Final = 1e-9
_ROUGH: Final = 1e-3
_EXACTLY: Final = 1e-14


@dataclass(frozen=True)
class Space:
    """Which parameters are free."""

    tied: bool = False
    """Whether alpha = beta."""
    floor: float | None = None
    """Where E is held, nats per token; None if it is free."""

    @cached_property
    def basis(self) -> FloatArray:
        """What each free parameter moves, shape (5, n_free)."""
        basis = np.eye(5)
        if self.tied:
            basis[4, 3] = 1
        kept = [column for column in range(5) if not (column == 4 and self.tied)]
        return basis[:, [column for column in kept if not (column == 2 and self.floor is not None)]]

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return 5 - self.tied - (self.floor is not None)

    def to_params(self, free: FloatArray) -> FloatArray:
        """All five parameters, shape (n_rows, 5)."""
        params = free @ self.basis.T
        if self.floor is not None:
            params[:, 2] = np.log(self.floor) if self.floor > 0 else -np.inf
        return params

    def to_free(self, params: FloatArray) -> FloatArray:
        """The free ones, shape (n_rows, n_free)."""
        basis = self.basis
        # No matrix product: ln E may be -inf, and -inf times 0 is no number.
        return np.stack([params[:, moved > 0].mean(axis=1) for moved in basis.T], axis=1)

    def bounds(self, runs: Runs) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest values of the free parameters; a term on the lower one has vanished."""
        lower, upper = parameter_bounds(runs)
        return self.to_free(lower[None])[0], self.to_free(upper[None])[0]


def parameter_bounds(runs: Runs) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest values of the five parameters.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> lower, upper = parameter_bounds(Runs.from_table(runs, np.arange(len(runs))))
    >>> lower.round(1), upper.round(1)
    (array([-24., -24., -24.,   0.,   0.]), array([31.3, 31.3,  1.3, 20. , 20. ]))
    """
    low, high = runs.log_loss.min() - _DEPTH, runs.log_loss.max()
    lower = np.array([low, low, low, _SMALLEST_EXPONENT, _SMALLEST_EXPONENT])
    upper = np.array([high + _HEIGHT, high + _HEIGHT, high, _LARGEST_EXPONENT, _LARGEST_EXPONENT])
    return lower, upper


@dataclass(frozen=True, eq=False)
class Optimum:
    """The lowest optimum found."""

    params: FloatArray
    """As in `objective`, shape (5,)."""
    value: float
    """The objective, summed over runs."""
    check: OptimumCheck
    """What was checked there."""


def find_optimum(runs: Runs, delta: float, space: Space) -> Optimum:
    """Search one data set from a growing number of starts.

    Parameters
    ----------
    runs : Runs
        Without weights, of one data set.
    delta : float
        0 or above; for 0 the search ends at a corner, see `least_absolute`.
    space : Space

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> found = find_optimum(data, 1e-3, Space())
    >>> data.to_law(found.params[None])[0, [0, 3, 4]].round(4)
    array([1.69, 0.34, 0.28])
    """
    smooth = max(delta, SMOOTH)
    for n_starts in START_COUNTS:
        starts = projection_starts(runs, n_starts, tied=space.tied, floor=space.floor)[0]
        found = finish(runs, approach(runs, space.to_free(starts), smooth, space), smooth, space)
        best = int(np.argmin(found.value))
        near = found.value[best] * (1 + _AGREEMENT) + len(runs.x) * _huber_floor(smooth)
        agreeing = float(np.mean(found.value <= near))
        if agreeing >= 0.5:
            break
    params = space.to_params(found.point[best : best + 1])[0]
    corner = find_corner(runs, params, space.basis) if delta < SMOOTH else None
    if delta == 0 and corner is not None:
        value = float(huber(log_residuals(runs, corner.params[None]), 0.0).sum())
        check = OptimumCheck(
            corner.unbalanced, corner.left / (value + len(runs.x) * EXACT), n_starts, agreeing
        )
        return Optimum(corner.params, value, check)
    if delta < SMOOTH:
        start = params if corner is None else corner.params
        smooth = delta or _LEAST_SMOOTH
        found, best = finish(runs, space.to_free(start[None]), smooth, space), 0
        params = space.to_params(found.point)[0]
    scale = gradient_scale(runs, params[None], smooth)[0] @ space.basis
    value = float(found.value[best])
    check = OptimumCheck(
        relative_gradient=float(np.max(np.abs(found.gradient[best]) / scale)),
        predicted_reduction=float(found.predicted[best] / (value + len(runs.x) * _huber_floor(smooth))),
        n_starts=n_starts,
        agreeing_share=agreeing,
    )
    if delta == 0:
        value = float(huber(log_residuals(runs, params[None]), 0.0).sum())
    return Optimum(params, value, check)


def _huber_floor(delta: float) -> float:
    """Huber's function of a residual that counts as none."""
    return float(huber(np.array([EXACT]), delta)[0])


def approach(
    runs: Runs, start: FloatArray, delta: float, space: Space, *, careful: bool = False
) -> FloatArray:
    """Follow each start to near an optimum of a smoother objective, in stages of a falling delta.

    Parameters
    ----------
    runs : Runs
        One data set for all starts, or one row of losses or weights for each.
    start : array of float, shape (n_rows, n_free)
    delta : float
        Above 0; where the stages lead to.
    space : Space
    careful : bool
        Take each stage to its end and extrapolate to the next.

    Returns
    -------
    array of float, shape (n_rows, n_free)

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> near = approach(data, projection_starts(data, 1)[0], 1e-3, Space())
    >>> data.to_law(near)[0, 3:].round(3)
    array([0.34, 0.28])
    """
    stages = _stages(delta)
    for stage, following in zip(stages, [*stages[1:], delta], strict=True):
        if following >= _KINKED and not careful:
            start = _minimise(runs, start, stage, space, n_steps=_FAR_STEPS, tolerance=_ROUGH).point
        else:
            start = _minimise(runs, start, stage, space, n_steps=_NEAR_STEPS, tolerance=_EXACTLY).point
            start = _extrapolate(runs, start, stage, following, space)
    return start


def _extrapolate(runs: Runs, point: FloatArray, delta: float, following: float, space: Space) -> FloatArray:
    """Where the optimum goes as delta falls, while the same runs stay inside it.

    Without this, the runs that a stage holds inside delta would be outside the next, and nothing would bend.
    """
    here, below = (_objective(runs, value, space) for value in (delta, delta * (1 - _NUDGE)))
    rows = np.arange(len(point))
    _, gradient, hessian = here(point, rows)
    slope = (gradient - below(point, rows)[1]) / _NUDGE  # times delta
    step, _ = solve_positive(hessian, np.zeros_like(slope), slope * (1 - following / delta))
    return point + step


def finish(runs: Runs, start: FloatArray, delta: float, space: Space) -> Minimum:
    """Follow each start to its optimum; parameters as for `approach`.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> end = finish(data, projection_starts(data, 1)[0], 1e-3, Space())
    >>> data.to_law(end.point)[0, 3:].round(3)
    array([0.34, 0.28])
    """
    return _minimise(runs, start, delta, space, n_steps=_NEAR_STEPS, tolerance=_EXACTLY)


def _objective(runs: Runs, delta: float, space: Space) -> Evaluate:
    """The objective as a function of the free parameters."""
    objective = HuberSum(runs, delta)
    return lambda free, rows: _reduce(space, *objective(space.to_params(free), rows))


def _reduce(
    space: Space, value: FloatArray, gradient: FloatArray, hessian: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value and derivatives by the free parameters."""
    if space.n_free == 5:
        return value, gradient, hessian
    basis = space.basis
    return value, gradient @ basis, basis.T @ hessian @ basis


def _minimise(
    runs: Runs, start: FloatArray, delta: float, space: Space, *, n_steps: int, tolerance: float
) -> Minimum:
    lower, upper = space.bounds(runs)
    start, weights = np.clip(start, lower, upper), runs.weights
    total = np.full(len(start), float(len(runs.x))) if weights is None else weights.sum(axis=1)
    first, scale = None, _scale(runs, delta, space)
    if weights is not None and runs.log_loss.ndim == 1 and len(start) and (start == start[0]).all():
        first, scale = _at_one_point(runs, start[:1], weights, delta, space)
    return minimise(
        _objective(runs, delta, space),
        start,
        lower=lower,
        upper=upper,
        scale=scale,
        negligible=_huber_floor(delta) * total,
        first=first,
        n_steps=n_steps,
        tolerance=tolerance,
    )


def _scale(runs: Runs, delta: float, space: Space) -> Scale:
    squares = space.basis**2
    return lambda free, rows: (
        gradient_scale(runs.take(rows), space.to_params(free), delta, squared=True) @ squares
    )


def _at_one_point(
    runs: Runs, start: FloatArray, weights: FloatArray, delta: float, space: Space
) -> tuple[Evaluate, Scale]:
    """Objective and scale where all resamples begin: they differ in their weights alone."""
    value, gradient, hessian, scale = run_terms(runs, space.to_params(start), delta)
    squares = scale @ space.basis**2

    def evaluate(_: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        drawn = weights[rows]
        return _reduce(space, drawn @ value, drawn @ gradient, np.tensordot(drawn, hessian, 1))

    return evaluate, lambda _, rows: weights[rows] @ squares


def _stages(delta: float) -> list[float]:
    """Deltas on the way, the last not included; delta itself where it is large."""
    stages = [_FIRST_DELTA]
    while stages[-1] > 30 * delta:
        stages.append(stages[-1] / 10)
    return stages if delta < _FIRST_DELTA else [delta]
