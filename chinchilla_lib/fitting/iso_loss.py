"""Sizes and token counts of one loss, read off between neighbouring valleys: no law for all budgets.

A parabola describes each valley. From one valley to the next its bottom, the place of it and its curvature
are taken to change in proportion to ln C. So the size that costs least to train, and what a smaller one costs
more, follow from two budgets at a time; an additive law has to say them with exponents that hold everywhere.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import ValleyFit
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.valley_shape import fit_tokens
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["LossContour", "loss_contours"]

FloatArray = npt.NDArray[np.float64]

_N_GRID: Final = 801
_HALVINGS: Final = 60


@dataclass(frozen=True, eq=False)
class LossContour:
    """Models of one loss, from the smallest to the largest; arrays of shape (n_models,)."""

    loss: float
    """Nats per token: that at the bottom of the lower valley."""
    flops: tuple[float, float]
    """Budgets of the two valleys."""
    n_params: FloatArray
    """Parameters, within the sizes of both valleys."""
    n_tokens: FloatArray
    """Training tokens that each needs."""

    @property
    def unserved(self) -> int:
        """Position of the model that costs least to train, 6ND."""
        return int(np.argmin(self.n_params * self.n_tokens))

    def overhead(self, size_factor: float) -> float | None:
        """Training compute that a model of another size needs more, as `training_overhead`.

        Parameters
        ----------
        size_factor : float
            Parameters over those of the model that costs least.

        Returns
        -------
        float or None
            Share of its compute; None beyond the sizes trained.

        Raises
        ------
        InputError
            If the factor is not above 0.
        """
        if not size_factor > 0:
            raise InputError(f"size_factor must be above 0, found {size_factor!r}; 0.5 is half the best size")
        log_n, best = np.log(self.n_params), self.unserved
        wanted = log_n[best] + np.log(size_factor)
        if not log_n[0] <= wanted <= log_n[-1]:
            return None
        log_cost = log_n + np.log(self.n_tokens)
        return float(np.expm1(np.interp(wanted, log_n, log_cost) - log_cost[best]))

    def cheapest(self, served_over_tokens: float) -> int | None:
        """Position of the model that costs least to train and to serve; None if that may lie beyond the ends.

        Parameters
        ----------
        served_over_tokens : float
            Tokens served over the training tokens of the model at `unserved`, 0 or above.

        Raises
        ------
        InputError
            If the number is not 0 or above.
        """
        if not served_over_tokens >= 0:
            raise InputError(f"served_over_tokens must be 0 or above, found {served_over_tokens!r}")
        served = served_over_tokens * self.n_tokens[self.unserved]
        best = int(np.argmin(self.n_params * (3 * self.n_tokens + served)))
        return best if 0 < best < len(self.n_params) - 1 else None


def loss_contours(table: SweepTable) -> tuple[LossContour, ...]:
    """Models of the loss at the bottom of each valley but the last, by the valley and the next one.

    Parameters
    ----------
    table : SweepTable
        As for `fit_isoflop_profiles`; valleys without a minimum inside their sizes are left out.

    Raises
    ------
    InputError
        As `fit_isoflop_profiles`, and if the loss does not fall from one valley to the next.

    Examples
    --------
    >>> from chinchilla_lib.fitting.serving import training_overhead
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> contour, _ = loss_contours(simulate_isoflop_sweep(law, [1e18, 3e18, 1e19]))
    >>> f"{contour.overhead(0.75):.3f} {training_overhead(law, 0.75):.3f}"
    '0.032 0.028'
    """
    fit = fit_isoflop_profiles(table)
    valleys = [valley for valley in fit.diagnostics.valleys if valley.reason is None]
    return tuple(_between(table, *pair) for pair in pairwise(valleys))


def _between(table: SweepTable, lower: ValleyFit, upper: ValleyFit) -> LossContour:
    """The contour of the lower valley's bottom, as a share t of the way to the upper one for each size."""
    start, end = _bottom(lower), _bottom(upper)
    tokens = [np.array(fit_tokens(table, valley.index)) for valley in (lower, upper)]
    if not end[0] < start[0]:
        raise InputError(
            f"{table.source}: the loss does not fall from {format_flops(lower.flops)} FLOPs, "
            f"{start[0]:.4g}, to {format_flops(upper.flops)}, {end[0]:.4g}; take such a budget out"
        )
    ends = [valley.center + valley.half_width * np.array([-1.0, 1.0]) for valley in (lower, upper)]
    log_n = np.linspace(max(ends[0][0], ends[1][0]), min(ends[0][1], ends[1][1]), _N_GRID)

    def too_high(share: FloatArray) -> FloatArray:
        lowest, place, curvature = start[:, None] + (end - start)[:, None] * share
        return np.asarray(lowest + curvature / 2 * (log_n - place) ** 2 - start[0], dtype=np.float64)

    log_n = log_n[too_high(np.ones_like(log_n)) < 0]
    low, high = np.zeros_like(log_n), np.ones_like(log_n)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = too_high(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    log_k, g = tokens[0][:, None] + (tokens[1] - tokens[0])[:, None] * (low + high) / 2
    return LossContour(
        loss=float(start[0]),
        flops=(lower.flops, upper.flops),
        n_params=np.exp(log_n),
        n_tokens=np.exp(log_k - g * log_n),
    )


def _bottom(valley: ValleyFit) -> FloatArray:
    """Loss and ln N at the minimum, and the curvature."""
    assert valley.optimum is not None
    return np.array([valley.optimum.loss, np.log(valley.optimum.n_params), valley.curvature])
