"""Newton's method with Levenberg damping inside bounds, for many small problems at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Minimum", "minimise", "solve_positive"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Evaluate = Callable[[FloatArray, npt.NDArray[np.intp]], tuple[FloatArray, FloatArray, FloatArray]]

_TOLERANCE: Final = 1e-14  # of the value
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
    scale: FloatArray,
    negligible: FloatArray,
    n_steps: int = 200,
) -> Minimum:
    """Minimise functions of a few variables, one for each row.

    A row is finished when the quadratic model promises less than 1e-14 of its value, or when no damping
    makes it fall any more; finished rows are left out of later evaluations.

    Parameters
    ----------
    evaluate : callable
        From points of shape (n, n_free) and their row numbers to values, gradients and Hessians.
    start : array of float, shape (n_rows, n_free)
    lower, upper : array of float, shape (n_free,)
        Bounds.
    scale : array of float, shape (n_rows, n_free)
        Positive curvatures that damping is measured in.
    negligible : array of float, shape (n_rows,)
        Added to the value where a gain is compared with it, so that an exact fit ends too.
    n_steps : int
        At most so many evaluations of a row.
    """
    point = np.clip(start, lower, upper)
    rows = np.arange(len(point))
    value, gradient, hessian = evaluate(point, rows)
    damping = np.zeros(len(point))
    result = Minimum(point.copy(), value.copy(), gradient.copy(), np.full(len(point), np.inf))
    for _ in range(n_steps):
        held = ((point <= lower) & (gradient > 0)) | ((point >= upper) & (gradient < 0))
        free_gradient, free_hessian = _hold(gradient, hessian, held)
        step, positive = solve_positive(free_hessian, damping[:, None] * scale[rows], -free_gradient)
        gain = -np.einsum("ij,ij->i", free_gradient, step) / 2
        small = positive & (gain <= _TOLERANCE * (value + negligible[rows]))
        done = (small & (damping <= _NO_DAMPING)) | (damping > _LAST_DAMPING)
        if done.any():
            _store(result, rows[done], point[done], value[done], free_gradient[done])
            result.predicted[rows[done]] = np.where(small[done], gain[done], np.inf)
            keep = ~done
            if not keep.any():
                return result
            rows, point, value, damping = rows[keep], point[keep], value[keep], damping[keep]
            gradient, hessian, step = gradient[keep], hessian[keep], step[keep]
            positive, gain, small = positive[keep], gain[keep], small[keep]
        trial = np.clip(point + step, lower, upper)
        new_value, new_gradient, new_hessian = evaluate(trial, rows)
        fell = value - new_value
        better = positive & (fell > 0)
        good = better & (fell > gain / 2)
        damping = np.where(
            small | good, damping / 10, np.where(better, damping, np.maximum(damping * 10, _FIRST_DAMPING))
        )
        damping[damping < _NO_DAMPING] = 0
        point = np.where(better[:, None], trial, point)
        value = np.where(better, new_value, value)
        gradient = np.where(better[:, None], new_gradient, gradient)
        hessian = np.where(better[:, None, None], new_hessian, hessian)
    held = ((point <= lower) & (gradient > 0)) | ((point >= upper) & (gradient < 0))
    free_gradient, free_hessian = _hold(gradient, hessian, held)
    step, positive = solve_positive(free_hessian, np.zeros_like(point), -free_gradient)
    _store(result, rows, point, value, free_gradient)
    gain = -np.einsum("ij,ij->i", free_gradient, step) / 2
    result.predicted[rows] = np.where(positive, gain, np.inf)
    return result


def _store(
    result: Minimum, rows: npt.NDArray[np.intp], point: FloatArray, value: FloatArray, gradient: FloatArray
) -> None:
    result.point[rows], result.value[rows], result.gradient[rows] = point, value, gradient


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
    """
    k = right.shape[1]
    root: list[list[FloatArray]] = []
    positive = np.ones(len(right), dtype=bool)
    half: list[FloatArray] = []
    for i in range(k):
        row: list[FloatArray] = []
        for j in range(i):
            entry = matrix[:, i, j].copy()
            for m in range(j):
                entry -= row[m] * root[j][m]
            row.append(entry / root[j][j])
        own = matrix[:, i, i] + added[:, i]
        pivot = own.copy()
        for entry in row:
            pivot -= entry * entry
        positive &= pivot > 1e-14 * np.abs(own)
        row.append(np.sqrt(np.where(positive, pivot, 1.0)))
        root.append(row)
        below = right[:, i].copy()
        for m in range(i):
            below -= row[m] * half[m]
        half.append(below / row[i])
    z = np.empty_like(right)
    for i in reversed(range(k)):
        above = half[i]
        for m in range(i + 1, k):
            above = above - root[m][i] * z[:, m]
        z[:, i] = above / root[i][i]
    return np.where(positive[:, None], z, 0.0), positive
