"""Which runs to do next: those that a budget buys and that tell one number of the law best.

The design is c-optimal and local: slopes are those of ln L of Approach 3 at its least-squares fit to the
runs so far, whose information counts as known. The runs bought may repeat, as other seeds do; the noise of
ln L is taken to be the same for all runs, unless the residuals say otherwise.
"""

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.c_optimal import Offers, optimal_counts, whole_counts
from chinchilla_lib.fitting.leftover import lack_of_fit
from chinchilla_lib.fitting.leverage import leverages, surface_slopes
from chinchilla_lib.fitting.objective import Runs
from chinchilla_lib.fitting.parametric import fit_parametric
from chinchilla_lib.fitting.refit import refit_rows
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.fitting.search import Space
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "TARGETS",
    "Candidates",
    "Design",
    "DesignRun",
    "candidate_grid",
    "design_runs",
    "simulated_se",
    "target_slopes",
]

FloatArray = npt.NDArray[np.float64]

TARGETS: Final = ("a", "log_n_opt", "alpha", "beta", "E")
"""Numbers that a design can be for: the exponent of N_opt, ln N_opt at a budget, and three of the law's."""

_N_LAW: Final = 5
_UNEQUAL: Final = 0.01  # p-value below which the noise is not the same for all runs
_EXACT: Final = 1e-9  # of ln L: residuals below it are rounding
_RANK: Final = 1e-10
_SMALLEST: Final = 1_000.0
_FEW_LEFT: Final = 10  # degrees of freedom, below which the noise itself is poorly known
_MANY: Final = 200
_FINEST: Final = 200
_REFUSED: Final = 0.01  # p-value below which the law misses more than noise explains
_TOO_MANY: Final = 1e15  # runs; beyond it counts are no longer exact
_ROUGH: Final = 0.02  # loss of efficiency by rounding that is worth a note
_WIDE: Final = 0.3  # of alpha, beta or E, beyond which slopes at the estimate tell little


@dataclass(frozen=True, eq=False)
class Candidates:
    """Runs that can be bought; arrays of shape (n_candidates,).

    Raises
    ------
    InputError
        If columns differ in length or a number is not finite and above 0.
    """

    n_params: FloatArray
    """Parameters."""
    n_tokens: FloatArray
    """Training tokens."""
    flops: FloatArray
    """Price of one run in FLOPs."""

    def __post_init__(self) -> None:
        shapes = {np.shape(getattr(self, name)) for name in ("n_params", "n_tokens", "flops")}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1 or not len(self.flops):
            raise InputError(
                f"candidates need columns of one length, 1 or more, found shapes {sorted(shapes)}"
            )
        for name in ("n_params", "n_tokens", "flops"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            good = np.isfinite(values) & (values > 0)
            if not good.all():
                raise InputError(
                    f"{name} of candidates must be finite and above 0, found {values[~good][0]}; "
                    "give plain counts"
                )
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.flops)


@dataclass(frozen=True)
class DesignRun:
    """Runs of one size and length."""

    n_params: float
    """Parameters."""
    n_tokens: float
    """Training tokens."""
    flops: float
    """Of one of them."""
    count: int
    """How many, with seeds of their own."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Design:
    """The next runs, what they promise, and how much better any others could be."""

    source: str
    """Where the runs so far come from."""
    target: str
    """One of `TARGETS`."""
    at: float | None
    """The budget of ``log_n_opt`` in FLOPs, C = 6ND; None for other targets."""
    estimate: float
    """The target as the runs so far have it."""
    runs: tuple[DesignRun, ...]
    """What to run, by FLOPs of a run."""
    budget: float
    """FLOPs that could be spent."""
    max_runs: int | None
    """Runs that could be bought at most; None for no bound."""
    noise: float
    """Standard deviation of ln L between seeds; that at the runs' geometric mean FLOPs, if it varies."""
    noise_exponent: float
    """The power of FLOPs by which the noise varies; 0 if the residuals do not show that it does."""
    se_before: float
    """Standard error of the target from the runs so far."""
    se_after: float
    """With the runs of this design."""
    se_continuous: float
    """With the optimal counts before they were rounded."""
    se_bound: float
    """No runs of this price, taken from the candidates, have a smaller one."""
    se_simulated: float | None = None
    """Spread of refits to simulated losses of all runs, see `simulated_se`; None if not asked for."""
    n_candidates: int
    """Sizes times token counts that could be chosen."""
    n_params_range: tuple[float, float]
    """Of the candidates."""
    n_tokens_range: tuple[float, float]
    """Of the candidates."""
    messages: tuple[str, ...] = field(default=())
    """Doubts, one sentence each."""

    @property
    def flops(self) -> float:
        """FLOPs of all runs."""
        return float(sum(run.flops * run.count for run in self.runs))

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return sum(run.count for run in self.runs)

    @property
    def efficiency(self) -> float:
        """The bound on the variance over the variance of this design, 1 at most."""
        return _share(self.se_bound, self.se_after)

    @property
    def rounding_loss(self) -> float:
        """Share of the efficiency that whole runs cost, 0 or above."""
        return max(0.0, 1 - _share(self.se_continuous, self.se_after))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "target": self.target,
            "at": self.at,
            "estimate": self.estimate,
            "runs": [run.to_dict() for run in self.runs],
            "n_runs": self.n_runs,
            "flops": self.flops,
            "budget": self.budget,
            "max_runs": self.max_runs,
            "noise": self.noise,
            "noise_exponent": self.noise_exponent,
            "se_before": self.se_before,
            "se_after": self.se_after,
            "se_continuous": self.se_continuous,
            "se_bound": self.se_bound,
            "se_simulated": self.se_simulated,
            "efficiency": self.efficiency,
            "rounding_loss": self.rounding_loss,
            "n_candidates": self.n_candidates,
            "n_params_range": list(self.n_params_range),
            "n_tokens_range": list(self.n_tokens_range),
            "source": self.source,
            "messages": list(self.messages),
        }

    def __str__(self) -> str:
        notes = (
            textwrap.fill(f"note: {message}", 96, initial_indent="  ", subsequent_indent="    ")
            for message in self.messages
        )
        return "\n".join([*_text_lines(self), *notes])


def _share(smaller: float, larger: float) -> float:
    return min(1.0, (smaller / larger) ** 2) if larger > 0 else 1.0


def candidate_grid(
    table: SweepTable,
    *,
    n_params: tuple[float, float] | None = None,
    n_tokens: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    flops: tuple[float, float] | None = None,
    factor: float = 2.0,
    n_grid: int = 25,
) -> Candidates:
    """Every size of a range with every token count of another, evenly spaced in logarithms.

    Parameters
    ----------
    table : SweepTable
        The runs so far. A candidate costs 6ND times what runs of its size cost over 6ND in the table,
        interpolated in ln N, so that FLOPs are counted as there.
    n_params, n_tokens : tuple of float, optional
        Lowest and highest; by default those of the runs, stretched.
    ratio : tuple of float, optional
        Lowest and highest tokens per parameter; by default those of the runs, stretched: the law's word on
        other ratios is a guess, and the corners of the ranges are hundreds of times beyond them.
    flops : tuple of float, optional
        Lowest and highest FLOPs of one run; by default all are offered.
    factor : float
        By how much default ranges are stretched on either side, 1 or above.
    n_grid : int
        Values of each, 2 to 200; one where a range is a point.

    Returns
    -------
    Candidates
        With whole counts.

    Raises
    ------
    InputError
        If an argument is out of range, or no candidate is left.
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise InputError(f"factor must be finite and 1 or above, found {factor!r}; 2 is the default")
    if not 2 <= n_grid <= _FINEST:
        raise InputError(f"n_grid must be from 2 to {_FINEST}, found {n_grid!r}; 25 is the default")
    sizes, tokens = (
        _spaced(name, given, getattr(table, name), factor, n_grid)
        for name, given in (("n_params", n_params), ("n_tokens", n_tokens))
    )
    size, length = (values.ravel() for values in np.meshgrid(sizes, tokens, indexing="ij"))
    if ratio is None:
        known = table.n_tokens / table.n_params
        ratio = float(known.min()) / factor, float(known.max()) * factor
    price = 6 * size * length * _price_ratio(table, size)
    kept = np.ones(len(size), dtype=np.bool_)
    for values, bounds in ((length / size, ratio), (price, flops)):
        if bounds is not None:
            kept &= (values >= bounds[0]) & (values <= bounds[1])
    if not kept.any():
        raise InputError(
            f"of {len(kept)} candidates none has tokens per parameter in {_bounds(ratio)} and FLOPs in "
            f"{_bounds(flops)}; give wider bounds, or a finer grid"
        )
    return Candidates(size[kept], length[kept], price[kept])


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "any range" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g}"


def _spaced(
    name: str, given: tuple[float, float] | None, known: FloatArray, factor: float, n_grid: int
) -> FloatArray:
    low, high = (known.min() / factor, known.max() * factor) if given is None else given
    if given is None:
        low = min(max(low, _SMALLEST), float(known.min()))
    if not (math.isfinite(high) and _SMALLEST <= low <= high):
        raise InputError(
            f"{name} must go from a count of 1,000 or more to one that is no smaller, found "
            f"{low:.4g} to {high:.4g}; give plain counts"
        )
    return np.unique(np.round(np.geomspace(low, high, n_grid)))


def _price_ratio(table: SweepTable, n_params: FloatArray) -> FloatArray:
    """FLOPs of the table over 6ND at some sizes."""
    sizes, label = np.unique(table.n_params, return_inverse=True)
    ratio = np.log(table.flops / (6 * table.n_params * table.n_tokens))
    mean = np.bincount(label, weights=ratio) / np.bincount(label)
    return np.asarray(np.exp(np.interp(np.log(n_params), np.log(sizes), mean)), dtype=np.float64)


def target_slopes(law: ParametricLoss, target: str, at: float | None = None) -> tuple[float, FloatArray]:
    """A target's value, and its slopes in E, ln A, ln B, alpha and beta.

    Parameters
    ----------
    law : ParametricLoss
    target : str
        One of `TARGETS`.
    at : float, optional
        The budget of ``log_n_opt`` in FLOPs, C = 6ND.

    Raises
    ------
    InputError
        If the target is not known or a budget is missing or not wanted.
    """
    if target not in TARGETS:
        raise InputError(f"target is {target!r}; give one of {', '.join(TARGETS)}")
    if (target == "log_n_opt") != (at is not None):
        raise InputError(
            f"at is {at!r} with target {target!r}; log_n_opt needs the FLOPs of a budget, others take none"
        )
    alpha, beta = law.alpha, law.beta
    total = alpha + beta
    slopes = np.zeros(_N_LAW)
    if target == "a":
        slopes[3:] = -beta / total**2, alpha / total**2
        return law.a, slopes
    if at is not None:
        if not (math.isfinite(at) and at > 0):
            raise InputError(f"at must be finite and above 0, found {at!r}; give a budget in FLOPs")
        log_c = math.log(at / 6)
        # ln N_opt = (ln alpha + ln A - ln beta - ln B + beta ln(C / 6)) / (alpha + beta)
        log_n = (math.log(alpha * law.A) - math.log(beta * law.B) + beta * log_c) / total
        slopes[1:] = 1 / total, -1 / total, (1 / alpha - log_n) / total, (log_c - 1 / beta - log_n) / total
        return log_n, slopes
    place = {"E": 0, "alpha": 3, "beta": 4}[target]
    slopes[place] = 1.0
    return float(getattr(law, target)), slopes


def design_runs(
    table: SweepTable,
    budget: float,
    *,
    target: str = "a",
    at: float | None = None,
    candidates: Candidates | None = None,
    max_runs: int | None = None,
    noise: float | None = None,
    n_simulated: int = 0,
    seed: int = 0,
) -> Design:
    """The runs that a budget buys and that lower the variance of a target most.

    Parameters
    ----------
    table : SweepTable
        The runs so far: more than five, from which Approach 3 by least squares finds a law.
    budget : float
        FLOPs to spend, counted as in the table.
    target : str
        One of `TARGETS`.
    at : float, optional
        For ``log_n_opt``, a budget in FLOPs (C = 6ND); by default that of the largest run so far.
    candidates : Candidates, optional
        Runs to choose from; `candidate_grid` of the table by default.
    max_runs : int, optional
        Runs at most. Without it cheap runs are bought in whatever number: the model knows no other cost.
    noise : float, optional
        Standard deviation of ln L between seeds, above 0; by default from the residuals.
    n_simulated : int
        With 2 or more, `simulated_se` checks the promise by so many refits.
    seed : int
        Of these, 0 or above.

    Returns
    -------
    Design
        ``se_after`` is that of a fit of Approach 3 by least squares (``delta=inf``) to all runs; with the
        paper's delta it is larger. The certificate is about the runs that were offered.

    Raises
    ------
    InputError
        If the runs give no law, the budget buys no candidate, or an argument is out of range.

    Notes
    -----
    The design is optimal if the estimate is the truth, and serves to tell the numbers of the law, not whether
    it holds: a design for one number has few distinct sizes. Whether the noise varies is told by a line
    through ln of the squared residuals against ln of FLOPs (Harvey 1976, Econometrica 44), at p < 0.01; runs
    then count by the inverse of their variance, here and in the fit that is promised.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.002)
    >>> design = design_runs(runs, 1e21, max_runs=20)
    >>> design.se_after < design.se_before / 2 and design.efficiency > 0.95
    True
    """
    if not (math.isfinite(budget) and budget > 0):
        raise InputError(f"budget must be finite and above 0, found {budget!r}; give FLOPs to spend")
    if max_runs is not None and max_runs < 1:
        raise InputError(f"max_runs must be 1 or above, found {max_runs!r}; leave it out for no bound")
    if noise is not None and not (math.isfinite(noise) and noise > 0):
        raise InputError(f"noise must be finite and above 0, found {noise!r}; 0.002 is 0.2 % of the loss")
    if n_simulated < 0 or n_simulated == 1:
        raise InputError(f"n_simulated must be 0, or 2 or above, found {n_simulated!r}")
    if target == "log_n_opt" and at is None:
        at = float((6 * table.n_params * table.n_tokens).max())
    offered = candidate_grid(table) if candidates is None else candidates
    known = _Known.from_table(table, noise)
    estimate, slopes = target_slopes(known.law, target, at)
    cheapest = float(offered.flops.min())
    if cheapest > budget:
        raise InputError(
            f"budget is {format_flops(budget)} FLOPs, and the cheapest of {len(offered)} candidates costs "
            f"{format_flops(cheapest)}; raise the budget, or offer smaller sizes or fewer tokens"
        )
    if max_runs is None and budget / cheapest > _TOO_MANY:
        raise InputError(
            f"budget is {format_flops(budget)} FLOPs and buys {budget / cheapest:.3g} of the cheapest runs; "
            "give max_runs, or offer larger ones"
        )
    offers = Offers(
        slopes=known.whiten(known.rows(offered.n_params, offered.n_tokens, offered.flops)),
        prices=offered.flops,
        direction=known.whiten(slopes[None])[0],
        budget=budget,
        max_count=math.inf if max_runs is None else float(max_runs),
    )
    optimum = optimal_counts(offers)
    counts = whole_counts(offers, optimum)
    bought = sorted(np.flatnonzero(counts).tolist(), key=lambda one: (offered.flops[one], one))
    runs = tuple(
        DesignRun(
            float(offered.n_params[one]),
            float(offered.n_tokens[one]),
            float(offered.flops[one]),
            int(counts[one]),
        )
        for one in bought
    )
    before = known.noise * float(np.linalg.norm(offers.direction))
    after = known.noise * math.sqrt(offers.variance(counts))
    simulated = _simulated(known, runs, target, at, n_simulated, seed) if n_simulated else None
    return Design(
        source=table.source,
        target=target,
        at=at,
        estimate=estimate,
        runs=runs,
        budget=budget,
        max_runs=max_runs,
        noise=known.noise,
        noise_exponent=known.exponent,
        se_before=before,
        se_after=after,
        se_continuous=known.noise * math.sqrt(optimum.variance),
        se_bound=known.noise * math.sqrt(min(optimum.bound, offers.variance(counts))),
        se_simulated=simulated,
        n_candidates=len(offered),
        n_params_range=(float(offered.n_params.min()), float(offered.n_params.max())),
        n_tokens_range=(float(offered.n_tokens.min()), float(offered.n_tokens.max())),
        messages=_messages(known, offers, slopes, counts, runs, optimum.variance, simulated, after),
    )


def simulated_se(table: SweepTable, design: Design, *, n_simulated: int = 400, seed: int = 0) -> float:
    """Spread of the target over refits to simulated losses of the runs so far and the design's.

    The truth is the law that was fitted; refits are by least squares, followed to their optima, so that
    nothing is linear in them but the noise.

    Parameters
    ----------
    table : SweepTable
        The runs that the design was made from.
    design : Design
    n_simulated : int
        2 or more.
    seed : int
        0 or above.

    Returns
    -------
    float
        Standard deviation; its own relative error is 1 / sqrt(2 n_simulated).

    Raises
    ------
    InputError
        As `design_runs`.
    """
    if n_simulated < 2:
        raise InputError(f"n_simulated must be 2 or above, found {n_simulated!r}; 400 is the default")
    known = _Known.from_table(table, design.noise, design.noise_exponent)
    return _simulated(known, design.runs, design.target, design.at, n_simulated, seed)


@dataclass(frozen=True, eq=False)
class _Known:
    """The fit to the runs so far, and what it knows."""

    fit: FrontierFit
    law: ParametricLoss
    noise: float
    exponent: float
    """Power of FLOPs by which the noise varies."""
    p_value: float
    """Of that power being 0; 1 if it was not tested."""
    middle: float
    """Geometric mean of FLOPs, where the noise is `noise`."""
    root: FloatArray
    """Upper triangle R with R'R the information."""

    @classmethod
    def from_table(cls, table: SweepTable, noise: float | None, exponent: float | None = None) -> "_Known":
        fit = fit_parametric(table, delta=math.inf)
        law = fit.law
        assert law is not None
        if fit.diagnostics.degenerate is not None:
            raise InputError(
                f"{table.source}: the runs so far give no law to design by: {fit.diagnostics.degenerate}; "
                "add runs of other sizes and token counts first"
            )
        middle = math.exp(float(np.log(table.flops).mean()))
        slopes = _log_slopes(law, table.n_params, table.n_tokens)
        residuals = np.log1p(fit.residuals / (table.loss - fit.residuals))
        p_value = 1.0
        if exponent is None:
            exponent, p_value = _noise_exponent(residuals, slopes, np.log(table.flops / middle))
        scale = (table.flops / middle) ** exponent
        if noise is None:
            noise = math.sqrt(float(((residuals / scale) ** 2).sum()) / (len(table) - _N_LAW))
        rows = slopes / scale[:, None]
        size = np.linalg.norm(rows, axis=0)
        root = np.linalg.qr(rows / np.where(size > 0, size, 1.0), mode="r")
        if np.linalg.cond(root) > 1 / _RANK:
            raise InputError(
                f"{table.where(range(len(table)), 'loss')}: the runs so far do not tell all five numbers of "
                "the law apart; add runs of other sizes and token counts first"
            )
        return cls(fit, law, noise, exponent, p_value, middle, root * size)

    def scale(self, flops: FloatArray) -> FloatArray:
        """Noise over `noise`."""
        return np.asarray((flops / self.middle) ** self.exponent, dtype=np.float64)

    def rows(self, n_params: FloatArray, n_tokens: FloatArray, flops: FloatArray) -> FloatArray:
        """Slopes of ln L over the noise, for runs, shape (n, 5)."""
        return _log_slopes(self.law, n_params, n_tokens) / self.scale(flops)[:, None]

    def whiten(self, rows: FloatArray) -> FloatArray:
        """Rows in coordinates in which the information is the identity."""
        return np.asarray(np.linalg.solve(self.root.T, rows.T).T, dtype=np.float64)


def _log_slopes(law: ParametricLoss, n_params: FloatArray, n_tokens: FloatArray) -> FloatArray:
    """Slopes of ln L in E, ln A, ln B, alpha and beta."""
    slopes = np.insert(surface_slopes(law, n_params, n_tokens), 0, 1.0, axis=1)
    return np.asarray(slopes / law.loss(n_params, n_tokens)[:, None], dtype=np.float64)


def _noise_exponent(residuals: FloatArray, slopes: FloatArray, log_flops: FloatArray) -> tuple[float, float]:
    """Power of FLOPs by which the noise varies, 0 if that cannot be told, and its p-value."""
    freedom = len(residuals) - _N_LAW
    if freedom < _FEW_LEFT or np.abs(residuals).max() < _EXACT or np.ptp(log_flops) < _EXACT:
        return 0.0, 1.0
    left = np.maximum(1 - leverages(slopes), 1e-3)
    size = np.log(np.maximum(np.abs(residuals) / np.sqrt(left), _EXACT))
    x = log_flops - log_flops.mean()
    slope = float(x @ size / (x @ x))
    about = size - size.mean() - slope * x
    error = math.sqrt(float(about @ about) / (len(size) - 2) / float(x @ x))
    p_value = 2 * float(stdtr(len(size) - 2, -abs(slope) / error)) if error > 0 else 1.0
    return (slope, p_value) if p_value < _UNEQUAL else (0.0, p_value)


def _simulated(
    known: _Known, runs: tuple[DesignRun, ...], target: str, at: float | None, n_simulated: int, seed: int
) -> float:
    if seed < 0:
        raise InputError(f"seed must be a whole number, 0 or above, found {seed!r}")
    table, law = known.fit.table, known.law
    n_params = np.concatenate([table.n_params, [run.n_params for run in runs]])
    n_tokens = np.concatenate([table.n_tokens, [run.n_tokens for run in runs]])
    flops = np.concatenate([table.flops, [run.flops for run in runs]])
    counts = np.concatenate([np.ones(len(table)), [run.count for run in runs]])
    # Runs of one kind enter by their mean: least squares sees no more of them.
    weights = counts / known.scale(flops) ** 2
    noise = np.random.default_rng(seed).standard_normal((n_simulated, len(flops)))
    log_loss = np.log(law.loss(n_params, n_tokens)) + known.noise * noise / np.sqrt(weights)
    x, y = np.log(n_params), np.log(n_tokens)
    center = float(x.mean()), float(y.mean())
    data = Runs(x - center[0], y - center[1], log_loss, center, np.tile(weights, (n_simulated, 1)))
    truth = np.array([[law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta]])
    params, _ = refit_rows(data, data.from_law(truth), math.inf, Space())
    e, log_a, log_b, alpha, beta = data.to_law(params).T
    if target == "a":
        values = beta / (alpha + beta)
    elif at is not None:
        values = (np.log(alpha) + log_a - np.log(beta) - log_b + beta * math.log(at / 6)) / (alpha + beta)
    else:
        values = {"E": e, "alpha": alpha, "beta": beta}[target]
    return float(np.std(values, ddof=1))


def _messages(
    known: _Known,
    offers: Offers,
    slopes: FloatArray,
    counts: npt.NDArray[np.int64],
    runs: tuple[DesignRun, ...],
    continuous: float,
    simulated: float | None,
    after: float,
) -> tuple[str, ...]:
    table, law, messages = known.fit.table, known.law, []
    n_runs = int(counts.sum())
    if known.noise < _EXACT:
        messages.append(
            "the runs so far lie on the law to rounding, so standard errors mean nothing; give the noise"
        )
    if (freedom := len(table) - _N_LAW) < _FEW_LEFT:
        messages.append(f"the noise is estimated from {freedom} degrees of freedom; give it if you know it")
    if (refusal := _refusal(known.fit)) is not None:
        messages.append(refusal)
    if known.exponent:
        plain = _unweighted_se(known, offers, slopes, counts)
        messages.append(
            f"the noise varies as FLOPs to the power {known.exponent:.2f} (p = {known.p_value:.1g}): runs "
            "count by the inverse of their variance, and the promise is that of a fit weighted likewise; "
            f"without weights the standard error is {plain:.3g}"
        )
    if n_runs > _MANY:
        messages.append(
            f"{n_runs} runs, because small runs tell most for their FLOPs and nothing else has a price here; "
            "bound their number with max_runs, or raise the smallest size and token count"
        )
    if offers.variance(counts) > 0 and (lost := 1 - continuous / offers.variance(counts)) > _ROUGH:
        messages.append(f"rounding to whole runs costs {lost:.1%} of the efficiency; a larger budget less")
    errors = known.noise * np.linalg.norm(known.whiten(np.eye(_N_LAW)), axis=1)
    if law.E == 0:
        messages.append(
            "E came out as 0, the least it can be; standard errors are those of an E that is free to go "
            "below, and tend to be too large"
        )
    shaky = [
        name
        for name, error in zip(("E", "alpha", "beta"), errors[[0, 3, 4]], strict=True)
        if error > _WIDE * getattr(law, name) > 0
    ]
    if shaky:
        messages.append(
            f"{' and '.join(shaky)} {'is' if len(shaky) == 1 else 'are'} known to no better than {_WIDE:.0%} "
            "so far, and the design is best at the estimate only: spend a part, fit, and design again"
        )
    if len(runs) < _N_LAW:
        messages.append(
            f"the design has {len(runs)} kinds of runs: it tells the law's numbers, not whether the law holds"
        )
    known_ratio = table.n_tokens / table.n_params
    outside = sum(
        run.count
        for run in runs
        if not known_ratio.min() / 2 <= run.n_tokens / run.n_params <= known_ratio.max() * 2
    )
    if outside:
        messages.append(
            f"{outside} of {n_runs} runs have less than half or more than twice the tokens per parameter of "
            f"any run so far, {known_ratio.min():.3g} to {known_ratio.max():.3g}: nothing tells whether the "
            "law holds there; bound the ratio"
        )
    if simulated is not None and not 0.8 < simulated / max(after, 1e-300) < 1.25:
        messages.append(
            f"simulated refits spread by {simulated:.3g} where {after:.3g} is promised: the slopes at the "
            "estimate do not carry so far"
        )
    return tuple(messages)


def _refusal(fit: FrontierFit) -> str | None:
    """What repeated runs say against the law; None if nothing, or if no run was repeated."""
    try:
        test = lack_of_fit(fit)
    except InputError:
        return None
    if test.p_value >= _REFUSED or test.noise == 0:
        return None
    return (
        f"the law misses the means of repeated runs by {test.misfit:.2g} nats where seeds scatter by "
        f"{test.noise:.2g} (F test, p = {test.p_value:.1g}): these runs do not follow it, and a design tells "
        "the numbers of a law, not whether it holds"
    )


def _unweighted_se(known: _Known, offers: Offers, slopes: FloatArray, counts: npt.NDArray[np.int64]) -> float:
    """Standard error of a fit that takes all runs alike, where the noise varies."""
    table = known.fit.table
    bought = np.flatnonzero(counts)
    old_scale = known.scale(table.flops)
    new_scale = known.scale(offers.prices[bought])
    old = known.whiten(known.rows(table.n_params, table.n_tokens, table.flops))
    rows = np.concatenate([old, offers.slopes[bought]])
    scale = np.concatenate([old_scale, new_scale])
    weight = np.concatenate([np.ones(len(table)), counts[bought]])
    plain = rows * scale[:, None]
    bread = np.linalg.inv(plain.T @ (weight[:, None] * plain))
    meat = plain.T @ ((weight * scale**2)[:, None] * plain)
    direction = known.whiten(slopes[None])[0]
    return known.noise * math.sqrt(float(direction @ bread @ meat @ bread @ direction))


def _text_lines(design: Design) -> list[str]:
    wanted = design.target if design.at is None else f"{design.target} at {format_flops(design.at)} FLOPs"
    lines = [
        f"{design.n_runs} runs for {wanted}: {format_flops(design.flops)} of "
        f"{format_flops(design.budget)} FLOPs, to be added to the runs of {design.source}",
        f"  {'runs':>7} {'N':>8} {'D':>8} {'D/N':>8} {'FLOPs each':>11} {'of budget':>10}",
    ]
    lines += [
        f"  {run.count:>7} {format_count(run.n_params):>8} {format_count(run.n_tokens):>8} "
        f"{run.n_tokens / run.n_params:>8.3g} {format_flops(run.flops):>11} "
        f"{run.count * run.flops / design.budget:>10.1%}"
        for run in design.runs
    ]
    lines += [
        f"  {wanted} = {design.estimate:.5g}, standard error {design.se_before:.3g} before, "
        f"{design.se_after:.3g} after",
        f"  certificate: no runs of this price, of {design.n_candidates} kinds with "
        f"{' to '.join(map(format_count, design.n_params_range))} parameters and "
        f"{' to '.join(map(format_count, design.n_tokens_range))} tokens,",
        f"  reach less than {design.se_bound:.3g}; efficiency {design.efficiency:.2%}, "
        f"whole runs cost {design.rounding_loss:.2%}",
    ]
    if design.se_simulated is not None:
        lines.append(f"  simulated refits spread by {design.se_simulated:.3g}")
    return lines
