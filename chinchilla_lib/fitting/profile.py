"""Profile intervals of Approach 3: how far a quantity can be moved before the best fit beside it is too bad.

The objective F is no likelihood, so its rise is measured in units of tau = sum psi^2 / (n - k) / mean psi',
with psi the derivative of Huber's function at the residuals of the fit: 2 (F - F_min) / tau then follows a
chi-square law with one degree of freedom. For least squares tau is the residual variance. Else the
mean of psi' is the share of residuals inside delta; delta is narrow, so the share is taken inside the wider
of delta and a kernel's bandwidth and scaled down. All runs are taken to scatter alike; the pairs bootstrap
does without that, and its intervals are the default.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import chi2

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.least_absolute import SMOOTH
from chinchilla_lib.fitting.newton import minimise
from chinchilla_lib.fitting.objective import EXACT, HuberSum, Runs, gradient_scale, huber, log_residuals
from chinchilla_lib.fitting.parametric import parametric_options
from chinchilla_lib.fitting.result import LAW_FIELDS, FrontierFit
from chinchilla_lib.fitting.search import Space, parameter_bounds

__all__ = ["PROFILED", "profile_interval", "profile_intervals", "quasi_scale"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

PROFILED: Final = ("E", "A", "B", "alpha", "beta", "a", "n_opt")
"""Quantities that have a profile."""

_STRETCH: Final = 1.6
_MOST_STRETCHES: Final = 40
_PRECISE: Final = 1e-5


def profile_interval(
    fit: FrontierFit, name: str, *, level: float = 0.9, flops: float | None = None
) -> Interval:
    """Profile interval of a quantity of a parametric fit.

    Parameters
    ----------
    fit : FrontierFit
        Of Approach 3.
    name : str
        One of `PROFILED`; ``a`` is the exponent of N_opt.
    level : float
        Between 0 and 1.
    flops : float, optional
        The budget, C = 6ND, for ``n_opt``.

    Returns
    -------
    low, high : float
        Infinite (or 0 for E, A, B and N_opt) where the objective never rises enough.

    Raises
    ------
    InputError
        If the fit is of another method or degenerate, or an argument is not allowed.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_parametric
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> low, high = profile_interval(fit_parametric(runs), "a")
    >>> low < law.a < high
    True
    """
    delta, space = parametric_options(fit)
    if name not in PROFILED:
        raise InputError(f"profiles are known for {', '.join(PROFILED)}, found {name!r}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    if name == "n_opt" and not (flops is not None and math.isfinite(flops) and flops > 0):
        raise InputError(f"n_opt needs flops, a budget above 0, found {flops!r}")
    if fit.diagnostics.degenerate is not None:
        raise InputError(f"no profile of a degenerate fit: {fit.diagnostics.degenerate}")
    law = fit.law
    assert law is not None
    if (name == "E" and space.floor is not None) or (name == "a" and space.tied):
        raise InputError(f"{name} is held in this fit and has no interval")
    delta = max(delta, SMOOTH)
    runs = Runs.from_table(fit.table, np.arange(len(fit.table)))
    floor = max(law.E, math.exp(runs.log_loss.min() - 20))
    params = runs.from_law(np.array([[floor, math.log(law.A), math.log(law.B), law.alpha, law.beta]]))
    profile = _Profile(runs, delta, space, name, flops)
    start = float(
        {"E": math.log(floor), "A": math.log(law.A), "B": math.log(law.B), "alpha": law.alpha,
         "beta": law.beta, "a": law.a, "n_opt": fit.n_opt.exponent * math.log(flops or 1.0)
         + math.log(fit.n_opt.coefficient)}[name]
    )  # fmt: skip
    scale = quasi_scale(log_residuals(runs, params)[0], delta, space.n_free)
    allowed = scale * float(chi2.ppf(level, 1)) / 2
    lowest = float(huber(log_residuals(runs, params), delta).sum())
    ends = [
        _end(profile, start, params[0], side, lambda value: value - lowest - allowed) for side in (-1.0, 1.0)
    ]
    if name in ("E", "A", "B", "n_opt"):
        with np.errstate(over="ignore"):
            ends = [float(np.exp(end)) for end in ends]
    return ends[0], ends[1]


def profile_intervals(fit: FrontierFit, level: float = 0.9) -> dict[str, Interval]:
    """Profile intervals of a, b and the law of a parametric fit; what is held has its value at both ends.

    Parameters
    ----------
    fit, level
        As for `profile_interval`, with its errors.
    """
    law, space = fit.law, parametric_options(fit)[1]
    assert law is not None
    held = {"a": (fit.a, fit.a)} if space.tied else {}
    held |= {"E": (law.E, law.E)} if space.floor is not None else {}
    known = {
        name: held[name] if name in held else profile_interval(fit, name, level=level)
        for name in ("a", *LAW_FIELDS)
    }
    low, high = known["a"]
    return {"a": (low, high), "b": (1 - high, 1 - low)} | known


def quasi_scale(residuals: FloatArray, delta: float, n_free: int) -> float:
    """Tau, the unit in which a rise of the objective is measured.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.002, 400)
    >>> f"{quasi_scale(noise, 1.0, 0):.1e}"
    '4.0e-06'
    """
    psi = np.clip(residuals, -delta, delta)
    spread = 1.4826 * float(np.median(np.abs(residuals)))
    width = max(delta, 1.06 * spread * len(residuals) ** -0.2, EXACT)
    inside = float(np.mean(np.abs(residuals) <= width)) * (1.0 if math.isinf(width) else delta / width)
    return float(psi @ psi) / (len(residuals) - n_free) / inside


def _end(
    profile: "_Profile", start: float, params: FloatArray, side: float, excess: Callable[[float], float]
) -> float:
    """Where the profile crosses its allowance on one side."""
    width = 0.01 * max(abs(start), 0.1)
    inner, current = start, params
    for _ in range(_MOST_STRETCHES):
        outer = inner + side * width
        if not profile.allows(outer):
            return side * math.inf if profile.name not in ("alpha", "beta", "a") else inner
        value, current = profile(outer, current)
        if excess(value) > 0:
            crossing = partial(_excess, profile, current, excess)
            return float(brentq(crossing, inner, outer, xtol=_PRECISE * abs(outer - inner)))
        inner, width = outer, width * _STRETCH
    return side * math.inf


def _excess(profile: "_Profile", params: FloatArray, excess: Callable[[float], float], held: float) -> float:
    return excess(profile(held, params)[0])


@dataclass(frozen=True, eq=False)
class _Profile:
    """The lowest objective with one quantity held."""

    runs: Runs
    delta: float
    space: Space
    name: str
    flops: float | None

    def allows(self, held: float) -> bool:
        """Whether the quantity can have this value."""
        match self.name:
            case "alpha" | "beta":
                return 1e-3 < held < 20
            case "a":
                return 0 < held < 1
            case "E":
                return held < float(self.runs.log_loss.max())
        return True

    def __call__(self, held: float, params: FloatArray) -> tuple[float, FloatArray]:
        """The value there, and the parameters; the search begins at `params`."""
        names, fill = self._reduced(held)
        lower, upper = parameter_bounds(self.runs)
        objective = HuberSum(self.runs, self.delta)

        def evaluate(free: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            whole, slopes, bends = zip(*(fill(point) for point in free), strict=True)
            value, gradient, hessian = objective(np.stack(whole), np.zeros(len(rows), dtype=np.intp))
            slope, bend = np.stack(slopes), np.stack(bends)
            reduced = np.einsum("nji,njk,nkl->nil", slope, hessian, slope) + gradient[:, :1, None] * bend
            return value, np.einsum("nj,nji->ni", gradient, slope), reduced

        found = minimise(
            evaluate,
            params[None, names],
            lower=lower[names],
            upper=upper[names],
            scale=lambda free, _: gradient_scale(
                self.runs, np.stack([fill(point)[0] for point in free]), self.delta, squared=True
            )[:, names],
            negligible=np.full(1, float(huber(np.array([EXACT]), self.delta)[0]) * len(self.runs.x)),
        )
        return float(found.value[0]), fill(found.point[0])[0]

    def _reduced(
        self, held: float
    ) -> tuple[list[int], Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]]:
        """Places of the parameters left free, and how these fill all five, with first and second derivatives.

        Only the first parameter, a, is ever bent.
        """
        (cx, cy), tied = self.runs.center, self.space.tied
        fixed = {"E": 2, "A": 0, "B": 1, "alpha": 3, "beta": 4, "a": 4, "n_opt": 0}[self.name]
        if tied and self.name == "beta":
            fixed = 3
        out = {fixed} | ({4} if tied else set()) | ({2} if self.space.floor is not None else set())
        names = [place for place in range(5) if place not in out]
        log_c = math.log((self.flops or 6.0) / 6)

        def fill(free: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            params, slope, bend = np.zeros(5), np.zeros((5, len(names))), np.zeros((len(names), len(names)))
            params[names] = free
            slope[names, np.arange(len(names))] = 1
            if self.space.floor is not None:
                params[2] = math.log(self.space.floor) if self.space.floor > 0 else -math.inf
            if self.name in ("alpha", "beta"):
                params[fixed] = held
            elif self.name == "a":
                params[4], slope[4] = params[3] * held / (1 - held), slope[3] * held / (1 - held)
            elif self.name == "E":
                params[2] = held
            if tied:
                params[4], slope[4] = params[3], slope[3]
            alpha, beta = params[3:]
            if self.name == "A":
                params[0], slope[0] = held - alpha * cx, -cx * slope[3]
            elif self.name == "B":
                params[1], slope[1] = held - beta * cy, -cy * slope[4]
            elif self.name == "n_opt":
                params[0] = params[1] + beta * cy - alpha * cx + held * (alpha + beta)
                params[0] += math.log(beta / alpha) - beta * log_c
                slope[0] = (
                    slope[1] + (held - cx - 1 / alpha) * slope[3] + (held + cy + 1 / beta - log_c) * slope[4]
                )
                bend = np.outer(slope[3], slope[3]) / alpha**2 - np.outer(slope[4], slope[4]) / beta**2
            return params, slope, bend

        return names, fill
