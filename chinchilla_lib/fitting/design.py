"""Which runs to do next: those that a budget buys and that tell one number of the law best.

The design is c-optimal and local: slopes are those of ln L of Approach 3 at its least-squares fit to the
runs so far, whose information counts as known. The runs bought may repeat, as other seeds do; the noise of
ln L is taken to be the same for all runs, unless the residuals say otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.arguments import check_noise, check_seed, check_simulations
from chinchilla_lib.fitting.c_optimal import Offers, optimal_counts, whole_counts
from chinchilla_lib.fitting.design_result import Design, DesignRun
from chinchilla_lib.fitting.design_target import target_slopes, target_values
from chinchilla_lib.fitting.leftover import lack_of_fit
from chinchilla_lib.fitting.leverage import leverages, surface_slopes
from chinchilla_lib.fitting.objective import Runs
from chinchilla_lib.fitting.offered_runs import Candidates, candidate_grid
from chinchilla_lib.fitting.parametric import fit_parametric
from chinchilla_lib.fitting.refit import refit_rows
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.fitting.search import Space
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["design_runs", "simulated_se"]

FloatArray = npt.NDArray[np.float64]

_N_LAW: Final = 5
_UNEQUAL: Final = 0.01  # p-value below which the noise is not the same for all runs
_EXACT: Final = 1e-9  # of ln L: residuals below it are rounding
_RANK: Final = 1e-10
_FEW_LEFT: Final = 10  # degrees of freedom, below which the noise itself is poorly known
_MANY: Final = 200
_REFUSED: Final = 0.01  # p-value below which the law misses more than noise explains
_TOO_MANY: Final = 1e15  # runs; beyond it counts are no longer exact
_ROUGH: Final = 0.02  # loss of efficiency by rounding that is worth a note
_WIDE: Final = 0.3  # of alpha, beta or E, beyond which slopes at the estimate tell little


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
        One of `chinchilla_lib.fitting.design_target.TARGETS`.
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
    if noise is not None:
        check_noise(noise)
    check_simulations(n_simulated)
    check_seed(seed)
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
    design = Design(
        source=table.source,
        target=target,
        at=at,
        estimate=estimate,
        runs=runs,
        budget=budget,
        max_runs=max_runs,
        noise=known.noise,
        noise_exponent=known.exponent,
        se_before=known.noise * float(np.linalg.norm(offers.direction)),
        se_after=known.noise * math.sqrt(offers.variance(counts)),
        se_continuous=known.noise * math.sqrt(optimum.variance),
        se_bound=known.noise * math.sqrt(min(optimum.bound, offers.variance(counts))),
        se_simulated=_simulated(known, runs, target, at, n_simulated, seed) if n_simulated else None,
        n_candidates=len(offered),
        n_params_range=(float(offered.n_params.min()), float(offered.n_params.max())),
        n_tokens_range=(float(offered.n_tokens.min()), float(offered.n_tokens.max())),
    )
    return replace(design, messages=_messages(known, design))


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
    check_seed(seed)
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
    known: _Known, runs: Sequence[DesignRun], target: str, at: float | None, n_simulated: int, seed: int
) -> float:
    law = known.law
    n_params, n_tokens, flops, counts = _joined(known.fit.table, runs)
    # Runs of one kind enter by their mean: least squares sees no more of them.
    weights = counts / known.scale(flops) ** 2
    noise = np.random.default_rng(seed).standard_normal((n_simulated, len(flops)))
    log_loss = np.log(law.loss(n_params, n_tokens)) + known.noise * noise / np.sqrt(weights)
    x, y = np.log(n_params), np.log(n_tokens)
    center = float(x.mean()), float(y.mean())
    data = Runs(x - center[0], y - center[1], log_loss, center, np.tile(weights, (n_simulated, 1)))
    truth = np.array([[law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta]])
    params, _ = refit_rows(data, data.from_law(truth), math.inf, Space())
    return float(np.std(target_values(data.to_law(params), target, at), ddof=1))


def _joined(table: SweepTable, runs: Sequence[DesignRun]) -> FloatArray:
    """Sizes, tokens, FLOPs and counts of the runs so far and of others, shape (4, n)."""
    known = np.stack([table.n_params, table.n_tokens, table.flops, np.ones(len(table))])
    new = np.array([(run.n_params, run.n_tokens, run.flops, run.count) for run in runs]).reshape(-1, 4)
    return np.concatenate([known, new.T], axis=1)


def _messages(known: _Known, design: Design) -> tuple[str, ...]:
    table, law, messages = known.fit.table, known.law, []
    if known.noise < _EXACT:
        messages.append(
            "the runs so far lie on the law to rounding, so standard errors mean nothing; give the noise"
        )
    if (freedom := len(table) - _N_LAW) < _FEW_LEFT:
        messages.append(f"the noise is estimated from {freedom} degrees of freedom; give it if you know it")
    if (refusal := _refusal(known.fit)) is not None:
        messages.append(refusal)
    if known.exponent:
        plain = _unweighted_se(known, design)
        messages.append(
            f"the noise varies as FLOPs to the power {known.exponent:.2f} (p = {known.p_value:.1g}): runs "
            "count by the inverse of their variance, and the promise is that of a fit weighted likewise; "
            f"without weights the standard error is {plain:.3g}"
        )
    if design.n_runs > _MANY:
        messages.append(
            f"{design.n_runs} runs, because small runs tell most for their FLOPs and nothing else has a "
            "price here; bound their number with max_runs, or raise the smallest size and token count"
        )
    if (lost := design.rounding_loss) > _ROUGH:
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
    if len(design.runs) < _N_LAW:
        messages.append(
            f"the design has {len(design.runs)} kinds of runs: it tells the law's numbers, not whether the "
            "law holds"
        )
    known_ratio = table.n_tokens / table.n_params
    outside = sum(
        run.count
        for run in design.runs
        if not known_ratio.min() / 2 <= run.n_tokens / run.n_params <= known_ratio.max() * 2
    )
    if outside:
        messages.append(
            f"{outside} of {design.n_runs} runs have less than half or more than twice the tokens per "
            f"parameter of any run so far, {known_ratio.min():.3g} to {known_ratio.max():.3g}: nothing tells "
            "whether the law holds there; bound the ratio"
        )
    simulated = design.se_simulated
    if simulated is not None and not 0.8 < simulated / max(design.se_after, 1e-300) < 1.25:
        messages.append(
            f"simulated refits spread by {simulated:.3g} where {design.se_after:.3g} is promised: the slopes "
            "at the estimate do not carry so far"
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


def _unweighted_se(known: _Known, design: Design) -> float:
    """Standard error of a fit that takes all runs alike, where the noise varies."""
    n_params, n_tokens, flops, counts = _joined(known.fit.table, design.runs)
    scale = known.scale(flops)[:, None]
    plain = known.whiten(known.rows(n_params, n_tokens, flops)) * scale
    bread = np.linalg.inv(plain.T @ (counts[:, None] * plain))
    meat = plain.T @ (counts[:, None] * scale**2 * plain)
    direction = known.whiten(target_slopes(known.law, design.target, design.at)[1][None])[0]
    return known.noise * math.sqrt(float(direction @ bread @ meat @ bread @ direction))
