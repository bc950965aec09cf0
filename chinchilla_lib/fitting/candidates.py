"""What every run, or every model size, would lose at common budgets: where Approach 1 takes its minimum."""

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from chinchilla_lib.fitting.smoothing import smooth_curves
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["Choice", "Ranking", "SizeCurves", "rank_curves"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

_CHUNK: Final = 256
_SAME_FLOPS: Final = 1e-8  # runs closer than this in ln C have the same FLOPs
_KEPT: Final = 48  # a resample lacks all of the best 48 runs with probability e^-48


@dataclass(frozen=True, eq=False)
class Choice:
    """The best candidate at each budget, for many resamples; arrays of shape (n_rows, n_budgets)."""

    log_n: FloatArray
    """ln N of the best; NaN where there is no candidate."""
    log_d: FloatArray
    """ln D that it has seen at this budget."""
    loss: FloatArray
    """Its loss there, nats per token."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The best runs at each budget, best first; arrays of shape (n_kept, n_budgets)."""

    run: IntArray
    """Number of the run in the curves, or -1."""
    loss: FloatArray
    """Its smoothed loss at the budget, nats per token; infinite where there is none."""
    log_d: FloatArray
    """ln of the tokens it has seen there."""
    log_n: FloatArray
    """ln N of each run of the curves, shape (n_runs,)."""
    lowest: FloatArray
    """ln N of the smallest run whose curve holds the budget, shape (n_budgets,)."""
    highest: FloatArray
    """ln N of the largest."""

    def choose(self, present: BoolArray, budgets: IntArray) -> Choice:
        """The first run of each budget's ranking that a resample holds.

        Parameters
        ----------
        present : array of bool, shape (n_rows, n_runs)
        budgets : array of int, shape (n_chosen,)
            Positions of the budgets.
        """
        shape = len(present), len(budgets)
        rank = np.full(shape, -1)
        row, column = (index.ravel() for index in np.indices(shape))
        for place in range(len(self.run)):
            run = self.run[place, budgets[column]]
            hit = (run >= 0) & present[row, run]
            rank[row[hit], column[hit]] = place
            row, column = row[~hit & (run >= 0)], column[~hit & (run >= 0)]
            if not row.size:
                break
        known = rank >= 0
        run = self.run[rank, budgets]
        return Choice(
            log_n=np.where(known, self.log_n[run], np.nan),
            log_d=np.where(known, self.log_d[rank, budgets], np.nan),
            loss=np.where(known, self.loss[rank, budgets], np.nan),
        )


def rank_curves(curves: CurveTable, log_flops: FloatArray, window: float) -> Ranking:
    """Rank runs at budgets by smoothed training loss, linear in ln C between the points of a curve.

    Parameters
    ----------
    curves : CurveTable
    log_flops : array of float, shape (n_budgets,)
        ln of the budgets, ascending.
    window : float
        Of the smoothing, in steps.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> from chinchilla_lib.sweeps.simulate import simulate_curves
    >>> ranking = rank_curves(simulate_curves(law, runs), np.log([1e18, 1e19]), 10.0)
    >>> (np.exp(ranking.log_n[ranking.run[0]]) / law.n_opt(np.array([1e18, 1e19]))).round(2)
    array([1., 1.])
    """
    smooth, x, y = smooth_curves(curves, window), np.log(curves.flops), np.log(curves.n_tokens)
    n_budgets = len(log_flops)
    best = [np.full((1, n_budgets), -1), np.full((1, n_budgets), np.inf), np.zeros((1, n_budgets))]
    log_n = np.log(curves.n_params)
    lowest, highest = np.full(n_budgets, np.inf), np.full(n_budgets, -np.inf)
    for start in range(0, len(curves), _CHUNK):
        runs = np.arange(start, min(start + _CHUNK, len(curves)))
        loss, log_d = np.full((len(runs), n_budgets), np.inf), np.zeros((len(runs), n_budgets))
        for place, run in enumerate(runs):
            first, last = curves.first[run], curves.last[run]
            # Half a window at the start is one-sided on the steepest part of the curve.
            begun = np.searchsorted(curves.step[first:last], curves.step[first] + window / 2)
            points = slice(min(first + begun, last - 1), last + 1)
            inside = slice(*np.searchsorted(log_flops, x[points][[0, -1]] + np.array([-1e-12, 1e-12])))
            loss[place, inside] = np.interp(log_flops[inside], x[points], smooth[points])
            log_d[place, inside] = np.interp(log_flops[inside], x[points], y[points])
            lowest[inside] = np.minimum(lowest[inside], log_n[run])
            highest[inside] = np.maximum(highest[inside], log_n[run])
        number = np.where(np.isfinite(loss), runs[:, None], -1)
        joined = [np.concatenate(pair) for pair in zip(best, (number, loss, log_d), strict=True)]
        order = np.argsort(joined[1], axis=0, kind="stable")[:_KEPT]
        best = [np.take_along_axis(part, order, axis=0) for part in joined]
    return Ranking(best[0].astype(np.intp), best[1], best[2], log_n, lowest, highest)


class SizeCurves:
    """Final losses of each size over compute, between its shortest and its longest run.

    ln L is interpolated in ln C by a cubic that keeps the order of its points (PCHIP); runs of equal FLOPs
    and size are averaged. A size with runs at one budget only is no candidate.

    Parameters
    ----------
    table : SweepTable
    log_flops : array of float, shape (n_budgets,)
        ln of the budgets, ascending.
    """

    def __init__(self, table: SweepTable, log_flops: FloatArray) -> None:
        self.log_flops = log_flops
        self.sizes, owner = np.unique(table.n_params, return_inverse=True)
        self.runs = [np.flatnonzero(owner == number) for number in range(len(self.sizes))]
        self._x = np.round(np.log(table.flops) / _SAME_FLOPS) * _SAME_FLOPS
        self._y, self._d = np.log(table.loss), np.log(table.n_tokens)
        self.lowest, self.highest = np.full(len(log_flops), np.inf), np.full(len(log_flops), -np.inf)
        for size, runs in zip(self.sizes, self.runs, strict=True):
            held = np.isfinite(self._interpolate(runs, np.ones(len(runs), dtype=np.intp), log_flops)[0])
            self.lowest[held] = np.minimum(self.lowest[held], math.log(size))
            self.highest[held] = math.log(size)  # sizes ascend

    def choose(self, counts: IntArray, budgets: IntArray) -> Choice:
        """The best size of each resample at each budget; see `Ranking.choose`."""
        parts = [self._choose(counts[k : k + _CHUNK], budgets) for k in range(0, len(counts), _CHUNK)]
        return Choice(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Choice)))

    def _choose(self, counts: IntArray, budgets: IntArray) -> Choice:
        shape = len(counts), len(budgets)
        log_n, log_d, log_loss = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.inf)
        for size, runs in zip(self.sizes, self.runs, strict=True):
            which, curves = self._curves(runs, counts, self.log_flops[budgets])
            trial = curves[which, 0]
            better = trial < log_loss
            log_loss = np.where(better, trial, log_loss)
            log_n[better] = math.log(size)
            log_d = np.where(better, curves[which, 1], log_d)
        return Choice(log_n, log_d, np.where(np.isfinite(log_loss), np.exp(log_loss), np.nan))

    def _curves(self, runs: IntArray, counts: IntArray, grid: FloatArray) -> tuple[IntArray, FloatArray]:
        """For each resample the number of its curve of one size, and the curves that occur.

        Few subsets of a size's runs differ, so each is interpolated once. How often a run was drawn matters
        only where another has its FLOPs.
        """
        drawn = counts[:, runs]
        if len(np.unique(self._x[runs])) == len(runs):
            drawn = np.minimum(drawn, 1)
        weights, which = np.unique(drawn, axis=0, return_inverse=True)
        return which.ravel(), np.stack([self._interpolate(runs, row, grid) for row in weights])

    def _interpolate(self, runs: IntArray, weights: IntArray, grid: FloatArray) -> FloatArray:
        """ln L and ln D along the grid, shape (2, n_budgets), infinite where there are no runs around."""
        curve = np.full((2, len(grid)), np.inf)
        drawn = runs[weights > 0]
        x, place = np.unique(self._x[drawn], return_inverse=True)
        if len(x) > 1:
            w = weights[weights > 0].astype(np.float64)
            total = np.bincount(place, weights=w)
            y, d = (np.bincount(place, weights=w * values[drawn]) / total for values in (self._y, self._d))
            inside = (grid >= x[0] - _SAME_FLOPS) & (grid <= x[-1] + _SAME_FLOPS)
            within = np.clip(grid[inside], x[0], x[-1])
            curve[0, inside] = PchipInterpolator(x, y)(within)
            curve[1, inside] = np.interp(within, x, d)
        return curve
