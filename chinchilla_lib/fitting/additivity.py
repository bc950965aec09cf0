"""Whether valleys and frontier can be one additive law, read off parabolas without fitting the law.

With ``L = E + A N^-alpha + B D^-beta`` and C = 6ND both terms gain alike at a minimum: with s the fall of
the loss along the frontier per unit of ln C, ``alpha A N^-alpha = beta B D^-beta = s``. So the second
derivative of the valley in ln N is ``s (alpha + beta)``: valleys and slope tell the sum of the exponents.
Along the frontier s itself goes as ``C^-(a b (alpha + beta))``: the sum tells how fast it must flatten.
"""

import math
from dataclasses import dataclass

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["Additivity", "Gain", "check_additivity"]

_FEWEST = 3


@dataclass(frozen=True)
class Gain:
    """What a budget says of an additive law.

    Attributes
    ----------
    flops : float
    curvature : float
        Second derivative of the valley in ln N at its minimum, nats per token.
    slope : float
        Fall of the smallest loss per unit of ln C, nats per token, on a quadratic through the minima.
    """

    flops: float
    curvature: float
    slope: float

    @property
    def exponent_sum(self) -> float:
        """The alpha + beta of an additive law that has both."""
        return self.curvature / self.slope


@dataclass(frozen=True)
class Additivity:
    """Valleys and frontier beside each other.

    Attributes
    ----------
    gains : tuple of Gain
        By budget.
    measured : float
        Slope of the frontier at the largest budget over that at the smallest.
    required : float
        The same ratio by an additive law with the mean sum of exponents, which is below 1.
    """

    gains: tuple[Gain, ...]
    measured: float
    required: float


def check_additivity(table: SweepTable) -> Additivity:
    """Hold the bend of the frontier against what the valleys ask of it.

    Parameters
    ----------
    table : SweepTable
        With minima at three budgets or more. Where C is not 6ND, the required ratio is off by the little that
        N D is not constant within a valley.

    Raises
    ------
    InputError
        If there are fewer, or the loss does not fall from budget to budget.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> found = check_additivity(runs)
    >>> f"measured {found.measured:.3f}, required {found.required:.3f}"
    'measured 0.482, required 0.481'
    """
    fit = fit_isoflop_profiles(table)
    if len(fit.points) < _FEWEST:
        raise InputError(f"{table.source}: minima at {len(fit.points)} budgets; give {_FEWEST} or more")
    log_c = np.log([point.flops for point in fit.points])
    x = log_c - log_c.mean()
    bend, fall, _ = np.polyfit(x, [point.loss for point in fit.points], 2)
    slopes = -(2 * bend * x + fall)
    if (slopes <= 0).any():
        raise InputError(f"{table.source}: the smallest loss of a budget does not fall; add budgets or runs")
    valleys = [valley for valley in fit.diagnostics.valleys if valley.optimum is not None]
    gains = tuple(
        Gain(valley.flops, valley.curvature, slope)
        for valley, slope in zip(valleys, slopes.tolist(), strict=True)
    )
    exponents = float(np.mean([gain.exponent_sum for gain in gains]))
    share = fit.a / (fit.a + fit.b)
    required = math.exp(-share * (1 - share) * exponents * float(np.ptp(log_c)))
    return Additivity(gains, float(slopes[-1] / slopes[0]), required)
