"""The loss between recorded runs: kriging over ln N and ln D, with the error of leaving runs out.

The trend is a polynomial of second degree in ln N and ln D through ln L, and what it leaves is a Gaussian
process whose nugget is the scatter between seeds (universal kriging; Cressie, Statistics for Spatial Data,
1993, section 3.4). Length scale and variance are the likeliest of a small grid, so that every machine finds
the same ones.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import ConvexHull, QhullError

from chinchilla_lib._format import format_count
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["RunSurface", "seed_noise", "table_digest"]

FloatArray = npt.NDArray[np.float64]

_LENGTHS: Final = np.geomspace(0.3, 6.0, 9)  # in ln N and ln D
_AMPLITUDES: Final = np.geomspace(0.001, 0.1, 9)  # of ln L
_FEWEST: Final = 10
_EDGE: Final = 1e-9


def seed_noise(table: SweepTable) -> float:
    """Standard deviation of ln L between runs that differ by their seed alone, pooled.

    Parameters
    ----------
    table : SweepTable

    Raises
    ------
    InputError
        If no run of the table was repeated.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> 0.001 < seed_noise(load_recorded("main-cpu-60").table()) < 0.01
    True
    """
    label = _designs(table)
    count = np.bincount(label)
    log_loss = np.log(table.loss)
    deviation = log_loss - (np.bincount(label, weights=log_loss) / count)[label]
    freedom = len(table) - len(count)
    if not freedom:
        raise InputError(f"{table.source}: no run has a second seed, so their scatter is not known; add some")
    return math.sqrt(float(deviation @ deviation) / freedom)


def table_digest(table: SweepTable) -> str:
    """What tells one table from another: SHA-256 of its sizes, tokens and losses in any order.

    Parameters
    ----------
    table : SweepTable

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> table = load_recorded("main-cpu-60").table()
    >>> table_digest(table) == table_digest(table.take(range(len(table))[::-1]))
    True
    """
    columns = zip(table.n_params, table.n_tokens, table.loss, strict=True)
    text = "\n".join(sorted(" ".join(float(value).hex() for value in row) for row in columns))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class RunSurface:
    """ln L over ln N and ln D, within the runs it was made from.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> surface = RunSurface.from_table(load_recorded("main-cpu-60").table())
    >>> f"{surface.loss(1e5, 1e6):.1f}"
    '3.5'
    >>> surface.left_out_error < 2 * surface.noise
    True
    """

    noise: float
    """Standard deviation of ln L between seeds; 0.002 is 0.2 %."""
    left_out_error: float
    """Root mean square of ln(foretold / measured mean loss) of each design in turn, left out."""
    length: float
    """Of the process, in ln N and ln D."""
    amplitude: float
    """Standard deviation of the process, in ln L."""
    n_designs: int
    """Pairs of size and tokens that the surface goes by."""
    n_runs: int
    source: str
    _points: FloatArray
    _middle: FloatArray
    _trend: FloatArray
    _weights: FloatArray
    _sides: FloatArray

    @classmethod
    def from_table(cls, table: SweepTable) -> Self:
        """Make the surface of a table's runs.

        Parameters
        ----------
        table : SweepTable
            With at least 10 different pairs of size and tokens, some of them with several seeds.

        Raises
        ------
        InputError
            If there are fewer, none was repeated, or all lie on one line.
        """
        label = _designs(table)
        count = np.bincount(label).astype(np.float64)
        if len(count) < _FEWEST:
            raise InputError(
                f"{table.source}: {len(count)} pairs of size and tokens; a surface needs {_FEWEST}"
            )
        noise = seed_noise(table)
        _, first = np.unique(label, return_index=True)
        points = np.log(np.column_stack([table.n_params, table.n_tokens])[first])
        log_loss = np.bincount(label, weights=np.log(table.loss)) / count
        try:
            hull = ConvexHull(points)
        except QhullError:
            raise InputError(
                f"{table.source}: all runs lie on one line, and a surface needs an area"
            ) from None
        middle = points.mean(axis=0)
        basis = _basis(points - middle)
        nugget = max(noise, 1e-6) ** 2 / count
        best: tuple[float, float, float, FloatArray, FloatArray, FloatArray] | None = None
        for length in _LENGTHS:
            shape = _correlation(points, points, float(length))
            for amplitude in _AMPLITUDES:
                covariance = float(amplitude) ** 2 * shape + np.diag(nugget)
                fit = _krige(covariance, basis, log_loss)
                if best is None or fit[0] > best[0]:
                    best = (fit[0], float(length), float(amplitude), *fit[1:])
        assert best is not None
        _, length, amplitude, trend, dual, inverse = best
        left_out = dual / np.diag(inverse)  # Dubrule 1983: the residual of each point from all others
        return cls(
            noise=noise,
            left_out_error=math.sqrt(float(np.mean(left_out**2))),
            length=length,
            amplitude=amplitude,
            n_designs=len(count),
            n_runs=len(table),
            source=table.source,
            _points=points,
            _middle=middle,
            _trend=trend,
            _weights=amplitude**2 * dual,
            _sides=np.asarray(hull.equations),
        )

    def loss(self, n_params: float, n_tokens: float) -> float:
        """Loss that a run of this size would end with on the mean over seeds, nats per token.

        Parameters
        ----------
        n_params, n_tokens : float
            Within the region of the runs.

        Raises
        ------
        InputError
            If a run so far out was never trained; the message says where the region ends.
        """
        self.check(n_params, n_tokens)
        here = np.log([[n_params, n_tokens]])
        near = _correlation(here, self._points, self.length)
        return float(np.exp((_basis(here - self._middle) @ self._trend + near @ self._weights)[0]))

    def check(self, n_params: float, n_tokens: float) -> None:
        """Refuse what lies outside the region of the runs, their convex hull in ln N and ln D.

        Raises
        ------
        InputError
            If it does, or a count is no finite number above 0.
        """
        for name, value in (("n_params", n_params), ("n_tokens", n_tokens)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a finite number above 0, found {value!r}")
        lowest, highest = self.size_range
        if not lowest * (1 - _EDGE) <= n_params <= highest * (1 + _EDGE):
            raise InputError(
                f"n_params is {n_params:g}; recorded runs have {lowest:.0f} to {highest:.0f} "
                f"({format_count(lowest)} to {format_count(highest)})"
            )
        low, high = self.token_range(n_params)
        if not low * (1 - 1e-6) <= n_tokens <= high * (1 + 1e-6):
            raise InputError(
                f"n_tokens is {n_tokens:g}; at {n_params:g} parameters recorded runs reach from "
                f"{low:.4g} to {high:.4g} tokens, so give one of these or another size"
            )

    @property
    def size_range(self) -> tuple[float, float]:
        """Fewest and most parameters of the runs."""
        sizes = np.exp(self._points[:, 0])
        return float(sizes.min()), float(sizes.max())

    def token_range(self, n_params: float) -> tuple[float, float]:
        """Fewest and most tokens at a size, on the edge of the region; a size of the runs' range."""
        x = min(max(math.log(n_params), self._points[:, 0].min()), self._points[:, 0].max())
        slope, rest = self._sides[:, 1], self._sides[:, 0] * x + self._sides[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = -rest / slope
        return (
            float(np.exp(edge[slope < -_EDGE].max())),
            float(np.exp(edge[slope > _EDGE].min())),
        )


def _designs(table: SweepTable) -> npt.NDArray[np.intp]:
    """The number of each run's pair of size and tokens."""
    pairs = np.column_stack([table.n_params, table.n_tokens])
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1]).ravel().astype(np.intp)


def _basis(offset: FloatArray) -> FloatArray:
    x, y = offset.T
    return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def _correlation(here: FloatArray, there: FloatArray, length: float) -> FloatArray:
    """Matern correlation of smoothness 5/2."""
    distance = np.sqrt(((here[:, None, :] - there[None, :, :]) ** 2).sum(axis=-1)) * math.sqrt(5) / length
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))


def _krige(
    covariance: FloatArray, basis: FloatArray, values: FloatArray
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Restricted log-likelihood, trend, dual weights and the matrix that takes values to these."""
    factor = cho_factor(covariance, lower=True)
    solved = cho_solve(factor, basis)
    inner = basis.T @ solved
    trend = np.asarray(np.linalg.solve(inner, solved.T @ values), dtype=np.float64)
    dual: FloatArray = cho_solve(factor, values - basis @ trend)
    projected = cho_solve(factor, np.eye(len(values))) - solved @ np.linalg.solve(inner, solved.T)
    likelihood = -np.log(np.diag(factor[0])).sum() - 0.5 * np.linalg.slogdet(inner)[1] - 0.5 * values @ dual
    return float(likelihood), trend, dual, projected
