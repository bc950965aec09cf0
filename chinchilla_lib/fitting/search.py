"""From starts to a checked optimum of Approach 3.

Huber's delta is lowered in stages, so that far from the optimum the objective is smooth. The number of
starts grows while fewer than half of them end at the best optimum found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.diagnostics import OptimumCheck
from chinchilla_lib.fitting.newton import Minimum, minimise
from chinchilla_lib.fitting.objective import EXACT, Runs, evaluate, gradient_scale, huber
from chinchilla_lib.fitting.projection import START_COUNTS, projection_starts

__all__ = ["SMALLEST_EXPONENT", "Optimum", "Space", "descend", "find_optimum"]

FloatArray = npt.NDArray[np.float64]

SMALLEST_EXPONENT: Final = 1e-3
_LARGEST_EXPONENT: Final = 20.0
_DEPTH: Final = 25.0  # a term may fall to exp(-25) of the smallest loss
_HEIGHT: Final = 30.0
_FIRST_DELTA: Final = 1e-2
_FAR_STEPS: Final = 60
_NEAR_STEPS: Final = 300
_AGREEMENT: Final = 1e-9
_CHUNK_ROWS: Final = 64
_CHUNK_CELLS: Final = 16_000


@dataclass(frozen=True)
class Space:
    """Which parameters are free."""

    tied: bool = False
    """Whether alpha = beta."""
    floor: float | None = None
    """Where E is held, nats per token; None if it is free."""

    @property
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
        safe = np.where(np.isfinite(params), params, 0.0) if self.floor is not None else params
        return np.asarray(safe @ basis / basis.sum(axis=0), dtype=np.float64)

    def bounds(self, runs: Runs) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest values of the free parameters; a term on the lower one has vanished."""
        low, high = runs.log_loss.min() - _DEPTH, runs.log_loss.max()
        lower = np.array([low, low, low, SMALLEST_EXPONENT, SMALLEST_EXPONENT])
        upper = np.array([high + _HEIGHT, high + _HEIGHT, high, _LARGEST_EXPONENT, _LARGEST_EXPONENT])
        return self.to_free(lower[None])[0], self.to_free(upper[None])[0]


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
        Above 0.
    space : Space
    """
    for n_starts in START_COUNTS:
        starts = projection_starts(runs, n_starts, tied=space.tied, floor=space.floor)[0]
        found = descend(runs, space.to_free(starts), delta, space, far_steps=_FAR_STEPS)
        best = int(np.argmin(found.value))
        agreeing = float(np.mean(found.value <= found.value[best] * (1 + _AGREEMENT)))
        if agreeing >= 0.5:
            break
    params = space.to_params(found.point[best : best + 1])
    value = float(found.value[best])
    scale = gradient_scale(runs, params, delta)[0] @ space.basis
    check = OptimumCheck(
        relative_gradient=float(np.max(np.abs(found.gradient[best]) / scale)),
        predicted_reduction=float(found.predicted[best] / (value + len(runs.x) * _huber_floor(delta))),
        n_starts=n_starts,
        agreeing_share=agreeing,
    )
    return Optimum(params[0], value, check)


def _huber_floor(delta: float) -> float:
    """Huber's function of a residual that counts as none."""
    return float(huber(np.array([EXACT]), delta)[0])


def descend(
    runs: Runs, start: FloatArray, delta: float, space: Space, *, far_steps: int = _NEAR_STEPS
) -> Minimum:
    """Follow each start to its end, in stages of delta.

    Parameters
    ----------
    runs : Runs
        One data set for all starts, or one row of losses or weights for each.
    start : array of float, shape (n_rows, n_free)
    delta : float
        Above 0.
    space : Space
    far_steps : int
        At most so many steps in stages before the last.
    """
    lower, upper = space.bounds(runs)
    basis = space.basis
    parts = []
    for rows in _chunks(len(start), len(runs.x)):
        chunk = runs.take(rows)
        point = np.clip(start[rows], lower, upper)
        for stage in _stages(delta):
            last = stage == delta
            part = minimise(
                _Evaluator(chunk, stage, space, basis),
                point,
                lower=lower,
                upper=upper,
                scale=_damping_scale(chunk, space.to_params(point), stage) @ basis**2,
                negligible=np.broadcast_to(_huber_floor(stage) * _total_weight(chunk), len(point)),
                n_steps=_NEAR_STEPS if last else far_steps,
            )
            point = part.point
        parts.append(part)
    return Minimum(
        point=np.concatenate([part.point for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        gradient=np.concatenate([part.gradient for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
    )


class _Evaluator:
    """The objective in the free parameters; rows are taken from the runs as they drop out."""

    def __init__(self, runs: Runs, delta: float, space: Space, basis: FloatArray) -> None:
        self.runs, self.delta, self.space, self.basis = runs, delta, space, basis
        self.rows: npt.NDArray[np.intp] | None = None
        self.current = runs

    def __call__(
        self, free: FloatArray, rows: npt.NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        if rows is not self.rows:
            self.rows, self.current = rows, self.runs.take(rows)
        if self.space == _ALL_FREE:
            return evaluate(self.current, free, self.delta)
        value, gradient, hessian = evaluate(self.current, self.space.to_params(free), self.delta)
        return value, gradient @ self.basis, self.basis.T @ hessian @ self.basis


_ALL_FREE: Final = Space()


def _stages(delta: float) -> list[float]:
    stages, stage = [], _FIRST_DELTA
    while stage > 3 * delta:
        stages.append(stage)
        stage /= 10
    return [*stages, delta]


def _chunks(n_rows: int, n_runs: int) -> Iterator[slice]:
    size = min(_CHUNK_ROWS, max(1, _CHUNK_CELLS // n_runs))
    return (slice(start, start + size) for start in range(0, n_rows, size))


def _total_weight(runs: Runs) -> FloatArray:
    return np.array([float(len(runs.x))]) if runs.weights is None else runs.weights.sum(axis=1)


def _damping_scale(runs: Runs, params: FloatArray, delta: float) -> FloatArray:
    """Diagonal of the quadratic that touches the objective from above, without the law's own bend."""
    return gradient_scale(runs, params, delta, squared=True)
