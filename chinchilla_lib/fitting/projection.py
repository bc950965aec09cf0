"""Starts for Approach 3 by variable projection.

With alpha and beta held, the law is linear in E, A and B: least squares on the loss, each run weighted by
1 / L^2, solves them on a grid of exponents. All sums that this needs, for every resample and grid point,
come from one matrix product.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.objective import Runs

__all__ = ["START_COUNTS", "projection_starts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

START_COUNTS: Final = (4, 16, 64, 256)
"""Numbers of starts that divide the grid into equal blocks."""

_SMALLEST: Final = 0.03
_LARGEST: Final = 3.0
_SIDE: Final = 16
_BLOCK_OF_RUNS: Final = 4096
_ROWS: Final = 32
_TRACE: Final = 1e-4  # of the loss, where a term came out as 0


def projection_starts(
    runs: Runs, n_starts: int, *, tied: bool = False, floor: float | None = None
) -> FloatArray:
    """The best points of a grid of exponents, one from each of equal blocks, the best block first.

    Parameters
    ----------
    runs : Runs
    n_starts : int
        One of `START_COUNTS`, from 16 x 16 grid points; 1 for the best of 8 x 8.
    tied : bool
        Hold alpha = beta.
    floor : float, optional
        Hold E at this, nats per token.

    Returns
    -------
    array of float, shape (n_rows, n_starts, 5)
        Parameters as in `objective`; n_rows is 1 where `runs` holds one data set.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> start = projection_starts(data, 1)[0]
    >>> data.to_law(start)[0, 3:].round(2)
    array([0.22, 0.22])
    """
    n_rows = max(
        1 if runs.log_loss.ndim == 1 else len(runs.log_loss), 1 if runs.weights is None else len(runs.weights)
    )
    if n_rows > _ROWS:
        parts = [runs.take(slice(first, first + _ROWS)) for first in range(0, n_rows, _ROWS)]
        return np.concatenate([projection_starts(part, n_starts, tied=tied, floor=floor) for part in parts])
    side = _SIDE if n_starts > 1 else _SIDE // 2
    exponents = np.geomspace(_SMALLEST, _LARGEST, side**2 if tied else side)
    first, second = (np.arange(side**2),) * 2 if tied else (grid.ravel() for grid in np.indices((side, side)))
    sums = _sums(runs, exponents, first, second)
    coefficients = _nonnegative(sums, floor)
    error = _error(sums, coefficients)
    blocks = _blocks(n_starts, side, tied)
    by_block = error[:, blocks]  # (n_rows, n_starts, grid points of a block)
    best = np.take_along_axis(blocks[None], by_block.argmin(axis=2)[:, :, None], axis=2)[:, :, 0]
    ranks = np.argsort(np.take_along_axis(error, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, ranks, axis=1)
    chosen = np.take_along_axis(coefficients, best[:, :, None], axis=1)
    smallest = _TRACE * np.exp(np.atleast_2d(runs.log_loss).mean(axis=1))
    logs = np.log(np.maximum(chosen, smallest[:, None, None]))
    starts = np.empty((*best.shape, 5))
    starts[:, :, :3] = logs[:, :, [1, 2, 0]]
    starts[:, :, 3], starts[:, :, 4] = exponents[first[best]], exponents[second[best]]
    return starts


def _blocks(n_starts: int, side: int, tied: bool) -> IntArray:
    """Grid points of each block, shape (n_starts, points)."""
    grid = np.arange(side**2)
    if tied or n_starts == 1:
        return grid.reshape(n_starts, -1)
    per_side = math.isqrt(n_starts)
    width = side // per_side
    return grid.reshape(per_side, width, per_side, width).transpose(0, 2, 1, 3).reshape(n_starts, -1)


def _sums(runs: Runs, exponents: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
    """Normal equations at each grid point, shape (10, n_rows, n_points).

    In order: the products 11, 1u, 1v, uu, uv, vv of the columns 1, u = exp(-alpha x), v = exp(-beta y), and
    L1, Lu, Lv, LL.
    """
    log_loss = np.atleast_2d(runs.log_loss)
    n_rows = max(len(log_loss), 1 if runs.weights is None else len(runs.weights))
    n_exponents = len(exponents)
    single, pairs = np.zeros((n_rows, 6 * n_exponents + 3)), np.zeros((n_rows, len(first)))
    for start in range(0, len(runs.x), _BLOCK_OF_RUNS):
        part = slice(start, start + _BLOCK_OF_RUNS)
        u, v = np.exp(-np.outer(runs.x[part], exponents)), np.exp(-np.outer(runs.y[part], exponents))
        weight = np.ones((1, len(u))) if runs.weights is None else runs.weights[:, part]
        inverse = np.exp(-log_loss[:, part])
        ones = np.ones((len(u), 1))
        once = np.hstack([ones, u, v])
        squares = np.hstack([once, u * u, v * v])
        part_single = np.hstack(
            [(weight * inverse**2) @ squares, (weight * inverse) @ once, weight @ ones + 0 * inverse[:, :1]]
        )
        part_pairs = (weight * inverse**2) @ (u[:, first] * v[:, second])
        single, pairs = single + part_single, pairs + part_pairs
    cuts = np.cumsum([1, *(n_exponents,) * 4, 1, *(n_exponents,) * 2])
    s11, s1u, s1v, suu, svv, sl1, slu, slv, sll = np.split(single, cuts, axis=1)
    shape = (n_rows, len(first))
    entries = (
        s11, s1u[:, first], s1v[:, second], suu[:, first], pairs, svv[:, second],
        sl1, slu[:, first], slv[:, second], sll,
    )  # fmt: skip
    return np.stack([np.broadcast_to(entry, shape) for entry in entries])


def _nonnegative(sums: FloatArray, floor: float | None) -> FloatArray:
    """E, A and B of least squares without negative ones, shape (n_rows, n_points, 3)."""
    s11, s1u, s1v, suu, suv, svv, sl1, slu, slv, _ = sums
    if floor is not None:
        size, data = _two(suu, suv, svv, slu - floor * s1u, slv - floor * s1v)
        return np.stack([np.full_like(size, floor), size, data], axis=-1)
    size, data = _solve(
        suu - s1u**2 / s11, suv - s1u * s1v / s11, svv - s1v**2 / s11,
        slu - s1u * sl1 / s11, slv - s1v * sl1 / s11,
    )  # fmt: skip
    solution = np.stack([(sl1 - s1u * size - s1v * data) / s11, size, data], axis=-1)
    wrong = ~(solution >= 0).all(axis=-1)
    if not wrong.any():
        return solution
    s11, s1u, s1v, suu, suv, svv, sl1, slu, slv, _ = sums = sums[:, wrong]
    zero = np.zeros_like(s11)
    faces = [
        (zero, *_two(suu, suv, svv, slu, slv)),
        _insert(_two(s11, s1u, suu, sl1, slu), zero, 2),
        _insert(_two(s11, s1v, svv, sl1, slv), zero, 1),
    ]
    candidates = np.stack([np.stack(face, axis=-1) for face in faces])
    best = np.argmin(np.stack([_error(sums, candidate) for candidate in candidates]), axis=0)
    solution[wrong] = np.take_along_axis(candidates, best[None, :, None], axis=0)[0]
    return solution


def _insert(pair: tuple[FloatArray, FloatArray], zero: FloatArray, place: int) -> tuple[FloatArray, ...]:
    values = list(pair)
    values.insert(place, zero)
    return tuple(values)


def _solve(
    c11: FloatArray, c12: FloatArray, c22: FloatArray, r1: FloatArray, r2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Two equations; negative where they do not determine both unknowns."""
    determinant = c11 * c22 - c12**2
    good = determinant > 1e-12 * c11 * c22
    safe = np.where(good, determinant, 1.0)
    return (
        np.where(good, (c22 * r1 - c12 * r2) / safe, -1.0),
        np.where(good, (c11 * r2 - c12 * r1) / safe, -1.0),
    )


def _two(
    c11: FloatArray, c12: FloatArray, c22: FloatArray, r1: FloatArray, r2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares in two unknowns, neither negative."""
    one, two = _solve(c11, c12, c22, r1, r2)
    alone_1, alone_2 = np.maximum(r1 / c11, 0), np.maximum(r2 / c22, 0)
    first_alone = r1 * alone_1 >= r2 * alone_2
    inside = (one >= 0) & (two >= 0)
    return (
        np.where(inside, one, np.where(first_alone, alone_1, 0.0)),
        np.where(inside, two, np.where(first_alone, 0.0, alone_2)),
    )


def _error(sums: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Sum of squares, shape (n_rows, n_points)."""
    s11, s1u, s1v, suu, suv, svv, sl1, slu, slv, sll = sums
    e, a, b = np.moveaxis(coefficients, -1, 0)
    quadratic = s11 * e * e + suu * a * a + svv * b * b
    crossed = s1u * e * a + s1v * e * b + suv * a * b
    return np.asarray(quadratic + 2 * crossed - 2 * (sl1 * e + slu * a + slv * b) + sll, dtype=np.float64)
