"""The objective of Approach 3 (equation 3) with its derivatives, for many resamples or data sets at once.

Parameters are rows (a, b, e, alpha, beta): the terms of the law are exp(a - alpha x), exp(b - beta y) and
exp(e), with x and y the logarithms of N and D less their means. Centred so, the parameters are far less
entangled than with ln A and ln B.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "EXACT",
    "HuberSum",
    "Runs",
    "gradient_scale",
    "huber",
    "log_gradients",
    "log_residuals",
    "paper_grid",
    "paper_objective",
    "run_terms",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_CELLS: Final = 12_000  # rows times runs of a block, so that its arrays stay in the cache
_N_ARRAYS: Final = 13

_SYMMETRIC: Final = np.array(
    [[0, 1, 2, 3, 4], [1, 5, 6, 7, 8], [2, 6, 9, 10, 11], [3, 7, 10, 12, 13], [4, 8, 11, 13, 14]]
)  # where an entry of a Hessian stands among the 15 distinct ones

EXACT: Final = 1e-8
"""A log residual below which a run counts as fitted exactly."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What is fitted: one design, with one or many sets of losses and weights."""

    x: FloatArray
    """ln N less its mean, shape (n_runs,)."""
    y: FloatArray
    """ln D less its mean, shape (n_runs,)."""
    log_loss: FloatArray
    """ln L, shape (n_runs,) or, for many data sets, (n_rows, n_runs)."""
    center: tuple[float, float]
    """The means of ln N and ln D."""
    weights: FloatArray | None = None
    """How often each run counts, shape (n_rows, n_runs); None for once."""

    @classmethod
    def from_table(cls, table: SweepTable, order: IntArray) -> "Runs":
        """The runs of a table in an order."""
        x, y = np.log(table.n_params[order]), np.log(table.n_tokens[order])
        center = float(x.mean()), float(y.mean())
        return cls(x - center[0], y - center[1], np.log(table.loss[order]), center)

    def take(self, rows: slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Runs":
        """Some of the rows, where there are many."""
        return replace(
            self,
            log_loss=self.log_loss[rows] if self.log_loss.ndim == 2 else self.log_loss,
            weights=None if self.weights is None else self.weights[rows],
        )

    def to_law(self, params: FloatArray) -> FloatArray:
        """Parameters as (E, ln A, ln B, alpha, beta); both of shape (n_rows, 5)."""
        a, b, e, alpha, beta = params.T
        return np.stack(
            [np.exp(e), a + alpha * self.center[0], b + beta * self.center[1], alpha, beta], axis=1
        )

    def from_law(self, law: FloatArray) -> FloatArray:
        """The inverse of `to_law`."""
        floor, log_a, log_b, alpha, beta = law.T
        with np.errstate(divide="ignore"):
            e = np.log(floor)
        return np.stack(
            [log_a - alpha * self.center[0], log_b - beta * self.center[1], e, alpha, beta], axis=1
        )


def huber(residuals: FloatArray, delta: float) -> FloatArray:
    """Huber's function of r: r^2 / 2 up to delta, delta (abs(r) - delta / 2) beyond; abs(r) for delta 0.

    Examples
    --------
    >>> huber(np.array([0.5, -3.0]), 1.0)
    array([0.125, 2.5  ])
    """
    if delta == 0:
        return np.abs(residuals)
    clipped = np.clip(residuals, -delta, delta)
    return np.asarray(clipped * (residuals - clipped / 2), dtype=np.float64)


def log_residuals(runs: Runs, params: FloatArray) -> FloatArray:
    """Fitted less measured ln L, shape (n_rows, n_runs); `params` of shape (n_rows, 5).

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> higher = np.array([[law.E + 0.1, np.log(law.A), np.log(law.B), law.alpha, law.beta]])
    >>> bool((log_residuals(data, data.from_law(higher)) > 0).all())
    True
    """
    a, b, e, alpha, beta = (column[:, None] for column in params.T)
    surface = np.exp(a - alpha * runs.x) + np.exp(b - beta * runs.y) + np.exp(e)
    return np.asarray(np.log(surface) - runs.log_loss, dtype=np.float64)


def log_gradients(runs: Runs, params: FloatArray) -> FloatArray:
    """Derivatives of the fitted ln L, shape (n_rows, n_runs, 5).

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> params = data.from_law(np.array([[law.E, np.log(law.A), np.log(law.B), law.alpha, law.beta]]))
    >>> log_gradients(data, params).shape
    (1, 27, 5)
    """
    a, b, e, alpha, beta = (column[:, None] for column in params.T)
    size, data = np.exp(a - alpha * runs.x), np.exp(b - beta * runs.y)
    floor = np.broadcast_to(np.exp(e), size.shape)
    surface = size + data + floor
    slopes = np.stack([size, data, floor, -runs.x * size, -runs.y * data], axis=-1)
    return np.asarray(slopes / surface[..., None], dtype=np.float64)


class HuberSum:
    """Sum over runs of Huber's function of the log residuals, with its derivatives.

    Parameters
    ----------
    runs : Runs
    delta : float
        Above 0; infinite for least squares.
    """

    def __init__(self, runs: Runs, delta: float) -> None:
        self._runs, self._delta = runs, delta
        self._space = np.empty(0)  # kept: new memory would cost more than the sums
        x, y = -runs.x, -runs.y
        one = np.ones_like(x)
        self._exponents = np.stack([one, x]), np.stack([one, y])
        self._monomials = np.stack([one, x, y, x * x, x * y, y * y], axis=1)

    def __call__(self, params: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Evaluate at parameters of shape (n, 5) for the rows of the runs with these numbers.

        Returns
        -------
        value : array of float, shape (n,)
        gradient : array of float, shape (n, 5)
        hessian : array of float, shape (n, 5, 5)
        """
        n, block = len(params), max(1, _CELLS // len(self._runs.x))
        sums, rest = np.empty((7, n, 6)), np.empty((3, n))
        for first in range(0, n, block):
            part = slice(first, first + block)
            self._sum(params[part], rows[part], sums[:, part], rest[:, part])
        g1, g2, h11, h12, h13, h22, h23 = sums.transpose(0, 2, 1)
        value, g3, h33 = rest
        floor = np.exp(params[:, 2])
        h11, h22, h13, h23 = h11 + g1, h22 + g2, h13 * floor, h23 * floor
        entries = np.stack([
            h11[0], h12[0], h13[0], h11[1], h12[2],
            h22[0], h23[0], h12[1], h22[2],
            h33 + g3, h13[1], h23[2],
            h11[3], h12[4],
            h22[5],
        ], axis=1)  # fmt: skip
        return value, np.stack([g1[0], g2[0], g3, g1[1], g2[2]], axis=1), entries[:, _SYMMETRIC]

    def _sum(self, params: FloatArray, rows: IntArray, sums: FloatArray, rest: FloatArray) -> None:
        """Sum over runs: products times monomials of -x and -y; the value, and what only E takes part in.

        A term's share of the loss is its derivative of ln L. The third share is `floor * inverse`.
        """
        runs, n, n_runs = self._runs, len(params), len(self._runs.x)
        if self._space.size < _N_ARRAYS * n * n_runs:
            self._space = np.empty(_N_ARRAYS * n * n_runs)
        space = self._space[: _N_ARRAYS * n * n_runs].reshape(_N_ARRAYS, n, n_runs)
        (size, data, inverse, residual, psi, bend), products = space[:6], space[6:]
        np.matmul(params[:, [0, 3]], self._exponents[0], out=size)
        np.matmul(params[:, [1, 4]], self._exponents[1], out=data)
        np.exp(space[:2], out=space[:2])
        floor = np.exp(params[:, 2])
        np.add(size, floor[:, None], out=inverse)
        inverse += data
        np.log(inverse, out=residual)
        residual -= runs.log_loss if runs.log_loss.ndim == 1 else runs.log_loss[rows]
        np.divide(1.0, inverse, out=inverse)
        size *= inverse
        data *= inverse
        np.minimum(residual, self._delta, out=psi)
        np.maximum(psi, -self._delta, out=psi)
        np.equal(psi, residual, out=bend)
        residual -= np.multiply(psi, 0.5, out=products[0])
        if runs.weights is not None:
            weights = runs.weights[rows]
            psi *= weights
            bend *= weights
        rest[0] = np.vecdot(psi, residual)
        rest[1] = np.vecdot(psi, inverse) * floor
        bend -= psi
        # To multiply in place is twice as fast as into another array.
        of_size, of_data, size_size, size_data, size_floor, data_data, data_floor = products
        np.multiply(psi, size, out=of_size)
        np.multiply(psi, data, out=of_data)
        np.multiply(bend, size, out=size_size)
        np.multiply(size_size, data, out=size_data)
        np.multiply(size_size, inverse, out=size_floor)
        size_size *= size
        np.multiply(bend, data, out=data_data)
        np.multiply(data_data, inverse, out=data_floor)
        data_data *= data
        bend *= inverse
        rest[2] = np.vecdot(bend, inverse) * floor**2
        sums[:] = (products.reshape(-1, n_runs) @ self._monomials).reshape(7, n, 6)


def gradient_scale(runs: Runs, params: FloatArray, delta: float, *, squared: bool = False) -> FloatArray:
    """What the terms of each component of the gradient sum to without their signs, shape (n_rows, 5).

    Residuals count as `EXACT` at least. With `squared`: the diagonal of sum_i psi(r_i) / r_i J_i J_i', the
    bend of a quadratic that lies above the objective as far as the law itself is straight.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> params = data.from_law(np.array([[law.E, np.log(law.A), np.log(law.B), law.alpha, law.beta]]))
    >>> bool((gradient_scale(data, params, 1e-3) > 0).all())
    True
    """
    a, b, e, alpha, beta = (column[:, None] for column in params.T)
    size, data = np.exp(a - alpha * runs.x), np.exp(b - beta * runs.y)
    floor = np.broadcast_to(np.exp(e), size.shape)
    surface = size + data + floor
    reach = np.maximum(np.abs(np.log(surface) - runs.log_loss), EXACT)
    weight = np.minimum(1.0, delta / reach) if squared else np.minimum(reach, delta)
    if runs.weights is not None:
        weight = weight * runs.weights
    power = 2 if squared else 1
    shares = [(weight * (term / surface) ** power) for term in (size, data, floor)]
    x, y = np.abs(runs.x) ** power, np.abs(runs.y) ** power
    columns = [*(share.sum(axis=1) for share in shares), shares[0] @ x, shares[1] @ y]
    return np.stack(columns, axis=1) + np.finfo(float).tiny


def run_terms(
    runs: Runs, params: FloatArray, delta: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What each run adds to `HuberSum` and to the squared `gradient_scale` at one row of parameters.

    Weighted by how often runs were drawn, it sums to those of any resample.

    Returns
    -------
    value : array of float, shape (n_runs,)
    gradient : array of float, shape (n_runs, 5)
    hessian : array of float, shape (n_runs, 5, 5)
    scale : array of float, shape (n_runs, 5)

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> start = data.from_law(np.array([[law.E, np.log(law.A), np.log(law.B), law.alpha, law.beta]]))
    >>> value, gradient, hessian, scale = run_terms(data, start, 1e-3)
    >>> bool(value.max() < 1e-20), gradient.shape, hessian.shape
    (True, (27, 5), (27, 5, 5))
    """
    residuals, slopes = log_residuals(runs, params)[0], log_gradients(runs, params)[0]
    psi = np.clip(residuals, -delta, delta)
    gradient = psi[:, None] * slopes
    bend = (psi == residuals) - psi
    hessian = bend[:, None, None] * slopes[:, :, None] * slopes[:, None, :]
    for term, z in ((0, runs.x), (1, runs.y)):
        hessian[:, term, term] += gradient[:, term]
        hessian[:, [term, term + 3], [term + 3, term]] += gradient[:, [term + 3]]
        hessian[:, term + 3, term + 3] -= gradient[:, term + 3] * z
    hessian[:, 2, 2] += gradient[:, 2]
    scale = np.minimum(1.0, delta / np.maximum(np.abs(residuals), EXACT))[:, None] * slopes**2
    return huber(residuals, delta), gradient, hessian, scale


def paper_objective(
    table: SweepTable, *, delta: float = 1e-3, mean: bool = False
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    """Equation 3 as SciPy's optimisers take it, in the paper's parameters (a, b, e, alpha, beta).

    Parameters
    ----------
    table : SweepTable
    delta : float
        Above 0.
    mean : bool
        Average over runs instead of the paper's sum.

    Returns
    -------
    callable
        From parameters of shape (5,), a = ln A and b = ln B, to the value and the gradient.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> params = np.array([np.log(406.4), np.log(410.7), np.log(1.69), 0.34, 0.28])
    >>> value, gradient = paper_objective(runs)(params)
    >>> value < 1e-20, gradient.shape
    (True, (5,))
    """
    runs = replace(
        Runs.from_table(table, np.arange(len(table))),
        x=np.log(table.n_params),
        y=np.log(table.n_tokens),
        center=(0.0, 0.0),
    )
    scale = 1 / len(table) if mean else 1.0

    def value_and_gradient(params: FloatArray) -> tuple[float, FloatArray]:
        a, b, e, alpha, beta = params
        terms = np.stack([a - alpha * runs.x, b - beta * runs.y, np.full_like(runs.x, e)])
        log_surface = np.logaddexp.reduce(terms, axis=0)
        residuals = log_surface - runs.log_loss
        size, data, floor = np.exp(terms - log_surface) * (scale * np.clip(residuals, -delta, delta))
        gradient = np.array(
            [size.sum(), data.sum(), floor.sum(), -(size @ runs.x), -(data @ runs.y)], dtype=np.float64
        )
        return scale * float(huber(residuals, delta).sum()), gradient

    return value_and_gradient


def paper_grid() -> FloatArray:
    """The 4,500 starts of section D.2: a, b, e, alpha, beta; shape (4500, 5).

    Examples
    --------
    >>> paper_grid().shape
    (4500, 5)
    """
    coefficients, exponents = np.arange(0, 30, 5.0), np.arange(0, 2.5, 0.5)
    return np.array(
        list(itertools.product(coefficients, coefficients, np.arange(-1, 1.5, 0.5), exponents, exponents))
    )
