"""Is the frontier a power law? Its curvature in log-log coordinates, and what the design could have seen.

Section 5 and appendix E of the paper find log N_opt concave at high compute: figure A5 fits the first, the
middle and the last third of the frontier's points apart, and the later exponents are smaller. Here the
points are the minima of Approach 2, one per budget. A single law for all budgets (the methods ``valley`` and
``parametric``) cannot answer: under C = 6ND its frontier is straight whatever the runs say.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc, ndtri

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import MAX_DRAWS, bootstrap_fit
from chinchilla_lib.fitting.counts import repeated_rows
from chinchilla_lib.fitting.diagnostics import BootstrapReport, Interval, OptimumPoint, ValleyFit
from chinchilla_lib.fitting.isoflop import ISOFLOP, fit_isoflop_profiles
from chinchilla_lib.fitting.parabola import Parabolas, fit_parabolas, fit_parabolas_to_losses
from chinchilla_lib.fitting.power_law import fit_log_lines
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.fitting.valley_shape import ProfileFit, log_minimum
from chinchilla_lib.fitting.windows import check_valleys, size_numbers
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "METHODS",
    "Curvature",
    "ThirdExponent",
    "change_per_decade",
    "detectable_curvature",
    "measure_curvature",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Label = Literal["curved (concave)", "curved (convex)", "no curvature seen"]

METHODS: Final = ("isoflop",)
"""Methods whose minima are free to leave a straight line."""

_FEWEST_BUDGETS: Final = 4  # three coefficients, and one left for the scatter about them
_FEWEST_DRAWS: Final = 100
_POWER: Final = 0.8
_EXACT: Final = 1e-9  # in ln N: below it is rounding
_SCATTER: Final = 0.01
_SLIGHT: Final = 1e-5
_SMALL_VALLEY: Final = 20  # runs, below which pairs are wide
_LARGE: Final = 0.5  # standard errors of c2
_UNUSABLE: Final = "a valley whose parabola has no minimum inside its sizes"
_WHY_NOT: Final = "fits one additive law to all budgets, whose frontier is straight whatever the runs say"


@dataclass(frozen=True)
class ThirdExponent:
    """The exponent of N_opt over a part of the budgets, as in figure A5."""

    name: Literal["first", "middle", "last"]
    flops: Interval
    """Its smallest and its largest budget."""
    n_budgets: int
    """Optima that its line goes through."""
    exponent: float
    """Slope of ln N_opt in ln C, by least squares."""
    interval: Interval
    """Low and high end."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "flops": list(self.flops),
            "n_budgets": self.n_budgets,
            "exponent": self.exponent,
            "interval": list(self.interval),
        }


@dataclass(frozen=True)
class Curvature:
    """``ln N_opt = c0 + c1 (x - mean) + c2 (x - mean)^2`` with x = ln C, through the minima of valleys."""

    source: str
    """Where the runs come from."""
    method: str
    """How the minima were found, one of `METHODS`."""
    level: float
    """Level of all intervals; tests are at 1 - level."""
    middle_flops: float
    """exp(mean): geometric mean of the budgets used, in FLOPs."""
    c0: float
    """ln N_opt there."""
    c1: float
    """The exponent a there."""
    c1_interval: Interval
    """Low and high end."""
    c2: float
    """Curvature; below 0 the exponent falls with compute."""
    c2_interval: Interval
    """Low and high end."""
    c2_se: float
    """Bootstrap standard error of c2."""
    p_value: float | None
    """Of c2 = 0, by the F test of the quadratic term on 1 and ``n_budgets - 3`` degrees of freedom, from the
    scatter of the minima about the curve; None if they lie on it to rounding."""
    scatter_p_value: float | None
    """Chi-square test of that scatter being no more than the runs' noise explains; None likewise."""
    parabola_c2: float | None
    """The c2 that parabolas would show at these sizes if the frontier was straight, from the law of
    `fit_valley` without noise: not 0 where the windows slide from budget to budget. None if that cannot be
    fitted."""
    detectable: float
    """The smallest \\|c2\\| found with probability 0.8, see `detectable_curvature`."""
    thirds: tuple[ThirdExponent, ThirdExponent, ThirdExponent]
    """Exponents of the lowest, middle and highest budgets."""
    d_c1: float
    """The exponent b at the middle, from the tokens at the minima; 1 - c1 under C = 6ND."""
    d_c2: float
    """Curvature of ln D_opt; -c2 under C = 6ND, and then as uncertain."""
    used: tuple[OptimumPoint, ...]
    """The minima, by budget."""
    dropped: tuple[tuple[float, str], ...]
    """The other budgets, in FLOPs, each with the reason."""
    bootstrap: BootstrapReport
    """How the draws came about."""
    messages: tuple[str, ...]
    """Doubts, one sentence each; empty if there are none."""

    @property
    def n_budgets(self) -> int:
        """Budgets used."""
        return len(self.used)

    @property
    def change(self) -> float:
        """By how much the exponent a changes over a decade of compute."""
        return change_per_decade(self.c2)

    @property
    def change_interval(self) -> Interval:
        """Low and high end of `change`."""
        low, high = self.c2_interval
        return change_per_decade(low), change_per_decade(high)

    @property
    def detectable_change(self) -> float:
        """The smallest change of a per decade found with probability 0.8."""
        return change_per_decade(self.detectable)

    @property
    def verdict(self) -> Label:
        """Whether the frontier is seen to be curved.

        It is called curved if the interval of c2 lies wholly on one side of 0, and on the same side of
        `parabola_c2` where that is known. If the minima scatter about the curve by more than their runs'
        noise explains (`scatter_p_value` below 0.01), the interval is too narrow, and the F test must find
        the same at 1 - level. "No curvature seen" excludes no curvature below `detectable`.
        """
        sides = (0.0, 0.0 if self.parabola_c2 is None else self.parabola_c2)
        low, high = self.c2_interval
        above, below = low > max(sides) + _EXACT, high < min(sides) - _EXACT
        if not (above or below) or (self._scattered and not self._f_finds):
            return "no curvature seen"
        return "curved (convex)" if above else "curved (concave)"

    @property
    def _scattered(self) -> bool:
        return self.scatter_p_value is not None and self.scatter_p_value < _SCATTER

    @property
    def _f_finds(self) -> bool:
        return self.p_value is not None and self.p_value <= 1 - self.level

    def exponent(self, flops: float) -> float:
        """The exponent a at a budget, d ln N_opt / d ln C of the curve.

        Parameters
        ----------
        flops : float
            Above 0; beyond the budgets used the curve is a guess.

        Raises
        ------
        InputError
            If `flops` is not finite and above 0.
        """
        if not (math.isfinite(flops) and flops > 0):
            raise InputError(f"flops must be finite and above 0, found {flops!r}; give a budget in FLOPs")
        return self.c1 + 2 * self.c2 * math.log(flops / self.middle_flops)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "verdict": self.verdict,
            "source": self.source,
            "method": self.method,
            "level": self.level,
            "middle_flops": self.middle_flops,
            "c0": self.c0,
            "c1": self.c1,
            "c1_interval": list(self.c1_interval),
            "c2": self.c2,
            "c2_interval": list(self.c2_interval),
            "c2_se": self.c2_se,
            "p_value": self.p_value,
            "scatter_p_value": self.scatter_p_value,
            "parabola_c2": self.parabola_c2,
            "change_per_decade": self.change,
            "change_per_decade_interval": list(self.change_interval),
            "detectable": self.detectable,
            "detectable_change_per_decade": self.detectable_change,
            "thirds": [third.to_dict() for third in self.thirds],
            "d_c1": self.d_c1,
            "d_c2": self.d_c2,
            "n_budgets": self.n_budgets,
            "used": [
                {"flops": point.flops, "n_params": point.n_params, "n_tokens": point.n_tokens}
                for point in self.used
            ],
            "dropped": [{"flops": flops, "reason": reason} for flops, reason in self.dropped],
            "messages": list(self.messages),
            "bootstrap": self.bootstrap.to_dict(),
        }

    def __str__(self) -> str:
        low, high = self.change_interval
        test = "no test" if self.p_value is None else f"F test p = {self.p_value:.2g}"
        lines = [
            f"{self.verdict}: {self.n_budgets} of {self.n_budgets + len(self.dropped)} budgets of "
            f"{self.source}",
            f"  a = {self.c1:.4f} ({self.c1_interval[0]:.4f} to {self.c1_interval[1]:.4f}) at "
            f"{format_flops(self.middle_flops)} FLOPs, {format_count(math.exp(self.c0))} parameters",
            f"  per decade of compute a changes by {self.change:+.4f} ({low:+.4f} to {high:+.4f}, "
            f"{self.level:.0%}), {test}",
            f"  a change of {self.detectable_change:.4f} would be found with probability {_POWER:g}",
        ]
        lines += [
            f"  {third.name + ' third':<12} a = {third.exponent:.4f} "
            f"({third.interval[0]:.4f} to {third.interval[1]:.4f}), {third.n_budgets} budgets"
            for third in self.thirds
        ]
        lines += [
            textwrap.fill(f"note: {message}", 76, initial_indent="  ", subsequent_indent="    ")
            for message in self.messages
        ]
        return "\n".join(lines)


def change_per_decade(c2: float) -> float:
    """Change of the exponent a over a factor of ten in compute, 2 c2 ln 10."""
    return 2 * c2 * math.log(10)


def detectable_curvature(standard_error: float, *, level: float = 0.9, power: float = _POWER) -> float:
    """The smallest \\|c2\\| that a design finds with a given probability.

    ``(z((1 + level) / 2) + z(power)) * standard_error``: the interval of c2 is taken to be normal, and so is
    the scatter of c2 from sweep to sweep. What it means for the exponent is `change_per_decade` of it.

    Parameters
    ----------
    standard_error : float
        Of c2, 0 or above: `Curvature.c2_se`, or the spread over simulated sweeps of a design.
    level : float
        Of the interval that must not hold 0, from 0.5, below 1.
    power : float
        The probability, above 1 - level and below 1.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> round(change_per_decade(detectable_curvature(0.004)), 4)
    0.0458
    """
    _check_level(level)
    if not (math.isfinite(standard_error) and standard_error >= 0):
        raise InputError(
            f"standard_error must be finite and 0 or above, found {standard_error!r}; give that of c2"
        )
    if not 1 - level < power < 1:
        raise InputError(
            f"power must lie between 1 - level = {1 - level:.3g}, which a straight frontier has, and 1, "
            f"found {power!r}; 0.8 is usual"
        )
    return float(ndtri((1 + level) / 2) + ndtri(power)) * standard_error


def measure_curvature(
    table: SweepTable,
    *,
    method: str = "isoflop",
    scheme: str = "pairs",
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.9,
) -> Curvature:
    """Curvature of the frontier, from a quadratic through the minima of the valleys.

    Minima, and the budgets left out, are those of `fit_isoflop_profiles`; each counts alike. The intervals
    are percentiles of the draws of `bootstrap_fit`, stratified by budget.

    Thirds are the n budgets in order: round(n / 3) at either end and the others in the middle. Of 4 or 5
    budgets the outer ones have two optima each, and the middle one shares an optimum with either.

    Parameters
    ----------
    table : SweepTable
        Four budgets or more with a minimum inside their sizes, and valleys of four runs or more.
    method : str
        One of `METHODS`.
    scheme : str
        ``"pairs"`` or ``"residual"``, as `bootstrap_fit`.
    n_resamples : int
        From 100 to `MAX_DRAWS`.
    seed : int
        Of the resampling, 0 or above.
    level : float
        Of the intervals, from 0.5, below 1.

    Returns
    -------
    Curvature

    Raises
    ------
    InputError
        If an argument is out of range, the table cannot be fitted, fewer than four budgets are usable, or
        the valleys are too small to be resampled.

    Notes
    -----
    Pairs are cautious in small valleys, as a resample may lack the runs that hold the parabola. Of 400
    simulated sweeps of nine budgets, at level 0.9, a straight frontier was called curved, and one as curved
    as `Curvature.detectable` was found to be, in these shares; 0.1 and 0.8 are nominal.

    =============  ==============  ==============  =====================
    runs a valley  pairs           residual        pairs' se over truth
    =============  ==============  ==============  =====================
    6              0.01, 0.90      0.03, 0.85      2.9
    9              0.04, 0.93      0.09, 0.82      2.0
    20             0.10, 0.77      0.09, 0.75      1.1
    =============  ==============  ==============  =====================

    Minima weighted by the inverse of their bootstrap variance were tried and left: with nine runs a valley
    the residual scheme then called a straight frontier curved in 13 to 17 %.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20, 1e21], noise=0.002)
    >>> measure_curvature(table).verdict
    'no curvature seen'
    """
    _check_options(method, n_resamples)
    _check_level(level)
    _check_budgets(table)
    minima = _Minima()
    fit = bootstrap_fit(minima.estimator, table, n_draws=n_resamples, seed=seed, scheme=scheme)
    report, used, drawn = fit.diagnostics.bootstrap, _used(fit), minima.log_n
    assert report is not None
    if report.problem is not None:
        runs = min((valley.index for valley in used), key=len)
        raise InputError(f"{table.where(runs, 'loss')}: curvature has no interval: {report.problem}")
    log_n = np.log([point.n_params for point in fit.points])
    x = np.log([valley.flops for valley in used])
    x = x - (middle := float(x.mean()))
    curve = _quadratic(x, np.ones_like(x))
    c0, c1, c2 = (curve @ log_n).tolist()
    draws = drawn @ curve.T
    p_value, scatter_p_value = _tests(x, log_n, drawn.var(axis=0, ddof=1))
    _, d_c1, d_c2 = (curve @ np.log([point.n_tokens for point in fit.points])).tolist()
    se = float(draws[:, 2].std(ddof=1))
    parabola_c2 = _parabola_c2(table, used, curve)
    interval = _interval(draws[:, 2], level)
    return Curvature(
        source=table.source,
        method=method,
        level=level,
        middle_flops=math.exp(middle),
        c0=c0,
        c1=c1,
        c1_interval=_interval(draws[:, 1], level),
        c2=c2,
        c2_interval=interval,
        c2_se=se,
        p_value=p_value,
        scatter_p_value=scatter_p_value,
        parabola_c2=parabola_c2,
        detectable=detectable_curvature(se, level=level, power=_POWER),
        thirds=_thirds(used, x, log_n, drawn, level),
        d_c1=d_c1,
        d_c2=d_c2,
        used=fit.points,
        dropped=tuple((v.flops, v.reason) for v in fit.diagnostics.valleys if v.reason is not None),
        bootstrap=report,
        messages=(
            *_messages(len(used), interval, p_value, scatter_p_value, parabola_c2, se, level),
            *_small_valleys(report),
            *report.messages(),
            *repeated_rows(table),
        ),
    )


def _check_level(level: float) -> None:
    if not 0.5 <= level < 1:
        raise InputError(f"level must be 0.5 or above and below 1, found {level!r}; 0.9 is usual")


def _check_options(method: str, n_resamples: int) -> None:
    if method in ("valley", "parametric"):
        raise InputError(f"method {method!r} {_WHY_NOT}; measure curvature with {' or '.join(METHODS)}")
    if method not in METHODS:
        raise InputError(f"method is {method!r}; give one of {', '.join(METHODS)}")
    if not _FEWEST_DRAWS <= n_resamples <= MAX_DRAWS:
        raise InputError(
            f"n_resamples must be from {_FEWEST_DRAWS} to {MAX_DRAWS}, found {n_resamples!r}; 1000 is usual"
        )


def _check_budgets(table: SweepTable) -> None:
    """Refuse what has too few budgets for a curve."""
    column = "flops" if table.flops_budget is None else "flops_budget"
    if (n_budgets := len(check_valleys(table))) < _FEWEST_BUDGETS:
        raise InputError(
            f"{table.where(range(len(table)), column)}: {n_budgets} budgets, but curvature and its test need "
            f"{_FEWEST_BUDGETS} or more; add runs at other budgets"
        )
    fit = fit_isoflop_profiles(table)
    if len(fit.points) < _FEWEST_BUDGETS:
        left_out = [valley for valley in fit.diagnostics.valleys if valley.reason is not None]
        reasons = "; ".join(f"{format_flops(valley.flops)}: {valley.reason}" for valley in left_out)
        raise InputError(
            f"{table.where(np.concatenate([valley.index for valley in left_out]), 'loss')}: "
            f"{len(fit.points)} of {n_budgets} budgets have a minimum inside their sizes, but curvature and "
            f"its test need {_FEWEST_BUDGETS} ({reasons}); add runs beyond the edges of these valleys"
        )


class _Minima:
    """Approach 2 for `bootstrap_fit`, that keeps ln N_opt of each valley in each usable resample."""

    def __init__(self) -> None:
        self._parts: list[FloatArray] = []
        self.estimator: Final = replace(ISOFLOP, refit=self._refit, refit_losses=self._refit_losses)

    @property
    def log_n(self) -> FloatArray:
        """Shape (n_usable, n_budgets)."""
        return np.concatenate(self._parts)

    def _refit(self, fit: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
        parabolas = []
        for valley, drawn in zip(_used(fit), counts, strict=True):
            known = np.log(fit.table.n_params[valley.index])
            z, loss = (known - valley.center) / valley.half_width, fit.table.loss[valley.index]
            parabolas.append(fit_parabolas(z, size_numbers(known), loss, drawn))
        return self._keep(fit, parabolas)

    def _refit_losses(
        self, fit: FrontierFit, losses: Sequence[FloatArray]
    ) -> tuple[FrontierDraws, list[str]]:
        parabolas = []
        for valley, loss in zip(_used(fit), losses, strict=True):
            z = (np.log(fit.table.n_params[valley.index]) - valley.center) / valley.half_width
            parabolas.append(fit_parabolas_to_losses(z, loss))
        return self._keep(fit, parabolas)

    def _keep(self, fit: FrontierFit, parabolas: Sequence[Parabolas]) -> tuple[FrontierDraws, list[str]]:
        valleys = _used(fit)
        lowest = np.stack([parabola.argmin for parabola in parabolas], axis=1)
        usable = (np.abs(lowest) < 1).all(axis=1)  # False where there is no minimum
        centers, half_widths = np.array([(valley.center, valley.half_width) for valley in valleys]).T
        log_n = centers + half_widths * lowest[usable]
        self._parts.append(log_n)
        intercept, slope = fit_log_lines(np.log([valley.flops for valley in valleys]), log_n)
        nothing = np.full(len(log_n), np.nan)  # the draws of tokens are not asked for
        lines = FrontierDraws(a=slope, b=nothing, log_n_coefficient=intercept, log_d_coefficient=nothing)
        return lines, [_UNUSABLE] * int((~usable).sum())


def _used(fit: FrontierFit) -> list[ValleyFit]:
    return [valley for valley in fit.diagnostics.valleys if valley.reason is None]


def _quadratic(x: FloatArray, weights: FloatArray) -> FloatArray:
    """The matrix that takes ln N_opt to c0, c1 and c2, shape (3, n_budgets)."""
    root = np.sqrt(weights / weights.max())
    scale = np.abs(x).max()  # powers of order 1
    inverse = np.linalg.pinv(np.vander(x / scale, 3, increasing=True) * root[:, None]) * root
    return np.asarray(inverse / scale ** np.arange(3.0)[:, None], dtype=np.float64)


def _tests(x: FloatArray, log_n: FloatArray, variance: FloatArray) -> tuple[float | None, float | None]:
    """p values of no quadratic term (F) and of no scatter beyond the runs' noise (chi-square)."""
    n_left = len(x) - 3
    curved = log_n - _fitted(x, log_n, 3)
    if np.abs(curved).max() < _EXACT:
        return None, None
    straight = log_n - _fitted(x, log_n, 2)
    gained = max(float(straight @ straight - curved @ curved), 0.0)
    weights = 1 / np.maximum(variance, _EXACT**2)
    by_noise = log_n - np.vander(x, 3, increasing=True) @ (_quadratic(x, weights) @ log_n)
    return (
        float(fdtrc(1, n_left, gained / (float(curved @ curved) / n_left))),
        float(chdtrc(n_left, float(weights @ by_noise**2))),
    )


def _fitted(x: FloatArray, y: FloatArray, n_terms: int) -> FloatArray:
    """Least squares by a polynomial of `n_terms`, at the points."""
    basis = np.linalg.qr(np.vander(x / np.abs(x).max(), n_terms, increasing=True))[0]
    return np.asarray(basis @ (basis.T @ y), dtype=np.float64)


def _parabola_c2(table: SweepTable, used: Sequence[ValleyFit], curve: FloatArray) -> float | None:
    """c2 of the minima of parabolas, less that of the true minima, where one additive law holds exactly."""
    try:
        fit = fit_valley(table)
    except InputError:
        return None
    law = fit.law
    assert law is not None
    shapes = {valley.flops: valley for valley in fit.diagnostics.valleys}
    terms = np.log(law.A), np.log(law.B), np.float64(law.alpha), np.float64(law.beta)
    log_a, log_b, alpha, beta = (np.array([term]) for term in terms)
    high = []
    for valley in used:
        shape = shapes[valley.flops]
        assert isinstance(shape, ProfileFit)
        n_params = table.n_params[valley.index]
        z = (np.log(n_params) - valley.center) / valley.half_width
        lowest = fit_parabolas_to_losses(z, shape.predict(n_params)[None, :]).argmin[0]
        truth = log_minimum(log_a, log_b, alpha, beta, shape.log_k, shape.g)[0]
        high.append(valley.center + valley.half_width * lowest - truth)
    c2 = float((curve @ np.array(high))[2])
    return c2 if math.isfinite(c2) else None


def _thirds(
    used: Sequence[ValleyFit], x: FloatArray, log_n: FloatArray, drawn: FloatArray, level: float
) -> tuple[ThirdExponent, ThirdExponent, ThirdExponent]:
    n = len(used)
    outer = max(2, round(n / 3))
    middle = slice(outer, n - outer) if n - 2 * outer >= 2 else slice(1, n - 1)

    def third(name: Literal["first", "middle", "last"], part: slice) -> ThirdExponent:
        slopes = fit_log_lines(x[part], np.concatenate([log_n[None, part], drawn[:, part]]))[1]
        budgets = [valley.flops for valley in used[part]]
        ends = budgets[0], budgets[-1]
        return ThirdExponent(name, ends, len(budgets), float(slopes[0]), _interval(slopes[1:], level))

    return third("first", slice(0, outer)), third("middle", middle), third("last", slice(n - outer, n))


def _interval(draws: FloatArray, level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _messages(
    n_budgets: int,
    interval: Interval,
    p_value: float | None,
    scatter_p_value: float | None,
    parabola_c2: float | None,
    se: float,
    level: float,
) -> tuple[str, ...]:
    messages = []
    without_zero = interval[0] > _EXACT or interval[1] < -_EXACT
    if p_value is not None and without_zero != (p_value <= 1 - level):
        n_left = n_budgets - 3
        freedom = f"{n_left} degree{'s' if n_left > 1 else ''} of freedom"
        holds = "does not hold 0" if without_zero else "holds 0"
        messages.append(
            f"the two answers differ: the {level:.0%} interval of c2 {holds}, the F test has "
            f"p = {p_value:.2g} on 1 and {freedom}"
        )
    if scatter_p_value is not None and scatter_p_value < _SCATTER:
        messages.append(
            f"the minima scatter about the curve by more than the noise of their runs explains "
            f"(p = {scatter_p_value:.2g}): budgets differ in something else, or the curve is no quadratic, "
            "and the intervals are too narrow"
        )
    if parabola_c2 is None:
        messages.append(
            "one law for all valleys could not be fitted, so nothing tells what curvature the parabolas add"
        )
    elif abs(parabola_c2) > max(_LARGE * se, _SLIGHT):
        messages.append(
            f"at these sizes parabolas add {change_per_decade(parabola_c2):+.2g} per decade to a straight "
            "frontier, as windows slide from budget to budget; centre them on the minima"
        )
    return tuple(messages)


def _small_valleys(report: BootstrapReport) -> tuple[str, ...]:
    if report.scheme != "pairs" or report.smallest_stratum >= _SMALL_VALLEY:
        return ()
    return (
        f"a valley has {report.smallest_stratum} runs: below {_SMALL_VALLEY} pairs give intervals that are "
        "too wide, and find less than the runs could tell; scheme='residual' is closer to its level",
    )
