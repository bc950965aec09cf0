"""Is the frontier a power law? Its curvature in log-log coordinates, and what the design could have seen.

Section 5 and appendix E of the paper find log N_opt concave at high compute: figure A5 fits the first, the
middle and the last third of the frontier's points apart, and the later exponents are smaller. Here the
points are the minima of Approach 2, one per budget, which are free to leave a straight line. A single law for
all budgets (the methods ``valley`` and ``parametric``) cannot answer: under C = 6ND its frontier is straight
whatever the runs say.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc, ndtri

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.arguments import check_level, check_power
from chinchilla_lib.fitting.bootstrap import MAX_DRAWS, bootstrap_fit
from chinchilla_lib.fitting.counts import repeated_rows
from chinchilla_lib.fitting.curvature_result import EXACT, POWER, Curvature, ThirdExponent
from chinchilla_lib.fitting.diagnostics import Interval, ValleyFit
from chinchilla_lib.fitting.isoflop import ISOFLOP, fit_isoflop_profiles
from chinchilla_lib.fitting.parabola import Parabolas, fit_parabolas, fit_parabolas_to_losses
from chinchilla_lib.fitting.power_law import fit_log_lines
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.fitting.valley_shape import ProfileFit, log_minimum
from chinchilla_lib.fitting.windows import check_valleys, size_numbers
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["detectable_curvature", "measure_curvature"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_FEWEST_BUDGETS: Final = 4  # three coefficients, and one left for the scatter about them
_FEWEST_DRAWS: Final = 100
_UNUSABLE: Final = "a valley whose parabola has no minimum inside its sizes"


def detectable_curvature(standard_error: float, *, level: float = 0.9, power: float = POWER) -> float:
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
    >>> from chinchilla_lib.fitting.curvature_result import change_per_decade
    >>> round(change_per_decade(detectable_curvature(0.004)), 4)
    0.0458
    """
    check_level(level)
    if not (math.isfinite(standard_error) and standard_error >= 0):
        raise InputError(
            f"standard_error must be finite and 0 or above, found {standard_error!r}; give that of c2"
        )
    check_power(power, level)
    return float(ndtri((1 + level) / 2) + ndtri(power)) * standard_error


def measure_curvature(
    table: SweepTable,
    *,
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
    check_level(level)
    if not _FEWEST_DRAWS <= n_resamples <= MAX_DRAWS:
        raise InputError(
            f"n_resamples must be from {_FEWEST_DRAWS} to {MAX_DRAWS}, found {n_resamples!r}; 1000 is usual"
        )
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
    found = Curvature(
        source=table.source,
        level=level,
        middle_flops=math.exp(middle),
        c0=c0,
        c1=c1,
        c1_interval=_interval(draws[:, 1], level),
        c2=c2,
        c2_interval=_interval(draws[:, 2], level),
        c2_se=se,
        p_value=p_value,
        scatter_p_value=scatter_p_value,
        parabola_c2=_parabola_c2(table, used, curve),
        detectable=detectable_curvature(se, level=level),
        thirds=_thirds(used, x, log_n, drawn, level),
        d_c1=d_c1,
        d_c2=d_c2,
        used=fit.points,
        dropped=tuple((v.flops, v.reason) for v in fit.diagnostics.valleys if v.reason is not None),
        bootstrap=report,
        messages=(),
    )
    return replace(found, messages=(*found.doubts(), *report.messages(), *repeated_rows(table)))


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
    if np.abs(curved).max() < EXACT:
        return None, None
    straight = log_n - _fitted(x, log_n, 2)
    gained = max(float(straight @ straight - curved @ curved), 0.0)
    weights = 1 / np.maximum(variance, EXACT**2)
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
