"""Newton's method with Levenberg damping inside bounds, for many small problems at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Evaluate", "Minimum", "Scale", "minimise", "solve_positive"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Evaluate = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray, FloatArray]]
Scale = Callable[[FloatArray, IntArray], FloatArray]

_FIRST_DAMPING: Final = 1e-3
_NO_DAMPING: Final = 1e-7
_LAST_DAMPING: Final = 1e9


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where each problem ended."""

    point: FloatArray
    """Shape (n_rows, n_free)."""
    value: FloatArray
    """Shape (n_rows,)."""
    gradient: FloatArray
    """Shape (n_rows, n_free); 0 where a bound holds the parameter."""
    predicted: FloatArray
    """What one more undamped step would gain, shape (n_rows,); infinite where the Hessian is not positive."""


def minimise(
    evaluate: Evaluate,
    start: FloatArray,
    *,
    lower: FloatArray,
    upper: FloatArray,
    scale: Scale,
    negligible: FloatArray,
    first: Evaluate | None = None,
    n_steps: int = 300,
    tolerance: float = 1e-14,
    at_once: int = 1024,
) -> Minimum:
    """Minimise functions of a few variables, one for each row.

    A row is finished when the quadratic model promises less than `tolerance` of its value, damped or not, or
    when no damping makes it fall any more. Finished rows make room for others.

    Parameters
    ----------
    evaluate : callable
        From points of shape (n, n_free) and their row numbers to values, gradients and Hessians.
    start : array of float, shape (n_rows, n_free)
    lower, upper : array of float, shape (n_free,)
        Bounds.
    scale : callable
        From starts and their row numbers to the positive curvatures that damping is measured in, of the
        starts' shape.
    negligible : array of float, shape (n_rows,)
        Added to the value where a gain is compared with it, so that an exact fit ends too.
    first : callable, optional
        A faster way to evaluate the starts.
    n_steps : int
        At most so many steps of a row.
    tolerance : float
        See above.
    at_once : int
        Rows followed together.

    Examples
    --------
    >>> target = np.array([[1.0, 2.0], [3.0, -1.0]])
    >>> def evaluate(points, rows):
    ...     off = points - target[rows]
    ...     bend = np.broadcast_to(np.eye(2), (len(rows), 2, 2))
    ...     return (off**2).sum(axis=1) / 2, off, bend
    >>> bounds = {"lower": np.full(2, -2.0), "upper": np.full(2, 2.0)}
    >>> ones = lambda points, rows: np.ones_like(points)
    >>> found = minimise(evaluate, np.zeros((2, 2)), scale=ones, negligible=np.full(2, 1e-9), **bounds)
    >>> found.point.round(3)
    array([[ 1.,  2.],
           [ 2., -1.]])
    """
    start = np.clip(start, lower, upper)
    n_rows, n_free = start.shape
    result = Minimum(start.copy(), np.empty(n_rows), np.empty_like(start), np.full(n_rows, np.inf))
    state = _State.empty(n_free)
    waiting = 0
    while waiting < n_rows or len(state.rows):
        if waiting < n_rows and 4 * len(state.rows) <= 3 * at_once:
            rows = np.arange(waiting, min(waiting + at_once - len(state.rows), n_rows))
            waiting = int(rows[-1]) + 1
            points, damping = start[rows], np.full(len(rows), _FIRST_DAMPING)
            begun = (first or evaluate)(points, rows)
            state = state.join(
                _State(rows, points, *begun, scale(points, rows), damping, np.zeros(len(rows)))
            )
        held = ((state.point <= lower) & (state.gradient > 0)) | (
            (state.point >= upper) & (state.gradient < 0)
        )
        gradient, hessian = _hold(state.gradient, state.hessian, held)
        step, positive = solve_positive(hessian, state.damping[:, None] * state.scale, -gradient)
        gain = -np.einsum("ij,ij->i", gradient, step) / 2
        limit = tolerance * (state.value + negligible[state.rows])
        small = positive & (gain <= limit)
        given_up = (state.damping > _LAST_DAMPING) | (state.steps >= n_steps)
        asked = np.flatnonzero(small | given_up)
        left = np.full(len(small), np.inf)
        if asked.size:
            undamped, sound = solve_positive(hessian[asked], np.zeros_like(gradient[asked]), -gradient[asked])
            left[asked[sound]] = -np.einsum("ij,ij->i", gradient[asked], undamped)[sound] / 2
        done = (small & (left <= limit)) | given_up
        if done.any():
            rows = state.rows[done]
            result.point[rows], result.value[rows] = state.point[done], state.value[done]
            result.gradient[rows], result.predicted[rows] = gradient[done], left[done]
            keep = ~done
            state = state.take(keep)
            if not len(state.rows):
                continue
            step, positive, gain, small = step[keep], positive[keep], gain[keep], small[keep]
        trial = np.clip(state.point + step, lower, upper)
        value, gradient, hessian = evaluate(trial, state.rows)
        fell = state.value - value
        better = positive & (fell > 0)
        lower_damping = small | (better & (fell > gain / 2))
        damping = np.where(better, state.damping, np.maximum(state.damping * 10, _FIRST_DAMPING))
        damping = np.where(lower_damping, state.damping / 10, damping)
        damping[damping < _NO_DAMPING] = 0
        state = _State(
            state.rows,
            np.where(better[:, None], trial, state.point),
            np.where(better, value, state.value),
            np.where(better[:, None], gradient, state.gradient),
            np.where(better[:, None, None], hessian, state.hessian),
            state.scale,
            damping,
            state.steps + 1,
        )
    return result


@dataclass(frozen=True, eq=False)
class _State:
    """The rows at work."""

    rows: IntArray
    point: FloatArray
    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray
    scale: FloatArray
    damping: FloatArray
    steps: FloatArray

    @classmethod
    def empty(cls, n_free: int) -> "_State":
        none, rows = np.empty(0), np.empty((0, n_free))
        return cls(
            np.empty(0, dtype=np.intp), rows, none, rows, np.empty((0, n_free, n_free)), rows, none, none
        )

    def join(self, other: "_State") -> "_State":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _State(*(np.concatenate(pair) for pair in pairs))

    def take(self, keep: BoolArray) -> "_State":
        return _State(*(value[keep] for value in vars(self).values()))


def _hold(gradient: FloatArray, hessian: FloatArray, held: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian with the parameters that sit on a bound taken out."""
    if not held.any():
        return gradient, hessian
    kept = ~held
    hessian = hessian * (kept[:, :, None] & kept[:, None, :])
    diagonal = np.arange(held.shape[1])
    hessian[:, diagonal, diagonal] += held
    return np.where(held, 0.0, gradient), hessian


def solve_positive(matrix: FloatArray, added: FloatArray, right: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Solve (matrix + diag(added)) z = right by Cholesky's method, for many small matrices.

    Parameters
    ----------
    matrix : array of float, shape (n_rows, k, k)
        Symmetric.
    added, right : array of float, shape (n_rows, k)

    Returns
    -------
    z : array of float, shape (n_rows, k)
        0 where the matrix is not positive definite.
    positive : array of bool, shape (n_rows,)

    Examples
    --------
    >>> matrix = np.array([[[2.0, 0.0], [0.0, 4.0]], [[1.0, 2.0], [2.0, 1.0]]])
    >>> solve_positive(matrix, np.zeros((2, 2)), np.ones((2, 2)))
    (array([[0.5 , 0.25],
           [0.  , 0.  ]]), array([ True, False]))
    """
    k = right.shape[1]
    work = np.empty((k, k + 1, len(right)))
    work[:, :k], work[:, k] = matrix.transpose(1, 2, 0), right.T
    diagonal = np.arange(k)
    work[diagonal, diagonal] += added.T
    least = 1e-14 * np.abs(work[diagonal, diagonal])
    positive = np.ones(len(right), dtype=bool)
    for j in range(k):
        positive &= work[j, j] > least[j]
        unit = work[j, j + 1 :] / np.where(positive, work[j, j], 1.0)
        work[j + 1 :, j + 1 :] -= work[j, j + 1 : k, None] * unit
        work[j, j + 1 :] = unit
    z = work[:, k]
    for i in reversed(range(k - 1)):
        z[i] -= (work[i, i + 1 : k] * z[i + 1 :]).sum(axis=0)
    return np.where(positive[:, None], z.T, 0.0), positive
