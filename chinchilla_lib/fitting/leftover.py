"""What fits leave over, beside the noise that repeated runs show."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import fdtrc, stdtrit

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "LackOfFit",
    "Leftover",
    "interval_about_line",
    "lack_of_fit",
    "left_over",
    "minima_by_seed",
]

IntArray = npt.NDArray[np.intp]

_FEWEST_MINIMA: Final = 3
_N_LAW: Final = 5  # E, A, B, alpha, beta
_N_SHAPE: Final = 4  # A, B, alpha, beta, besides the levels
_N_PARABOLA: Final = 3


@dataclass(frozen=True)
class Leftover:
    """Residuals of one budget, measured less fitted loss, nats per token."""

    flops: float
    """The budget in FLOPs."""
    n_runs: int
    mean: float
    """What the fit misses on the whole budget; 0 where it has a level for each."""
    rms: float
    """Root mean square."""
    noise: float | None
    """Standard deviation of a loss over repeats, pooled over sizes; None where no run was repeated."""


@dataclass(frozen=True)
class LackOfFit:
    """Do the means of repeated runs lie on the fitted curve? F test of misfit over noise."""

    misfit: float
    """Root mean square, per degree of freedom, of the means about the curve, weighted by repeats."""
    noise: float
    """The same of the runs about the means of their repeats; the two are alike if the curve is right."""
    degrees_of_freedom: tuple[int, int]
    """Of misfit and noise."""
    p_value: float
    """Probability of so large a ratio by noise alone, if that is normal and of one size at all budgets."""


def left_over(fit: FrontierFit) -> tuple[Leftover, ...]:
    """Residuals by budget, from small to large.

    Parameters
    ----------
    fit : FrontierFit
        Any method's.

    Raises
    ------
    InputError
        If budgets cannot be told apart.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_valley
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> [f"{part.flops:.0e}" for part in left_over(fit_valley(runs))]
    ['1e+18', '1e+19', '1e+20']
    """
    found = []
    for valley in fit.table.valleys():
        residuals = fit.residuals[valley.index]
        repeats = _repeats(fit, valley.index)
        noise_squares, n_noise = _about_means(fit, repeats)
        found.append(
            Leftover(
                flops=valley.flops,
                n_runs=len(residuals),
                mean=float(residuals.mean()),
                rms=math.sqrt(float(np.mean(residuals**2))),
                noise=math.sqrt(noise_squares / n_noise) if n_noise else None,
            )
        )
    return tuple(found)


def lack_of_fit(fit: FrontierFit) -> LackOfFit:
    """Test whether a fit misses more than the noise of its runs, by the runs that were repeated.

    Parameters
    ----------
    fit : FrontierFit
        Of method ``isoflop``, ``valley`` or ``parametric``; of ``isoflop`` the valleys used. The fit of
        ``parametric`` is by Huber's loss of logarithms, so that its test is rough.

    Raises
    ------
    InputError
        If no run was repeated, the method has no curve for each run, or all residuals are free.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_valley
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_table
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> budgets = np.repeat([1e11, 1e12], 14)
    >>> sizes = law.n_opt(budgets) * np.tile(np.repeat(np.geomspace(0.3, 3, 7), 2), 2)
    >>> runs = simulate_table(law, sizes, budgets / (6 * sizes), flops_budget=budgets, noise=0.003)
    >>> lack_of_fit(fit_valley(runs)).p_value > 0.01
    True
    """
    valleys = fit.diagnostics.valleys
    if fit.method == "isoflop":
        valleys = tuple(valley for valley in valleys if valley.reason is None)
        n_free = _N_PARABOLA * len(valleys)
    elif fit.method == "valley":
        n_free = _N_SHAPE + len(valleys)
    elif fit.method == "parametric":
        n_free = _N_LAW
    else:
        raise InputError(
            f"method {fit.method!r} has no curve for each run; give isoflop, valley or parametric"
        )
    index = np.concatenate([valley.index for valley in valleys]) if valleys else np.arange(len(fit.table))
    repeats = _repeats(fit, index)
    squares, n_noise = _about_means(fit, repeats)
    n_misfit = len(repeats) - n_free
    if n_noise == 0:
        raise InputError(
            f"{fit.table.source}: no run has a second seed, so nothing tells the noise; add some"
        )
    if n_misfit < 1:
        raise InputError(
            f"{len(repeats)} sizes and {n_free} numbers fitted to them leave no misfit; add sizes"
        )
    missed = sum(len(group) * float(fit.residuals[group].mean()) ** 2 for group in repeats)
    misfit, noise = missed / n_misfit, squares / n_noise
    p_value = float(fdtrc(n_misfit, n_noise, misfit / noise)) if noise > 0 else float(misfit == 0)
    return LackOfFit(math.sqrt(misfit), math.sqrt(noise), (n_misfit, n_noise), p_value)


def interval_about_line(fit: FrontierFit, level: float = 0.9) -> Interval:
    """Interval of a from the scatter of the minima about their power law, by Student's t.

    Unlike resampled runs, it holds what budgets differ in besides noise, if that is independent from one to
    the next; and a bend of the frontier, which is not.

    Parameters
    ----------
    fit : FrontierFit
        Of ``isoflop``, whose minima are fitted budget by budget. Those of the other methods share a law or
        runs: where C is 6ND the minima of ``valley`` lie on their line exactly, whatever the noise.
    level : float
        Above 0, below 1.

    Raises
    ------
    InputError
        If the fit is another method's, the level is out of range, or there are fewer than three minima.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 3e18, 1e19, 3e19, 1e20], noise=0.002)
    >>> [f"{end:.2f}" for end in interval_about_line(fit_isoflop_profiles(runs))]
    ['0.43', '0.46']
    """
    if fit.method != "isoflop":
        raise InputError(
            f"minima of the method {fit.method!r} share more than their line; give a fit of isoflop"
        )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    if (n := len(fit.points)) < _FEWEST_MINIMA:
        raise InputError(f"{n} minima lie on any line; give {_FEWEST_MINIMA} or more")
    x = np.log([point.flops for point in fit.points])
    x -= x.mean()
    y = np.log([point.n_params for point in fit.points])
    rest = y - y.mean() - fit.a * x
    error = math.sqrt(float(rest @ rest) / (n - 2) / float(x @ x))
    half = float(stdtrit(n - 2, (1 + level) / 2)) * error
    return fit.a - half, fit.a + half


def minima_by_seed(table: SweepTable) -> dict[float, dict[int, float]]:
    """N_opt of each budget by parabolas, from the runs of each seed alone.

    Parameters
    ----------
    table : SweepTable
        With seeds.

    Returns
    -------
    dict
        By budget in FLOPs, then by seed; a seed that has no such minimum is left out.

    Raises
    ------
    InputError
        If the table has no seeds.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> by_seed = minima_by_seed(replace(runs, seed=np.zeros(len(runs), dtype=int)))
    >>> {f"{flops:.0e}": f"{minima[0]:.2g}" for flops, minima in by_seed.items()}
    {'1e+18': '8.1e+07', '1e+19': '2.3e+08', '1e+20': '6.5e+08'}
    """
    if table.seed is None:
        raise InputError(f"{table.source}: seeds are not known; add the column 'seed'")
    found: dict[float, dict[int, float]] = {valley.flops: {} for valley in table.valleys()}
    for seed in np.unique(table.seed).tolist():
        try:
            fit = fit_isoflop_profiles(table.take(np.flatnonzero(table.seed == seed)))
        except InputError:  # fewer than two budgets with three sizes each
            continue
        for point in fit.points:
            found[min(found, key=lambda flops: abs(math.log(flops / point.flops)))][seed] = point.n_params
    return found


def _repeats(fit: FrontierFit, index: IntArray) -> list[IntArray]:
    """Runs of one budget, size and length, by position in the table."""
    table = fit.table
    budgets = table.flops if table.flops_budget is None else table.flops_budget
    groups: dict[Hashable, list[int]] = {}
    for position in index.tolist():
        key = float(budgets[position]), float(table.n_params[position]), float(table.n_tokens[position])
        groups.setdefault(key, []).append(position)
    return [np.array(group) for group in groups.values()]


def _about_means(fit: FrontierFit, repeats: list[IntArray]) -> tuple[float, int]:
    """Sum of squares of losses about the means of their repeats, and its degrees of freedom."""
    loss = fit.table.loss
    squares = sum(float(np.sum((loss[group] - loss[group].mean()) ** 2)) for group in repeats)
    return squares, sum(len(group) - 1 for group in repeats)
