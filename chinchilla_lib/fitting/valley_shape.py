"""One valley with the shape of the law: its curve, and where it is lowest."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.diagnostics import ValleyFit
from chinchilla_lib.fitting.power_law import fit_log_lines
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["ProfileFit", "fit_tokens", "log_minimum"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ProfileFit(ValleyFit):
    """A valley with the law's shape, along ``ln D = log_k - g ln N``."""

    law: ParametricLoss
    """The shape that all valleys share; its E is the mean of their levels and not used here."""
    level: float
    """e_b in nats per token."""
    log_k: float
    """ln D at N = 1, by least squares over the valley's runs; ln(C/6) under C = 6ND."""
    g: float
    """How steeply tokens fall with size; 1 under C = 6ND."""

    @property
    def curvature(self) -> float:
        """Second derivative of the loss in ln N at the middle of the sampled sizes, nats per token."""
        size, data = self._terms(np.array([math.exp(self.center)]))
        return float((self.law.alpha**2 * size + (self.g * self.law.beta) ** 2 * data)[0])

    def predict(self, n_params: FloatArray) -> FloatArray:
        """Loss of the valley at model sizes, nats per token."""
        size, data = self._terms(n_params)
        return np.asarray(self.level + size + data, dtype=np.float64)

    def _terms(self, n_params: FloatArray) -> tuple[FloatArray, FloatArray]:
        log_n = np.log(n_params)
        law = self.law
        return (
            np.exp(math.log(law.A) - law.alpha * log_n),
            np.exp(math.log(law.B) - law.beta * (self.log_k - self.g * log_n)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | {"level": self.level}


def fit_tokens(table: SweepTable, index: IntArray) -> tuple[float, float]:
    """ln k and g of ``ln D = ln k - g ln N`` over the runs of a valley.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> log_k, g = fit_tokens(runs, np.arange(5))
    >>> round(g, 6)
    1.0
    """
    intercept, slope = fit_log_lines(np.log(table.n_params[index]), np.log(table.n_tokens[index])[None, :])
    return float(intercept[0]), -float(slope[0])


def log_minimum(
    log_a: FloatArray, log_b: FloatArray, alpha: FloatArray, beta: FloatArray, log_k: float, g: float
) -> FloatArray:
    """ln N where ``A N^-alpha + B D^-beta`` is lowest along ``ln D = log_k - g ln N``, g above 0.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> values = (np.array([value]) for value in (np.log(law.A), np.log(law.B), law.alpha, law.beta))
    >>> (np.exp(log_minimum(*values, np.log(1e20 / 6), 1.0)) / law.n_opt(1e20)).round(6)
    array([1.])
    """
    ratio = np.log(alpha) + log_a - np.log(beta) - math.log(g) - log_b
    return np.asarray((ratio + beta * log_k) / (alpha + g * beta), dtype=np.float64)
