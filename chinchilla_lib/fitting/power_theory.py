"""The delta method for the exponent of an IsoFLOP sweep: what each loss pulls, and what noise makes of it."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr, stdtrit

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import ValleyFit
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.shared_exponents import ProfileData, fit_shared_exponents, grid_starts
from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.fitting.valley_shape import fit_tokens
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["METHODS", "N_PARABOLA", "Analysis", "Estimates", "check_method", "n_fitted"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

METHODS: Final = ("isoflop", "valley")
"""Estimators whose power is known."""
N_PARABOLA: Final = 3
"""Numbers of a parabola."""

_N_SHAPE: Final = 4  # ln A, ln B, alpha, beta
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def check_method(method: str) -> None:
    """Refuse a method whose power is not known.

    Raises
    ------
    InputError
        If it is not one of `METHODS`.

    Examples
    --------
    >>> check_method("kaplan")
    Traceback (most recent call last):
        ...
    chinchilla_lib.errors.InputError: method is 'kaplan'; give one of isoflop, valley
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}; give one of {', '.join(METHODS)}")


def n_fitted(method: str, n_valleys: int) -> int:
    """Numbers that a method fits to valleys.

    Examples
    --------
    >>> n_fitted("isoflop", 9), n_fitted("valley", 9)
    (27, 13)
    """
    return N_PARABOLA * n_valleys if method == "isoflop" else n_valleys + _N_SHAPE


@dataclass(frozen=True, eq=False)
class Estimates:
    """Fits of sets of losses."""

    a: FloatArray
    """Shape (n_sets,)."""
    usable: BoolArray
    """Whether there is an answer; else the other fields mean nothing."""
    pull: FloatArray
    """da/dL_i, shape (n_sets, n_runs)."""
    residuals: FloatArray
    """Nats per token, shape (n_sets, n_runs)."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """A method on a design, and its theory under one truth."""

    method: str
    table: SweepTable
    """One seed, ordered by valley, with the losses of the truth."""
    truth: ParametricLoss
    scale: FloatArray
    """Standard deviation of each loss between seeds, nats per token."""
    first: IntArray
    """Position of the first run of each valley."""
    tokens: tuple[tuple[float, float], ...]
    """ln k and g of each valley that gives a minimum, see `fit_tokens`."""
    log_flops: FloatArray
    """Of these."""
    a: float = math.nan
    """The estimate without noise."""
    se: float = math.nan
    """Standard error with one seed."""
    misfit: float = math.nan
    """Sum of squares of what the curve misses without noise, in units of the noise."""

    @classmethod
    def prepare(cls, design: SweepTable, truth: ParametricLoss, method: str, noise: float) -> "Analysis":
        loss = truth.loss(design.n_params, design.n_tokens)
        table = replace(design, loss=loss, loss_se=None, bits_per_byte=None)
        fit = fit_valley(table) if method == "valley" else fit_isoflop_profiles(table)
        valleys: tuple[ValleyFit, ...] = fit.diagnostics.valleys
        if method == "isoflop":
            valleys = tuple(valley for valley in valleys if valley.reason is None)
        points = [valley for valley in valleys if valley.reason is None]
        order = np.concatenate([valley.index for valley in valleys])
        found = cls(
            method=method,
            table=table.take(order),
            truth=truth,
            # Of the design's losses: where a level was raised with E, those of the law are far off.
            scale=noise * design.loss[order],
            first=np.cumsum([0, *(len(valley.index) for valley in valleys[:-1])]).astype(np.intp),
            tokens=tuple(fit_tokens(table, valley.index) for valley in points),
            log_flops=np.log([valley.flops for valley in points]),
        )
        estimate = found.estimate(found.table.loss[None])
        return replace(
            found,
            a=float(estimate.a[0]),
            se=float(np.linalg.norm(estimate.pull[0] * found.scale)),
            misfit=float(np.sum((estimate.residuals[0] / found.scale) ** 2)),
        )

    @property
    def n_free(self) -> int:
        """Numbers fitted."""
        return n_fitted(self.method, len(self.first))

    def freedom(self, n_seeds: int) -> int:
        """Degrees of freedom of the residuals."""
        return n_seeds * len(self.table) - self.n_free

    def power(self, difference: float, n_seeds: int, level: float) -> float:
        """Probability that the interval leaves out an exponent that is off by a difference."""
        return _tail(
            difference * math.sqrt(n_seeds) / self.se, self.freedom(n_seeds), level, self.widening(n_seeds)
        )

    def widening(self, n_seeds: int) -> float:
        """By how much the residuals overstate the noise, because the curve is not that of the truth."""
        return math.sqrt(1 + n_seeds * self.misfit / self.freedom(n_seeds))

    def detectable(self, n_seeds: int, level: float, power: float) -> float:
        """The difference that is found with a probability."""

        def missing(distance: float) -> float:
            return _tail(distance, self.freedom(n_seeds), level, self.widening(n_seeds)) - power

        high = 1.0
        while missing(high) < 0 and high < 1e6:
            high *= 2
        return float(brentq(missing, 0.0, high)) * self.se / math.sqrt(n_seeds)

    @property
    def slope_weights(self) -> FloatArray:
        """What each minimum's ln N counts in the exponent."""
        centred = self.log_flops - self.log_flops.mean()
        return np.asarray(centred / (centred @ centred), dtype=np.float64)

    def estimate(self, losses: FloatArray) -> Estimates:
        """Fit sets of losses, shape (n_sets, n_runs)."""
        return self._parabolas(losses) if self.method == "isoflop" else self._shapes(losses)

    def _parabolas(self, losses: FloatArray) -> Estimates:
        a, usable = np.zeros(len(losses)), np.ones(len(losses), dtype=np.bool_)
        pull, residuals = np.empty_like(losses), np.empty_like(losses)
        ends = np.append(self.first[1:], losses.shape[1])
        for weight, first, end in zip(self.slope_weights, self.first, ends, strict=True):
            log_n = np.log(self.table.n_params[first:end])
            center, half = (log_n[0] + log_n[-1]) / 2, (log_n[-1] - log_n[0]) / 2
            powers = np.vander((log_n - center) / half, 3, increasing=True)
            solver = np.linalg.pinv(powers)
            c0, c1, c2 = solver @ losses[:, first:end].T
            usable &= c2 > 0
            c2 = np.where(c2 > 0, c2, 1.0)
            lowest = -c1 / (2 * c2)
            usable &= np.abs(lowest) < 1
            a += weight * (center + half * lowest)
            slopes = -np.outer(1 / (2 * c2), solver[1]) + np.outer(c1 / (2 * c2**2), solver[2])
            pull[:, first:end] = weight * half * slopes
            residuals[:, first:end] = losses[:, first:end] - np.stack([c0, c1, c2], axis=1) @ powers.T
        return Estimates(a, usable, pull, residuals)

    def _shapes(self, losses: FloatArray) -> Estimates:
        log_n, log_d = np.log(self.table.n_params), np.log(self.table.n_tokens)
        data = ProfileData(log_n, log_d, self.first, losses, np.ones(losses.shape))
        starts = np.tile([self.truth.alpha, self.truth.beta], (len(losses), 1))
        shapes = fit_shared_exponents(data, starts)
        if len(losses) > 1:
            other = fit_shared_exponents(data, grid_starts(data)[:, 0])
            shapes = other.select(other.objective < shapes.objective, shapes)
        usable = ~(shapes.vanished | shapes.extreme) & shapes.converged
        alpha, beta, log_a, log_b = (
            np.where(usable, fitted, known)[:, None]
            for fitted, known in (
                (shapes.alpha, self.truth.alpha),
                (shapes.beta, self.truth.beta),
                (shapes.log_a, math.log(self.truth.A)),
                (shapes.log_b, math.log(self.truth.B)),
            )
        )
        size, tokens = np.exp(log_a - alpha * log_n), np.exp(log_b - beta * log_d)
        # In coordinates about the means of ln N and ln D; the levels are taken out by centring.
        x, y = log_n.mean(), log_d.mean()
        columns = [size, tokens, -size * (log_n - x), -tokens * (log_d - y)]
        slopes = np.stack([data.centred(column) for column in columns], axis=2)
        weights = self.slope_weights
        log_k, g = np.array(self.tokens).T
        total = alpha + g * beta
        ratio = np.log(alpha) + log_a - np.log(beta) - np.log(g) - log_b
        minimum = (ratio + beta * log_k) / total
        of_a, of_b = 1 / total, -1 / total
        gradient = np.stack(
            [
                of_a @ weights,
                of_b @ weights,
                ((1 / alpha - minimum) / total + x * of_a) @ weights,
                ((log_k - 1 / beta - g * minimum) / total + y * of_b) @ weights,
            ],
            axis=1,
        )
        normal = np.einsum("nij,nik->njk", slopes, slopes)
        solved = np.linalg.solve(normal, gradient[:, :, None])
        residuals = data.centred(losses) - data.centred(size + tokens)
        return Estimates(minimum @ weights, usable, (slopes @ solved)[:, :, 0], residuals)


def _tail(distance: float, freedom: int, level: float, widening: float) -> float:
    """Probability that \\|t\\| is beyond its quantile, for an exponent some standard errors away.

    The noncentral t, as a mean of normal tails over the estimate of the noise.
    """
    if freedom < 1:
        return 0.0
    noise = np.sqrt(chdtri(freedom, (1 - _NODES) / 2) / freedom)
    bound = float(stdtrit(freedom, (1 + level) / 2)) * widening * noise
    return float(_WEIGHTS @ (ndtr(distance - bound) + ndtr(-distance - bound))) / 2
