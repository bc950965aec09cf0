"""Intervals for the law of repeated data, by resampling runs."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import resample_counts
from chinchilla_lib.fitting.data_constrained import DataConstrainedFit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.repeated_surface import TOLD_RANGE, RepeatedSurface
from chinchilla_lib.fitting.surface import refit_surface
from chinchilla_lib.laws import RepeatedDataLoss

__all__ = ["RepeatedDraws", "bootstrap_data_constrained"]

FloatArray = npt.NDArray[np.float64]

_CHECKED: Final = 1e-3  # of the objective: less than one run of a few hundred contributes


@dataclass(frozen=True, eq=False)
class RepeatedDraws:
    """Laws fitted to resampled runs."""

    laws: tuple[RepeatedDataLoss, ...]
    """One of each draw; R*_D and R*_N are infinite where they came out at the end of their range."""
    n_unchecked: int
    """Draws whose search ended before its optimum; they are kept."""

    def interval(self, name: str, level: float = 0.9) -> Interval:
        """Interval of a constant: quantiles of the draws.

        Parameters
        ----------
        name : str
            ``r_d``, ``r_n``, or a field of the law of fresh data.
        level : float
            Between 0 and 1.

        Raises
        ------
        InputError
            If the law has no such constant, or the level is out of range.
        """
        known = ("r_d", "r_n", "E", "A", "B", "alpha", "beta")
        if name not in known:
            raise InputError(f"no constant {name!r}; give one of {', '.join(known)}")
        if not 0 < level < 1:
            raise InputError(f"level must lie between 0 and 1, found {level!r}")
        values = [getattr(law if name in ("r_d", "r_n") else law.law, name) for law in self.laws]
        ends = (1 - level) / 2, (1 + level) / 2
        low, high = np.quantile(values, ends, method="nearest").tolist()  # between infinite ones no mean
        return low, high


def bootstrap_data_constrained(
    fit: DataConstrainedFit, *, n_draws: int = 200, seed: int = 0
) -> RepeatedDraws:
    """Refit resamples of the runs; fresh and repeating ones are drawn apart, with replacement.

    Each draw is followed from the fit to all runs alone.

    Parameters
    ----------
    fit : DataConstrainedFit
    n_draws : int
        1 or more.
    seed : int
        0 or above.

    Raises
    ------
    InputError
        If `n_draws` or `seed` is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from chinchilla_lib.fitting.data_constrained import fit_data_constrained
    >>> from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_table
    >>> law = ParametricLoss(E=1.8, A=480, B=2000, alpha=0.35, beta=0.37)
    >>> truth = RepeatedDataLoss(law, r_d=12, r_n=np.inf)
    >>> sizes, tokens = np.tile([5e8, 1e9], 16), np.geomspace(1e9, 1e11, 32)
    >>> unique = np.full(32, 1e9)
    >>> loss = truth.loss(sizes, tokens, unique) * np.exp(np.random.default_rng(1).normal(0, 0.001, 32))
    >>> table = replace(simulate_table(law, sizes, tokens), loss=loss)
    >>> draws = bootstrap_data_constrained(fit_data_constrained(table, unique, law=law), n_draws=50)
    >>> [f"{end:.1f}" for end in draws.interval("r_d")]
    ['11.9', '12.2']
    """
    if n_draws < 1 or seed < 0:
        raise InputError(f"n_draws is {n_draws} and seed {seed}; give 1 draw and a seed of 0 at least")
    table, free = fit.table, set(fit.fitted)
    surface = RepeatedSurface(
        np.log(table.n_params),
        np.log(table.n_tokens),
        np.log(fit.unique_tokens),
        law=None if "E" in free else fit.law.law,
        r_n=None if "r_n" in free else fit.law.r_n,
    )
    log_loss = np.log(table.loss)
    lower, upper = surface.bounds(log_loss)
    repeats = np.asarray(table.n_tokens) > fit.unique_tokens * (1 + 1e-9)
    order = np.concatenate([np.flatnonzero(~repeats), np.flatnonzero(repeats)])
    sizes = [n for n in (int((~repeats).sum()), int(repeats.sum())) if n]
    laws: list[RepeatedDataLoss] = []
    n_unchecked = 0
    for counts in resample_counts(sizes, n_draws, np.random.default_rng(seed)):
        by_run = np.empty((len(counts[0]), len(table)), dtype=np.intp)
        by_run[:, order] = np.concatenate(counts, axis=1)
        params, predicted = refit_surface(
            surface, log_loss, surface.params_of(fit.law), by_run, lower=lower, upper=upper, delta=fit.delta
        )
        laws += [_law(surface, row) for row in params]
        n_unchecked += int((~(predicted < _CHECKED)).sum())
    return RepeatedDraws(tuple(laws), n_unchecked)


def _law(surface: RepeatedSurface, params: FloatArray) -> RepeatedDataLoss:
    law = surface.law_of(params)
    r_d, r_n = (math.inf if value > TOLD_RANGE[1] else value for value in (law.r_d, law.r_n))
    return RepeatedDataLoss(law.law, r_d=r_d, r_n=r_n)
