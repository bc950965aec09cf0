"""The law of repeated data as a surface: its parameters, where a search begins, its lowest optimum."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.parametric import fit_parametric
from chinchilla_lib.fitting.surface import SurfaceOptimum, fit_surface, grid_of_starts
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss, saturate
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["DECAY_RANGE", "TOLD_RANGE", "RepeatedSurface"]

FloatArray = npt.NDArray[np.float64]

DECAY_RANGE: Final = (1e-2, 1e4)
"""Where R*_D and R*_N are sought; no run can tell larger ones from infinity."""
TOLD_RANGE: Final = (1.001 * DECAY_RANGE[0], DECAY_RANGE[1] / 1.001)
"""What comes out beyond these is at an end of its range, up to rounding: the runs do not tell it."""

_STARTS: Final = np.log(np.geomspace(0.3, 300, 8))
_JOINT_STARTS: Final = np.log(np.array([3.0, 15.0, 75.0]))
_NEAR_STARTS: Final = np.log(np.array([3.0, 15.0, 75.0, DECAY_RANGE[1]]))
_SAME: Final = 1e-9  # of the objective: R*_N is no better told than infinity
_LEAST_FLOOR: Final = 1e-3


@dataclass(frozen=True, eq=False)
class RepeatedSurface:
    """The law as `fit_surface` takes it: ln R*_D, then what is free of ln R*_N and (a, b, e, alpha, beta)."""

    log_n: FloatArray
    log_d: FloatArray
    log_unique: FloatArray
    law: ParametricLoss | None
    r_n: float | None

    @property
    def _center(self) -> tuple[float, float]:
        return float(self.log_n.mean()), float(self.log_d.mean())

    def _split(self, params: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """R*_D and R*_N, shape (n_rows, 1), and (ln A, ln B, E, alpha, beta), shape (5, n_rows, 1)."""
        r_d = np.exp(params[:, :1])
        held = self.r_n is not None
        r_n = np.full_like(r_d, self.r_n) if held else np.exp(params[:, 1:2])
        if self.law is not None:
            fresh = self.law
            row = [math.log(fresh.A), math.log(fresh.B), fresh.E, fresh.alpha, fresh.beta]
            return r_d, r_n, np.array(row)[:, None, None]
        a, b, e, alpha, beta = params[:, 1 + (not held) :].T[..., None]
        center = self._center
        return r_d, r_n, np.stack([a + alpha * center[0], b + beta * center[1], np.exp(e), alpha, beta])

    def __call__(self, params: FloatArray) -> FloatArray:
        r_d, r_n, (log_a, log_b, floor, alpha, beta) = self._split(params)
        tokens = self.log_unique + np.log1p(saturate(np.expm1(self.log_d - self.log_unique), r_d))
        log_g = (np.log(alpha / beta) + log_a - log_b) / (alpha + beta)
        best = np.minimum(self.log_n, log_g + beta / alpha * (log_g + self.log_unique))
        sizes = best + np.log1p(saturate(np.expm1(self.log_n - best), r_n))
        return np.asarray(np.log(np.exp(log_a - alpha * sizes) + np.exp(log_b - beta * tokens) + floor))

    def law_of(self, params: FloatArray) -> RepeatedDataLoss:
        """The law of parameters of shape (n_free,)."""
        r_d, r_n, fresh = self._split(params[None])
        log_a, log_b, floor, alpha, beta = fresh.ravel().tolist()
        law = self.law or ParametricLoss(
            E=floor, A=math.exp(log_a), B=math.exp(log_b), alpha=alpha, beta=beta
        )
        return RepeatedDataLoss(law, r_d=float(r_d[0, 0]), r_n=float(r_n[0, 0]))

    def params_of(self, law: RepeatedDataLoss) -> FloatArray:
        """Parameters of a law, shape (n_free,); an infinite R*_D or R*_N is put at the end of its range."""
        decays = [law.r_d, *([law.r_n] if self.r_n is None else [])]
        params = np.log(np.clip(decays, *DECAY_RANGE))
        if self.law is not None:
            return np.asarray(params)
        return np.array([*params, *self._fresh_params(law.law, float(np.finfo(float).tiny))])

    def _fresh_params(self, law: ParametricLoss, least_floor: float) -> list[float]:
        """(a, b, e, alpha, beta) of a law of fresh data, with E no lower than `least_floor`."""
        center = self._center
        return [
            math.log(law.A) - law.alpha * center[0],
            math.log(law.B) - law.beta * center[1],
            math.log(max(law.E, least_floor)),
            law.alpha,
            law.beta,
        ]

    def lowest(self, table: SweepTable, delta: float) -> tuple["RepeatedSurface", SurfaceOptimum]:
        """The lowest optimum found, and the surface it lies on.

        With R*_N free that may be the surface where R*_N is infinite, which no value in range reaches; the
        search of the others begins at its optimum, too.
        """
        if self.r_n is not None:
            return self, self._search(table, self._starts(table), delta)
        endless, end = replace(self, r_n=math.inf).lowest(table, delta)
        near = [[end.params[0], log_r_n, *end.params[1:]] for log_r_n in _NEAR_STARTS]
        found = self._search(table, np.concatenate([self._starts(table), near]), delta)
        return (endless, end) if end.value <= found.value * (1 + _SAME) else (self, found)

    def _search(self, table: SweepTable, starts: FloatArray, delta: float) -> SurfaceOptimum:
        log_loss = np.log(table.loss)
        lower, upper = self.bounds(log_loss)
        return fit_surface(self, log_loss, starts, lower=lower, upper=upper, delta=delta, n_kept=len(starts))

    def _starts(self, table: SweepTable) -> FloatArray:
        """Where to begin; for a law that is free, its best fit to the effective tokens of each R*_D."""
        free_n = self.r_n is None
        if self.law is not None:
            return grid_of_starts(_STARTS, _STARTS) if free_n else _STARTS[:, None]
        starts, unique = [], np.exp(self.log_unique)
        for log_r_d in _JOINT_STARTS.tolist():
            worth = unique * (1 + saturate(table.n_tokens / unique - 1, math.exp(log_r_d)))
            law = fit_parametric(replace(table, n_tokens=worth)).law
            assert law is not None
            fresh = self._fresh_params(law, _LEAST_FLOOR)
            starts += [
                [log_r_d, *r_n, *fresh] for r_n in (_JOINT_STARTS[:, None].tolist() if free_n else [[]])
            ]
        return np.array(starts)

    def bounds(self, log_loss: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest parameters, for losses of that logarithm."""
        n_decays = 1 + (self.r_n is None)
        lower, upper = [math.log(DECAY_RANGE[0])] * n_decays, [math.log(DECAY_RANGE[1])] * n_decays
        if self.law is None:
            low, high = float(log_loss.min()), float(log_loss.max())
            lower += [low - 25, low - 25, low - 25, 1e-3, 1e-3]
            upper += [high + 30, high + 30, high, 20, 20]
        return np.array(lower), np.array(upper)
