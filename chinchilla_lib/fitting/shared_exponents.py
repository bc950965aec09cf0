"""Least squares for valleys of one shape: ``L = e_g + A N^-alpha + B D^-beta``, a level e_g for each group.

Given alpha and beta, the levels and A, B >= 0 are linear and are solved for (variable projection), so a
search runs over two numbers only. Many resamples are searched at once: a resample is a row of weights.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["ProfileData", "SharedExponents", "fit_shared_exponents", "grid_starts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

GRID: Final = np.geomspace(0.03, 3.0, 16)
LOWEST: Final = 0.005
HIGHEST: Final = 8.0
"""Bounds of the search for alpha and beta."""

_BLOCK: Final = 4  # a start comes from each block of 4 x 4 grid points
_EXACT: Final = 1e-8  # residuals below this share of the loss count as none
_CONVERGED: Final = 1e-14
_MAX_STEPS: Final = 100
_MAX_DAMPING: Final = 1e10
_CELLS: Final = 400_000  # weights handled at once


@dataclass(frozen=True, eq=False)
class ProfileData:
    """Runs ordered by group, and resamples of them."""

    log_n: FloatArray
    """ln N, shape (n_runs,)."""
    log_d: FloatArray
    """ln D, shape (n_runs,)."""
    first: IntArray
    """Position of the first run of each group, ascending from 0, shape (n_groups,)."""
    loss: FloatArray
    """Nats per token, shape (n_runs,) or (n_rows, n_runs)."""
    weights: FloatArray
    """How often each run counts, shape (n_rows, n_runs); each group has some weight in each row."""

    def rows(self, index: slice | IntArray) -> "ProfileData":
        """The same runs with some of the rows."""
        loss = self.loss if self.loss.ndim == 1 else self.loss[index]
        return ProfileData(self.log_n, self.log_d, self.first, loss, self.weights[index])

    def sums(self, values: FloatArray) -> FloatArray:
        """Weighted sum of values over each group, shape (n_rows, n_groups)."""
        return np.asarray(np.add.reduceat(self.weights * values, self.first, axis=1), dtype=np.float64)

    def means(self, values: FloatArray) -> FloatArray:
        """Weighted mean of values over each group, shape (n_rows, n_groups)."""
        return self.sums(values) / np.add.reduceat(self.weights, self.first, axis=1)

    def centred(self, values: FloatArray) -> FloatArray:
        """Values less the mean of their group, shape (n_rows, n_runs)."""
        n_runs = np.diff(self.first, append=len(self.log_n))
        return values - np.repeat(self.means(values), n_runs, axis=1)

    @property
    def scale(self) -> FloatArray:
        """Half the weighted sum of squared losses, shape (n_rows,)."""
        return np.asarray(0.5 * (self.weights * self.loss**2).sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class SharedExponents:
    """Optima of the rows; arrays of shape (n_rows,) unless said otherwise."""

    alpha: FloatArray
    """Exponent of the size term."""
    beta: FloatArray
    """Exponent of the data term."""
    log_a: FloatArray
    """ln A; minus infinity where the term has vanished."""
    log_b: FloatArray
    """ln B; minus infinity where the term has vanished."""
    levels: FloatArray
    """e_g in nats per token, shape (n_rows, n_groups)."""
    objective: FloatArray
    """Half the weighted sum of squared residuals, nats^2."""
    relative_gradient: FloatArray
    """Largest component of the gradient over the objective, in steps that would raise it by one half."""
    predicted_reduction: FloatArray
    """What one more Newton step would gain, over the objective; infinite where it is no minimum."""

    @property
    def vanished(self) -> npt.NDArray[np.bool_]:
        """Whether A or B is 0."""
        return ~np.isfinite(self.log_a + self.log_b)

    @property
    def extreme(self) -> npt.NDArray[np.bool_]:
        """Whether an exponent is too small or too large to describe a surface."""
        low, high = np.minimum(self.alpha, self.beta), np.maximum(self.alpha, self.beta)
        return (low < 0.02) | (high > 5)

    @property
    def converged(self) -> npt.NDArray[np.bool_]:
        """Whether the search ended at a minimum."""
        return self.predicted_reduction <= 100 * _CONVERGED

    def select(self, better: npt.NDArray[np.bool_], other: "SharedExponents") -> "SharedExponents":
        """Rows of this where `better`, rows of the other elsewhere."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return SharedExponents(
            *(np.where(better if mine.ndim == 1 else better[:, None], mine, its) for mine, its in pairs)
        )


def grid_starts(data: ProfileData, *, spread: bool = False) -> FloatArray:
    """Starts for alpha and beta from a 16 x 16 grid, on which the linear part is solved for every row.

    Parameters
    ----------
    data : ProfileData
    spread : bool
        Give the best point of each of 16 blocks of the grid in place of the best of all.

    Returns
    -------
    array of float, shape (n_rows, n_starts, 2)
        Best first.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> log_n, log_d = np.log(runs.n_params), np.log(runs.n_tokens)
    >>> data = ProfileData(log_n, log_d, np.array([0, 9, 18]), runs.loss, np.ones((1, len(runs))))
    >>> grid_starts(data).shape, grid_starts(data, spread=True).shape
    ((1, 1, 2), (1, 16, 2))
    """
    x, y = data.log_n - data.log_n.mean(), data.log_d - data.log_d.mean()
    u, v = np.exp(np.outer(x, -GRID)), np.exp(np.outer(y, -GRID))
    n_rows, n_grid = len(data.weights), len(GRID)
    loss = data.centred(np.broadcast_to(data.loss, data.weights.shape))
    uu, vv = np.zeros((n_rows, n_grid)), np.zeros((n_rows, n_grid))
    uv, ul, vl = np.zeros((n_rows, n_grid, n_grid)), uu.copy(), vv.copy()
    for start, stop in zip(data.first, [*data.first[1:], len(x)], strict=True):
        w, one, two = data.weights[:, start:stop], u[start:stop], v[start:stop]
        total, weighted = w.sum(axis=1), w * loss[:, start:stop]
        one, two = one - one.mean(axis=0), two - two.mean(axis=0)
        s, t = w @ one, w @ two
        uu += w @ one**2 - s**2 / total[:, None]
        vv += w @ two**2 - t**2 / total[:, None]
        products = (one[:, :, None] * two[:, None, :]).reshape(len(one), -1)
        uv += (w @ products).reshape(uv.shape) - s[:, :, None] * t[:, None, :] / total[:, None, None]
        ul += weighted @ one
        vl += weighted @ two
    p, q = _solve(uu[:, :, None], uv, vv[:, None, :], ul[:, :, None], vl[:, None, :])
    gain = p * ul[:, :, None] + q * vl[:, None, :]  # at the constrained optimum, twice the reduction
    if not spread:
        best = gain.reshape(n_rows, -1).argmax(axis=1)
        return np.stack([GRID[best // n_grid], GRID[best % n_grid]], axis=1)[:, None, :]
    n_blocks = n_grid // _BLOCK
    blocks = gain.reshape(n_rows, n_blocks, _BLOCK, n_blocks, _BLOCK).transpose(0, 1, 3, 2, 4)
    blocks = blocks.reshape(n_rows, n_blocks**2, _BLOCK**2)
    place, block = blocks.argmax(axis=2), np.arange(n_blocks**2)
    alpha = GRID[block // n_blocks * _BLOCK + place // _BLOCK]
    beta = GRID[block % n_blocks * _BLOCK + place % _BLOCK]
    order = np.argsort(-blocks.max(axis=2), axis=1, kind="stable")
    return np.take_along_axis(np.stack([alpha, beta], axis=2), order[:, :, None], axis=1)


def fit_shared_exponents(data: ProfileData, starts: FloatArray) -> SharedExponents:
    """Minimise from one start for each row by damped Newton steps on the projected objective.

    Parameters
    ----------
    data : ProfileData
    starts : array of float, shape (n_rows, 2)
        alpha and beta.

    Returns
    -------
    SharedExponents

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> log_n, log_d = np.log(runs.n_params), np.log(runs.n_tokens)
    >>> groups = np.array([0, 9, 18])
    >>> data = ProfileData(log_n, log_d, groups, runs.loss, np.ones((1, len(runs))))
    >>> found = fit_shared_exponents(data, grid_starts(data)[:, 0])
    >>> found.alpha.round(3), found.beta.round(3)
    (array([0.34]), array([0.28]))
    """
    batch = max(1, _CELLS // len(data.log_n))
    parts = [
        _search(data.rows(slice(k, k + batch)), starts[k : k + batch]) for k in range(0, len(starts), batch)
    ]
    return SharedExponents(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(SharedExponents))
    )


@dataclass(frozen=True, eq=False)
class _State:
    """A place of the search and what Newton needs to know of it; arrays with one row for each resample."""

    place: FloatArray
    terms: FloatArray
    objective: FloatArray
    gradient: FloatArray
    hessian: FloatArray
    gauss_newton: FloatArray

    def put(self, index: IntArray, other: "_State", rows: npt.NDArray[np.bool_]) -> None:
        for field in fields(self):
            getattr(self, field.name)[index[rows]] = getattr(other, field.name)[rows]

    def take(self, index: IntArray) -> "_State":
        return _State(*(getattr(self, field.name)[index] for field in fields(self)))


def _search(data: ProfileData, starts: FloatArray) -> SharedExponents:
    x, y = data.log_n - data.log_n.mean(), data.log_d - data.log_d.mean()
    floor = _EXACT**2 * data.scale
    state = _evaluate(data, x, y, np.clip(starts, LOWEST, HIGHEST))
    damping = np.full(len(starts), 1e-3)
    active = np.arange(len(starts))
    for _ in range(_MAX_STEPS):
        here = state.take(active)
        done = _reduction(here) <= _CONVERGED * (here.objective + floor[active])
        active = active[~done & (damping[active] < _MAX_DAMPING)]
        if not active.size:
            break
        here = state.take(active)
        matrix = np.where(_positive(here.hessian)[:, None, None], here.hessian, here.gauss_newton)
        step = _solve_2x2(
            matrix + damping[active, None, None] * here.gauss_newton * np.eye(2), -here.gradient
        )
        step = np.clip(np.nan_to_num(step), -1.0, 1.0)
        trial = _evaluate(data.rows(active), x, y, np.clip(here.place + step, LOWEST, HIGHEST))
        better = trial.objective < here.objective
        state.put(active, trial, better)
        damping[active] *= np.where(better, 0.1, 10.0)
    u, v = np.exp(-state.place[:, :1] * x), np.exp(-state.place[:, 1:] * y)
    size = np.sqrt(2 * (state.objective + floor)[:, None])
    steepness = np.sqrt(np.maximum(np.diagonal(state.gauss_newton, axis1=1, axis2=2), np.finfo(float).tiny))
    with np.errstate(divide="ignore"):
        log_terms = np.log(state.terms) + state.place * np.array([data.log_n.mean(), data.log_d.mean()])
    return SharedExponents(
        alpha=state.place[:, 0],
        beta=state.place[:, 1],
        log_a=log_terms[:, 0],
        log_b=log_terms[:, 1],
        levels=data.means(data.loss - state.terms[:, :1] * u - state.terms[:, 1:] * v),
        objective=state.objective,
        relative_gradient=2 * np.abs(state.gradient / steepness / size).max(axis=1),
        predicted_reduction=_reduction(state) / (state.objective + floor),
    )


def _evaluate(data: ProfileData, x: FloatArray, y: FloatArray, place: FloatArray) -> _State:
    """Solve for the linear part, and differentiate the objective that is left."""
    w = data.weights
    u, v = np.exp(-place[:, :1] * x), np.exp(-place[:, 1:] * y)
    loss = data.centred(np.broadcast_to(data.loss, w.shape))
    cu, cv = data.centred(u), data.centred(v)
    wu, wv = w * cu, w * cv
    p, q = _solve(
        (wu * cu).sum(axis=1),
        (wu * cv).sum(axis=1),
        (wv * cv).sum(axis=1),
        (wu * loss).sum(axis=1),
        (wv * loss).sum(axis=1),
    )
    residual = loss - p[:, None] * cu - q[:, None] * cv
    wr = w * residual
    du, dv = -x * u, -y * v
    jacobian = np.stack([data.centred(p[:, None] * du), data.centred(q[:, None] * dv), cu, cv], axis=1)
    normal = (jacobian * w[:, None, :]) @ jacobian.transpose(0, 2, 1)
    hessian = normal.copy()
    for k, (coefficient, derivative, log) in enumerate(((p, du, x), (q, dv, y))):
        slope = (wr * derivative).sum(axis=1)
        hessian[:, k, k] += coefficient * (wr * derivative * log).sum(axis=1)
        hessian[:, k, k + 2] -= slope
        hessian[:, k + 2, k] -= slope
    return _State(
        place=place,
        terms=np.stack([p, q], axis=1),
        objective=0.5 * (wr * residual).sum(axis=1),
        gradient=-(jacobian[:, :2] @ wr[:, :, None])[:, :, 0],
        hessian=_project(hessian),
        gauss_newton=_project(normal),
    )


def _project(matrix: FloatArray) -> FloatArray:
    """Second derivatives in alpha and beta when A and B follow: a Schur complement."""
    outer, cross, inner = matrix[:, :2, :2], matrix[:, :2, 2:], matrix[:, 2:, 2:]
    follow = np.stack([_solve_2x2(inner, cross[:, k]) for k in range(2)], axis=2)
    return np.asarray(outer - np.nan_to_num(cross @ follow), dtype=np.float64)


def _positive(matrix: FloatArray) -> npt.NDArray[np.bool_]:
    determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    return (matrix[:, 0, 0] > 0) & (determinant > 0)


def _solve_2x2(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solutions, row by row; NaN where the matrix is singular."""
    determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        one = (matrix[:, 1, 1] * right[:, 0] - matrix[:, 0, 1] * right[:, 1]) / determinant
        two = (matrix[:, 0, 0] * right[:, 1] - matrix[:, 1, 0] * right[:, 0]) / determinant
    return np.where(
        np.isfinite(determinant)[:, None] & (determinant != 0)[:, None], np.stack([one, two], 1), np.nan
    )


def _reduction(state: _State) -> FloatArray:
    """What a Newton step would gain; infinite where the second derivatives make no bowl."""
    step = _solve_2x2(state.hessian, state.gradient)
    gain = 0.5 * (state.gradient * step).sum(axis=1)
    return np.where(_positive(state.hessian), gain, np.inf)


def _solve(
    uu: FloatArray, uv: FloatArray, vv: FloatArray, ul: FloatArray, vl: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares for two coefficients that must not be negative, from the sums of products."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        determinant = uu * vv - uv**2
        p, q = (vv * ul - uv * vl) / determinant, (uu * vl - uv * ul) / determinant
        inside = (determinant > 1e-13 * uu * vv) & (p > 0) & (q > 0)
        only_u, only_v = np.maximum(ul, 0) / uu, np.maximum(vl, 0) / vv
        only_u, only_v = (np.where(np.isfinite(only), only, 0.0) for only in (only_u, only_v))
        by_u = only_u * ul >= only_v * vl
    return (
        np.where(inside, p, np.where(by_u, only_u, 0.0)),
        np.where(inside, q, np.where(by_u, 0.0, only_v)),
    )
