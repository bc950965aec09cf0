"""How many runs tell two exponents apart: the power of an IsoFLOP sweep, by theory and by simulation.

The exponent a is a smooth function of the losses, a sum of ``da/dL_i`` times what each loss is off, so its
standard error follows from the noise (the delta method). The test is that of an interval: a sweep tells its
exponent from another if the interval of a does not hold the other, with Student's t at the degrees of
freedom of the residuals.
"""

import math
import textwrap
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr, stdtrit

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import ValleyFit
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.shared_exponents import ProfileData, fit_shared_exponents, grid_starts
from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.fitting.valley_shape import fit_tokens
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "METHODS",
    "MeasuredSweep",
    "Power",
    "SimulatedPower",
    "fewest_sizes",
    "law_with_exponent",
    "measure_power",
    "plan_profiles",
    "read_sweep",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

METHODS: Final = ("isoflop", "valley")
"""Estimators whose power is known."""

_N_PARABOLA: Final = 3
_N_SHAPE: Final = 4  # ln A, ln B, alpha, beta
_MOST_SEEDS: Final = 1_000_000
_MOST_RUNS: Final = 10_000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_MORE_SEEDS: Final = 1.15
_MOST_CHECKS: Final = 12
_CELLS: Final = 1_000_000
_BIAS: Final = 0.25  # standard errors
_OFF: Final = 0.15  # between theory and simulation
_UNUSABLE: Final = 0.02


@dataclass(frozen=True)
class SimulatedPower:
    """What simulated sweeps showed, each fitted anew and with noise estimated from its own residuals."""

    n_simulated: int
    """Sweeps of each truth."""
    se: float | None
    """Standard deviation of a between sweeps; None if fewer than two have an answer."""
    power: float | None
    """Share of sweeps of the other exponent whose interval leaves the first out; None without another."""
    false_alarms: float
    """The same of sweeps of the first exponent; 1 - level if theory holds."""
    unusable: float
    """Share of sweeps without an answer, such as a minimum outside its sizes; they tell nothing apart."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Power:
    """What a sweep can tell of the exponent a of N_opt."""

    source: str
    """What the design is."""
    method: str
    """One of `METHODS`."""
    a_from: float
    """The exponent that is to be excluded."""
    a_to: float | None
    """The exponent that is true; None if only `detectable` was asked for."""
    n_runs: int
    """Runs in all."""
    n_seeds: int
    """How often the design is run."""
    n_seeds_by_theory: int
    """The same before the check: more are taken where simulated sweeps have too little power."""
    n_budgets: int
    """Budgets that give a minimum."""
    flops: float
    """Of all runs."""
    se: float
    """Standard error of a if `a_to` is true (or `a_from`, without another), by theory."""
    power: float
    """Probability of telling the two apart with these runs; that asked for, without another exponent."""
    detectable: float
    """Difference of exponents that these runs find with probability `target_power`."""
    level: float
    """Of the interval."""
    target_power: float
    """What was asked for."""
    noise: float
    """Standard deviation of the loss between seeds, relative to the loss."""
    degrees_of_freedom: int
    """Of the residuals."""
    bias: float
    """What the method makes of `a_from` without noise, less `a_from`."""
    simulated: SimulatedPower | None
    """The check; None if it was not asked for."""
    messages: tuple[str, ...] = ()
    """Doubts, one sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = dict(vars(self)) | {"messages": list(self.messages)}
        values["from"], values["to"] = values.pop("a_from"), values.pop("a_to")
        return values | {"simulated": None if self.simulated is None else self.simulated.to_dict()}

    def __str__(self) -> str:
        seeds = "1 seed" if self.n_seeds == 1 else f"{self.n_seeds} seeds"
        lines = [
            f"{self.n_runs} runs, {seeds} of {self.source}, {format_flops(self.flops)} FLOPs, method "
            f"{self.method}",
            f"  noise {self.noise:.3g} of the loss; standard error of a {self.se:.4g}",
        ]
        if self.a_to is not None:
            lines.append(
                f"  a = {self.a_to:.4g} is told from {self.a_from:.4g} at level {self.level:g} with "
                f"probability {self.power:.3f} ({self.target_power:g} asked for)"
            )
        lines.append(
            f"  a difference of {self.detectable:.3g} is found with probability {self.target_power:g}"
        )
        if (check := self.simulated) is not None:
            spread = "not known" if check.se is None else f"{check.se:.4g}"
            power = "" if check.power is None else f"power {check.power:.3f}, "
            lines.append(
                f"  {check.n_simulated} simulated sweeps: standard error {spread}, {power}"
                f"false alarms {check.false_alarms:.3f}"
            )
        lines += [
            textwrap.fill(f"note: {message}", 96, initial_indent="  ", subsequent_indent="    ")
            for message in self.messages
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class MeasuredSweep:
    """A sweep's design, and what its fit says of the law and the noise."""

    table: SweepTable
    """Its runs."""
    law: ParametricLoss
    """The common shape of its valleys, see `fit_valley`."""
    noise: float
    """Residual standard deviation relative to the loss, of the method's own curve."""


def law_with_exponent(law: ParametricLoss, a: float, flops: float) -> ParametricLoss:
    """The law nearest to another whose frontier has the exponent a.

    At one budget optimum and loss stay; so do E and alpha + beta, and with them how the loss falls, nearly.

    Parameters
    ----------
    law : ParametricLoss
    a : float
        Exponent of N_opt, between 0 and 1.
    flops : float
        The budget, C = 6ND, above 0.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> other = law_with_exponent(law, 0.5, 1e20)
    >>> round(other.a, 6), round(other.n_opt(1e20) / law.n_opt(1e20), 6)
    (0.5, 1.0)
    """
    if not 0 < a < 1:
        raise InputError(f"the exponent a must lie between 0 and 1, found {a!r}; the paper's is 0.46 to 0.50")
    total = law.alpha + law.beta
    alpha, beta = total * (1 - a), total * a
    n_params = law.n_opt(float(flops))
    n_tokens = flops / 6 / n_params
    falls = law.loss(n_params, n_tokens) - law.E
    # At an optimum alpha times the size term is beta times the data term.
    return ParametricLoss(
        E=law.E,
        A=falls * a * n_params**alpha,
        B=falls * (1 - a) * n_tokens**beta,
        alpha=alpha,
        beta=beta,
    )


def plan_profiles(
    law: ParametricLoss,
    *,
    n_budgets: int = 9,
    n_sizes: int = 9,
    decades: float = 3.0,
    window: float = 0.5,
    flops: float = 1e18,
) -> SweepTable:
    """IsoFLOP profiles around the optima of a law, one run of each, without noise.

    Parameters
    ----------
    law : ParametricLoss
    n_budgets, n_sizes : int
        2 budgets and 3 sizes of each, or more.
    decades : float
        From the smallest budget to the largest, in powers of ten of FLOPs, above 0.
    window : float
        Sizes reach so many powers of ten to either side of the optimum, above 0.
    flops : float
        The smallest budget, C = 6ND.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    for name, count, fewest in (("n_budgets", n_budgets, 2), ("n_sizes", n_sizes, 3)):
        if count < fewest:
            raise InputError(f"{name} must be {fewest} or above, found {count!r}")
    for name, value in (("decades", decades), ("window", window), ("flops", flops)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be finite and above 0, found {value!r}")
    if n_budgets * n_sizes > _MOST_RUNS:
        raise InputError(
            f"n_budgets is {n_budgets} and n_sizes is {n_sizes}; {_MOST_RUNS:,} runs of one seed are the most"
        )
    if decades > 20 or window > 3:
        raise InputError(
            f"decades is {decades:g} and window {window:g}; 20 of compute and 3 of size are the most"
        )
    budgets = np.repeat(np.geomspace(flops, flops * 10**decades, n_budgets), n_sizes)
    n_params = law.n_opt(budgets) * np.tile(np.logspace(-window, window, n_sizes), n_budgets)
    n_tokens = budgets / (6 * n_params)
    return SweepTable(
        run_id=tuple(f"planned-{number:04d}" for number in range(len(budgets))),
        n_params=n_params,
        n_tokens=n_tokens,
        loss=law.loss(n_params, n_tokens),
        flops=budgets,
        flops_convention="six_nd",
        flops_budget=budgets,
        source=f"{n_budgets} budgets over {decades:g} decades with {n_sizes} sizes each",
    )


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
    """
    for fewer in range(_N_PARABOLA + 1, n_sizes):
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
        One of `METHODS`: whose residuals tell the noise.
    noise : float, optional
        Known otherwise.

    Raises
    ------
    InputError
        If the method is not known or cannot fit the runs, or no residual is free.
    """
    _check_method(method)
    fit = fit_valley(table)
    law, residuals, n_free = fit.law, fit.residuals, len(fit.diagnostics.valleys) + _N_SHAPE
    assert law is not None
    if method == "isoflop":
        profiles = fit_isoflop_profiles(table)
        used = [valley for valley in profiles.diagnostics.valleys if valley.reason is None]
        index = np.concatenate([valley.index for valley in used])
        table, residuals, n_free = table.take(index), profiles.residuals[index], _N_PARABOLA * len(used)
    if noise is not None:
        return MeasuredSweep(table, law, noise)
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
        One of `METHODS`.
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
    _check_arguments(noise, a_to, a_from, n_seeds, level, power, n_simulated, seed)
    _check_method(method)
    middle = math.exp(float(np.log(6 * design.n_params * design.n_tokens).mean()))
    null = _Analysis.prepare(design, law_with_exponent(law, a_from, middle), method, noise)
    true = null if a_to is None else _Analysis.prepare(
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
    se = true.se / math.sqrt(n_seeds)
    reached = power if a_to is None else true.power(difference, n_seeds, level)
    bias = null.a - a_from
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
        se=se,
        power=reached,
        detectable=null.detectable(n_seeds, level, power),
        level=level,
        target_power=power,
        noise=noise,
        degrees_of_freedom=true.freedom(n_seeds),
        bias=bias,
        simulated=simulated,
        messages=_messages(null, se, bias, reached, simulated, n_seeds - by_theory),
    )


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"method is {method!r}; give one of {', '.join(METHODS)}")


def _check_arguments(
    noise: float,
    a_to: float | None,
    a_from: float,
    n_seeds: int | None,
    level: float,
    power: float,
    n_simulated: int,
    seed: int,
) -> None:
    if not (math.isfinite(noise) and noise > 0):
        raise InputError(f"noise must be finite and above 0, found {noise!r}; 0.002 is 0.2 % of the loss")
    if a_to == a_from:
        raise InputError(f"both exponents are {a_from!r}; give two that differ")
    if n_seeds is not None and n_seeds < 1:
        raise InputError(f"n_seeds must be 1 or above, found {n_seeds!r}")
    if not 0.5 <= level < 1:
        raise InputError(f"level must be from 0.5, below 1, found {level!r}; 0.9 is usual")
    if not 1 - level < power < 1:
        raise InputError(
            f"power must lie between 1 - level = {1 - level:.3g}, which needs no runs, and 1, found "
            f"{power!r}; 0.8 is usual"
        )
    if n_simulated < 0 or n_simulated == 1:
        raise InputError(f"n_simulated must be 0, or 2 or above, found {n_simulated!r}")
    if seed < 0:
        raise InputError(f"seed must be a whole number, 0 or above, found {seed!r}")


@dataclass(frozen=True, eq=False)
class _Analysis:
    """A method on a design, and its theory under one truth."""

    method: str
    table: SweepTable
    """One seed, ordered by valley, with the losses of the truth."""
    truth: ParametricLoss
    scale: FloatArray
    """Standard deviation of each loss between seeds, nats per token."""
    first: IntArray
    """Position of the first run of each valley."""
    points: tuple[int, ...]
    """Valleys, by number, that give a minimum."""
    tokens: tuple[tuple[float, float], ...]
    """ln k and g of each of these, see `fit_tokens`."""
    log_flops: FloatArray
    """Of these."""
    a: float = math.nan
    """The estimate without noise."""
    se: float = math.nan
    """Standard error with one seed."""
    misfit: float = math.nan
    """Sum of squares of what the curve misses without noise, in units of the noise."""

    @classmethod
    def prepare(cls, design: SweepTable, truth: ParametricLoss, method: str, noise: float) -> "_Analysis":
        loss = truth.loss(design.n_params, design.n_tokens)
        table = replace(design, loss=loss, loss_se=None, bits_per_byte=None)
        fit = fit_valley(table) if method == "valley" else fit_isoflop_profiles(table)
        valleys: tuple[ValleyFit, ...] = fit.diagnostics.valleys
        if method == "isoflop":
            valleys = tuple(valley for valley in valleys if valley.reason is None)
        points = tuple(number for number, valley in enumerate(valleys) if valley.reason is None)
        order = np.concatenate([valley.index for valley in valleys])
        found = cls(
            method=method,
            table=table.take(order),
            truth=truth,
            # Of the design's losses: where a level was raised with E, those of the law are far off.
            scale=noise * design.loss[order],
            first=np.cumsum([0, *(len(valley.index) for valley in valleys[:-1])]).astype(np.int64),
            points=points,
            tokens=tuple(fit_tokens(table, valleys[number].index) for number in points),
            log_flops=np.log([valleys[number].flops for number in points]),
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
        return _N_PARABOLA * len(self.first) if self.method == "isoflop" else len(self.first) + _N_SHAPE

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

    def estimate(self, losses: FloatArray) -> "_Estimates":
        """Fit sets of losses, shape (n_sets, n_runs)."""
        return self._parabolas(losses) if self.method == "isoflop" else self._shapes(losses)

    def _parabolas(self, losses: FloatArray) -> "_Estimates":
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
        return _Estimates(a, usable, pull, residuals)

    def _shapes(self, losses: FloatArray) -> "_Estimates":
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
        return _Estimates(minimum @ weights, usable, (slopes @ solved)[:, :, 0], residuals)


@dataclass(frozen=True, eq=False)
class _Estimates:
    """Fits of sets of losses."""

    a: FloatArray
    """Shape (n_sets,)."""
    usable: BoolArray
    """Whether there is an answer; else the other fields mean nothing."""
    pull: FloatArray
    """da/dL_i, shape (n_sets, n_runs)."""
    residuals: FloatArray
    """Nats per token, shape (n_sets, n_runs)."""


def _tail(distance: float, freedom: int, level: float, widening: float) -> float:
    """Probability that \\|t\\| is beyond its quantile, for an exponent some standard errors away.

    The noncentral t, as a mean of normal tails over the estimate of the noise.
    """
    if freedom < 1:
        return 0.0
    noise = np.sqrt(chdtri(freedom, (1 - _NODES) / 2) / freedom)
    bound = float(stdtrit(freedom, (1 + level) / 2)) * widening * noise
    return float(_WEIGHTS @ (ndtr(distance - bound) + ndtr(-distance - bound))) / 2


def _fewest_seeds(analysis: _Analysis, difference: float, level: float, power: float) -> int:
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
    null: _Analysis, true: _Analysis | None, n_seeds: int, level: float, n_simulated: int, seed: int
) -> SimulatedPower:
    streams = np.random.default_rng(seed).spawn(2)
    false_alarms, spread, unusable = _rejections(null, null.a, n_seeds, level, n_simulated, streams[0])
    power = None
    if true is not None:
        power, spread, unusable = _rejections(true, null.a, n_seeds, level, n_simulated, streams[1])
    return SimulatedPower(n_simulated, spread, power, false_alarms, unusable)


def _rejections(
    truth: _Analysis, tested: float, n_seeds: int, level: float, n_simulated: int, rng: np.random.Generator
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


def _messages(
    null: _Analysis, se: float, bias: float, power: float, simulated: SimulatedPower | None, n_more: int
) -> tuple[str, ...]:
    messages = []
    if len(null.log_flops) == 2:
        messages.append("an exponent from two budgets has nothing that tells whether a power law holds")
    if abs(bias) > _BIAS * se:
        cause = (
            "windows slide from budget to budget, or FLOPs are not counted as 6ND"
            if null.method == "isoflop"
            else "FLOPs are not counted as 6ND"
        )
        messages.append(
            f"without noise the method gives {bias:+.4f} beside the true exponent ({cause}), and the test is "
            "against what it gives"
        )
    if simulated is None:
        return tuple(messages)
    if n_more:
        messages.append(
            f"by theory {n_more} seed{'s' if n_more > 1 else ''} less would do, but simulated sweeps then "
            "have too little power"
        )
    if simulated.unusable > _UNUSABLE:
        messages.append(
            f"{simulated.unusable:.0%} of simulated sweeps have no answer, for lack of a minimum inside a "
            "valley or because a term of the law vanishes: widen the window, or take more sizes or seeds"
        )
    if simulated.se is None:
        return tuple(messages)
    if not 1 - _OFF < simulated.se / se < 1 + _OFF:
        messages.append(
            f"simulated sweeps scatter by {simulated.se:.3g} where theory says {se:.3g}: the noise is too "
            "large for it, go by the simulation"
        )
    elif simulated.power is not None:
        error = math.sqrt(power * (1 - power) / simulated.n_simulated)
        if simulated.power < power - max(0.03, 4 * error):
            messages.append(
                f"simulated sweeps have a power of {simulated.power:.2f} only, where theory says {power:.2f}"
            )
    return tuple(messages)
