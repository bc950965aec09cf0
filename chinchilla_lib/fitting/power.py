"""How many runs tell two exponents apart: the power of an IsoFLOP sweep, by theory and by simulation.

The exponent a is a smooth function of the losses, a sum of ``da/dL_i`` times what each loss is off, so its
standard error follows from the noise (the delta method). The test is that of an interval: a sweep tells its
exponent from another if the interval of a does not hold the other, with Student's t at the degrees of
freedom of the residuals.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.arguments import (
    check_level,
    check_noise,
    check_power,
    check_seed,
    check_simulations,
)
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.planned_profiles import law_with_exponent, plan_profiles
from chinchilla_lib.fitting.power_result import Power, SimulatedPower
from chinchilla_lib.fitting.power_theory import N_PARABOLA, Analysis, check_method, n_fitted
from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["MeasuredSweep", "fewest_sizes", "measure_power", "read_sweep"]

FloatArray = npt.NDArray[np.float64]

_MOST_SEEDS: Final = 1_000_000
_MORE_SEEDS: Final = 1.15
_MOST_CHECKS: Final = 12
_CELLS: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class MeasuredSweep:
    """A sweep's design, and what its fit says of the law and the noise."""

    table: SweepTable
    """Its runs."""
    law: ParametricLoss
    """The common shape of its valleys, see `fit_valley`."""
    noise: float
    """Residual standard deviation relative to the loss, of the method's own curve."""


def fewest_sizes(
    law: ParametricLoss,
    *,
    n_sizes: int,
    noise: float,
    a_from: float,
    a_to: float,
    level: float = 0.9,
    power: float = 0.8,
    method: str = "isoflop",
    **design: Any,
) -> int | None:
    """The smallest number of sizes with which one seed of `plan_profiles` has the power, by theory.

    Parameters
    ----------
    law : ParametricLoss
        The profiles are around its optima.
    n_sizes : int
        Fewer than these are tried.
    noise, a_from, a_to, level, power, method
        As `measure_power`.
    **design
        Other arguments of `plan_profiles`.

    Returns
    -------
    int or None
        None if all of them have less.

    Raises
    ------
    InputError
        As `plan_profiles` and `measure_power`.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> fewest_sizes(law, n_sizes=20, noise=0.002, a_from=0.46, a_to=0.50, n_budgets=5)
    4
    """
    for fewer in range(N_PARABOLA + 1, n_sizes):
        plan = plan_profiles(law, n_sizes=fewer, **design)
        found = measure_power(
            plan, law, noise=noise, a_from=a_from, a_to=a_to, n_seeds=1, level=level, power=power,
            method=method, n_simulated=0,
        )  # fmt: skip
        if found.power >= power:
            return fewer
    return None


def read_sweep(table: SweepTable, method: str = "isoflop", *, noise: float | None = None) -> MeasuredSweep:
    """Design, law and noise of a sweep.

    Parameters
    ----------
    table : SweepTable
        Budgets and sizes enough for `fit_valley`; for ``isoflop`` valleys without a minimum are left out.
    method : str
        One of `chinchilla_lib.fitting.power_theory.METHODS`: whose residuals tell the noise.
    noise : float, optional
        Known otherwise.

    Raises
    ------
    InputError
        If the method is not known or cannot fit the runs, or no residual is free.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> sweep = read_sweep(runs)
    >>> f"{sweep.noise:.4f}", f"{sweep.law.a:.2f}"
    ('0.0015', '0.45')
    """
    check_method(method)
    fit = fit_valley(table)
    law, residuals, n_valleys = fit.law, fit.residuals, len(fit.diagnostics.valleys)
    assert law is not None
    if method == "isoflop":
        profiles = fit_isoflop_profiles(table)
        used = [valley for valley in profiles.diagnostics.valleys if valley.reason is None]
        index = np.concatenate([valley.index for valley in used])
        table, residuals, n_valleys = table.take(index), profiles.residuals[index], len(used)
    if noise is not None:
        return MeasuredSweep(table, law, noise)
    n_free = n_fitted(method, n_valleys)
    if len(table) <= n_free:
        raise InputError(
            f"{table.source}: {len(table)} runs leave no residual of {n_free} fitted numbers; give the "
            "noise, or add sizes or seeds"
        )
    noise = math.sqrt(float(np.sum((residuals / table.loss) ** 2)) / (len(table) - n_free))
    return MeasuredSweep(table, law, noise)


def measure_power(
    design: SweepTable,
    law: ParametricLoss,
    *,
    noise: float,
    a_from: float,
    a_to: float | None = None,
    n_seeds: int | None = None,
    level: float = 0.9,
    power: float = 0.8,
    method: str = "isoflop",
    n_simulated: int = 2000,
    seed: int = 0,
) -> Power:
    """Seeds that a design needs to tell two exponents apart, or what it tells with given ones.

    Parameters
    ----------
    design : SweepTable
        Runs of one seed, such as `plan_profiles`, or those of a sweep; the noise is relative to their losses.
    law : ParametricLoss
        Shape of the loss; its exponent is replaced, see `law_with_exponent`. Its level does not matter: each
        budget has one of its own in both methods.
    noise : float
        Standard deviation of the loss between seeds, relative to the loss, above 0.
    a_from, a_to : float
        The exponent that the interval must leave out, and the true one, between 0 and 1. Without
        `a_to` only the detectable difference is told.
    n_seeds : int, optional
        How often the design is run; by default as often as the power needs, or once without `a_to`.
    level : float
        Of the interval, from 0.5, below 1.
    power : float
        Above 1 - level and below 1.
    method : str
        One of `chinchilla_lib.fitting.power_theory.METHODS`.
    n_simulated : int
        Simulated sweeps of each truth that check the theory, 2 or more; 0 for none.
    seed : int
        Of these, 0 or above.

    Returns
    -------
    Power

    Raises
    ------
    InputError
        If an argument is out of range, the method finds no minimum in the design, or a million seeds are too
        few.

    Notes
    -----
    Seeds are as many as theory says, and more where simulated sweeps then have too little power: a minimum is
    no linear function of the losses, and where noise is large it scatters more than the slope says.

    The exponent that is tested is what the method makes of `a_from` without noise: where windows are not
    centred, parabolas are biased, and `Power.bias` says by how much.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> middle = 1e18 * 10**1.5
    >>> design = plan_profiles(law_with_exponent(law, 0.46, middle), n_budgets=3)
    >>> found = measure_power(design, law, noise=0.002, a_from=0.46, a_to=0.50, n_simulated=0)
    >>> found.n_seeds, found.n_runs, found.power > 0.8
    (1, 27, True)
    """
    check_noise(noise)
    if a_to == a_from:
        raise InputError(f"both exponents are {a_from!r}; give two that differ")
    if n_seeds is not None and n_seeds < 1:
        raise InputError(f"n_seeds must be 1 or above, found {n_seeds!r}")
    check_level(level)
    check_power(power, level)
    check_simulations(n_simulated)
    check_seed(seed)
    check_method(method)
    middle = math.exp(float(np.log(6 * design.n_params * design.n_tokens).mean()))
    null = Analysis.prepare(design, law_with_exponent(law, a_from, middle), method, noise)
    true = null if a_to is None else Analysis.prepare(
        design, law_with_exponent(law, a_to, middle), method, noise
    )  # fmt: skip
    difference = abs(true.a - null.a)
    if a_to is not None and difference < 1e-12:
        raise InputError(f"the design gives both {a_from:g} and {a_to:g} as {null.a:g}; add sizes or budgets")
    given, by_theory = n_seeds is not None, n_seeds or 1
    if not given and a_to is not None:
        by_theory = _fewest_seeds(true, difference, level, power)
    n_seeds = by_theory
    if true.freedom(n_seeds) < 1:
        raise InputError(
            f"{len(design)} runs leave no residual of {true.n_free} fitted numbers; give n_seeds of 2 or more"
        )
    simulated = None
    if n_simulated:
        other = None if a_to is None else true
        simulated = _simulate(null, other, n_seeds, level, n_simulated, seed)
        error = math.sqrt(power * (1 - power) / n_simulated)
        for _ in range(_MOST_CHECKS):
            if given or simulated.power is None or simulated.power >= power - 2 * error:
                break
            n_seeds = math.ceil(max(n_seeds + 1, _MORE_SEEDS * n_seeds))
            simulated = _simulate(null, other, n_seeds, level, n_simulated, seed)
    return Power(
        source=design.source,
        method=method,
        a_from=a_from,
        a_to=a_to,
        n_runs=n_seeds * len(null.table),
        n_seeds=n_seeds,
        n_seeds_by_theory=by_theory,
        n_budgets=len(null.log_flops),
        flops=n_seeds * float(null.table.flops.sum()),
        se=true.se / math.sqrt(n_seeds),
        power=power if a_to is None else true.power(difference, n_seeds, level),
        detectable=null.detectable(n_seeds, level, power),
        level=level,
        target_power=power,
        noise=noise,
        degrees_of_freedom=true.freedom(n_seeds),
        bias=null.a - a_from,
        simulated=simulated,
    )


def _fewest_seeds(analysis: Analysis, difference: float, level: float, power: float) -> int:
    """The smallest number of seeds that has the power."""

    def enough(n_seeds: int) -> bool:
        return analysis.freedom(n_seeds) > 0 and analysis.power(difference, n_seeds, level) >= power

    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST_SEEDS:
            raise InputError(
                f"{_MOST_SEEDS:,} seeds of {len(analysis.table)} runs do not tell {difference:.2g} in a with "
                f"probability {power:g}; spread the budgets over more decades, or give exponents "
                "further apart"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _simulate(
    null: Analysis, true: Analysis | None, n_seeds: int, level: float, n_simulated: int, seed: int
) -> SimulatedPower:
    streams = np.random.default_rng(seed).spawn(2)
    false_alarms, spread, unusable = _rejections(null, null.a, n_seeds, level, n_simulated, streams[0])
    power = None
    if true is not None:
        power, spread, unusable = _rejections(true, null.a, n_seeds, level, n_simulated, streams[1])
    return SimulatedPower(n_simulated, spread, power, false_alarms, unusable)


def _rejections(
    truth: Analysis, tested: float, n_seeds: int, level: float, n_simulated: int, rng: np.random.Generator
) -> tuple[float, float | None, float]:
    """Share of sweeps whose interval leaves out an exponent, spread of a, and share without an answer."""
    loss, scale, freedom = truth.table.loss, truth.scale, truth.freedom(n_seeds)
    quantile = float(stdtrit(freedom, (1 + level) / 2))
    found, apart = [], 0
    block = max(1, _CELLS // len(loss))
    for start in range(0, n_simulated, block):
        n_sets = min(block, n_simulated - start)
        # Least squares sees the mean of a run's seeds; how these scatter about it is independent of it.
        scatter = rng.standard_normal((n_sets, len(loss))) / math.sqrt(n_seeds)
        about = rng.chisquare(len(loss) * (n_seeds - 1), n_sets) if n_seeds > 1 else np.zeros(n_sets)
        estimate = truth.estimate(loss + scale * scatter)
        # In units of the noise, which the sweep is not told: only the sum of squares enters.
        variance = (n_seeds * np.sum((estimate.residuals / scale) ** 2, axis=1) + about) / freedom
        error = np.sqrt(variance / n_seeds * np.sum((estimate.pull * scale) ** 2, axis=1))
        far = estimate.usable & (np.abs(estimate.a - tested) > quantile * error)
        apart += int(far.sum())
        found.append(estimate.a[estimate.usable])
    values = np.concatenate(found)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return apart / n_simulated, spread, 1 - len(values) / n_simulated
