"""What every estimator returns: the fitted frontier and its uncertainty."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Diagnostics, Interval, OptimumPoint
from chinchilla_lib.fitting.verdict import Verdict, judge_frontier
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["LAW_FIELDS", "Allocation", "FrontierDraws", "FrontierFit", "log_surface"]

FloatArray = npt.NDArray[np.float64]

LAW_FIELDS: Final = ("E", "A", "B", "alpha", "beta")
"""Fields of the law, in the order of `FrontierDraws.law` (which holds A and B as logarithms)."""

_SHOWN: Final = 12  # points in the text of a fit


@dataclass(frozen=True, eq=False)
class FrontierDraws:
    """Bootstrap draws of the frontier; arrays of shape (n_draws,)."""

    a: FloatArray
    """Exponent of N_opt."""
    b: FloatArray
    """Exponent of D_opt."""
    log_n_coefficient: FloatArray
    """ln N_opt at one FLOP."""
    log_d_coefficient: FloatArray
    """ln D_opt at one FLOP."""
    law: FloatArray | None = None
    """E, ln A, ln B, alpha and beta of each draw, shape (n_draws, 5); None if the method has no law."""
    loss_line: FloatArray | None = None
    """Intercept and slope of ln L_opt in ln C, shape (n_draws, 2), for a method without a law."""

    @classmethod
    def concatenate(cls, batches: Sequence["FrontierDraws"]) -> "FrontierDraws":
        """Join batches of draws."""

        def join(name: str) -> Any:
            parts = [getattr(batch, name) for batch in batches]
            return None if any(part is None for part in parts) else np.concatenate(parts)

        return cls(**{field.name: join(field.name) for field in fields(cls)})

    def log_loss(self, log_flops: float) -> FloatArray | None:
        """Logarithm of the loss at each draw's own optimum of a budget; None if no loss is known."""
        if self.law is not None:
            log_n = self.log_n_coefficient + self.a * log_flops
            log_d = self.log_d_coefficient + self.b * log_flops
            return log_surface(self.law, log_n, log_d)
        if self.loss_line is not None:
            return np.asarray(self.loss_line[:, 0] + self.loss_line[:, 1] * log_flops, dtype=np.float64)
        return None


def log_surface(laws: FloatArray, log_n: FloatArray | float, log_d: FloatArray | float) -> FloatArray:
    """ln L of laws (E, ln A, ln B, alpha, beta), shape (n_draws, 5), each at its own or at one N and D.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> rows = np.array([[law.E, np.log(law.A), np.log(law.B), law.alpha, law.beta]])
    >>> np.exp(log_surface(rows, np.log(70e9), np.log(1.4e12))).round(3), round(law.loss(70e9, 1.4e12), 3)
    (array([1.937]), 1.937)
    """
    e, log_a, log_b, alpha, beta = laws.T
    with np.errstate(divide="ignore", over="ignore"):
        terms = np.stack([np.log(e), log_a - alpha * log_n, log_b - beta * log_d])
    return np.asarray(np.logaddexp.reduce(terms, axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Allocation:
    """The compute-optimal model for a budget."""

    flops: float
    """The budget in FLOPs."""
    n_params: float
    """Parameters."""
    n_tokens: float
    """Training tokens."""
    loss: float | None = None
    """Loss of that run, nats per token; None where the method does not know it."""
    n_params_interval: Interval | None = None
    """Low and high end; None without draws."""
    n_tokens_interval: Interval | None = None
    """Low and high end; None without draws."""
    loss_interval: Interval | None = None
    """Low and high end of the law's loss (not of a new run's); None without draws."""
    level: float | None = None
    """Level of the intervals; None without draws."""

    @property
    def tokens_per_param(self) -> float:
        """D / N."""
        return self.n_tokens / self.n_params

    def __str__(self) -> str:
        def between(interval: Interval | None) -> str:
            return (
                "" if interval is None else f" ({format_count(interval[0])} to {format_count(interval[1])})"
            )

        level = "" if self.level is None else f", {self.level:.0%} intervals"
        loss = "" if self.loss is None else f", loss {self.loss:.4f}"
        if self.loss_interval is not None:
            loss += f" ({self.loss_interval[0]:.4f} to {self.loss_interval[1]:.4f})"
        return (
            f"{format_flops(self.flops)} FLOPs: {format_count(self.n_params)} parameters"
            f"{between(self.n_params_interval)}, {format_count(self.n_tokens)} tokens"
            f"{between(self.n_tokens_interval)}{loss}{level}"
        )


@dataclass(frozen=True, eq=False)
class FrontierFit:
    """A fitted compute-optimal frontier, N_opt = n_opt(C) and D_opt = d_opt(C), C in FLOPs."""

    method: str
    """The estimator, for example ``"isoflop"``."""
    table: SweepTable
    """The runs it was fitted to."""
    n_opt: PowerLaw
    """Optimal parameters; its exponent is a."""
    d_opt: PowerLaw
    """Optimal training tokens; its exponent is b."""
    points: tuple[OptimumPoint, ...]
    """The optima that the laws go through, by budget."""
    residuals: FloatArray
    """Measured loss minus fitted loss of each run of `table`, nats per token."""
    diagnostics: Diagnostics
    """What to know before trusting the fit."""
    law: ParametricLoss | None = None
    """The fitted surface, for a method that fits one."""
    loss_known: bool = True
    """Whether the law tells losses, not only differences of them: not where its E was raised to 0."""
    objective: float | None = None
    """What that method minimised, summed over runs, at its optimum."""
    loss_line: PowerLaw | None = None
    """L_opt(C) through the points, for a method without a law; it serves between them only."""
    draws: FrontierDraws | None = None
    """Bootstrap draws, see `chinchilla_lib.fitting.bootstrap_fit`."""

    @property
    def a(self) -> float:
        """Exponent of N_opt in compute."""
        return self.n_opt.exponent

    @property
    def b(self) -> float:
        """Exponent of D_opt in compute."""
        return self.d_opt.exponent

    @property
    def has_intervals(self) -> bool:
        """Whether there are draws from which intervals can be read."""
        report = self.diagnostics.bootstrap
        return self.draws is not None and report is not None and report.problem is None

    @property
    def verdict(self) -> Verdict:
        """Whether the runs tell the frontier, with the reason."""
        interval = self.interval("a") if self.has_intervals else None
        if self.law is None:
            return judge_frontier(interval, self.diagnostics, floor=None, surface=None)
        return judge_frontier(interval, self.diagnostics, floor=self.law.E, surface=self.table)

    def interval(self, name: str, level: float = 0.9) -> Interval:
        """Percentile interval of an exponent or of a field of the law.

        Parameters
        ----------
        name : str
            ``"a"`` or ``"b"``; ``"E"``, ``"A"``, ``"B"``, ``"alpha"`` or ``"beta"`` where there is a law.
        level : float
            Between 0 and 1; 0.9 leaves 5 % of the draws on each side.

        Raises
        ------
        InputError
            If the name or level is not allowed, or there are no draws to read an interval from.
        """
        draws = self._draws()
        known = {"a": draws.a, "b": draws.b}
        if draws.law is not None:
            known |= dict(zip(LAW_FIELDS, draws.law.T, strict=True))
        if name not in known:
            raise InputError(f"method {self.method} knows intervals of {', '.join(known)}, found {name!r}")
        low, high = _percentiles(known[name], level)
        if name not in ("A", "B"):
            return low, high
        with np.errstate(over="ignore", under="ignore"):
            return float(np.exp(low)), float(np.exp(high))

    def allocate(self, flops: float, level: float = 0.9) -> Allocation:
        """The compute-optimal model for a budget, with intervals if there are draws.

        Parameters
        ----------
        flops : float
            Training compute, above 0, in the convention of the fit.
        level : float
            Level of the intervals, between 0 and 1.

        Raises
        ------
        InputError
            If an argument is out of range.
        """
        n_params, n_tokens = self.n_opt.predict(float(flops)), self.d_opt.predict(float(flops))
        loss = self._loss_at(float(flops), n_params, n_tokens)
        if not self.has_intervals:
            return Allocation(float(flops), n_params, n_tokens, loss)
        bands = [self.band(name, np.array([flops]), level) for name in ("n_params", "n_tokens")]
        n_interval, d_interval = ((float(low[0]), float(high[0])) for low, high in bands)
        log_loss = None if loss is None else self._draws().log_loss(math.log(flops))
        loss_interval = None
        if log_loss is not None:
            low, high = np.exp(_percentiles(log_loss, level))
            loss_interval = float(low), float(high)
        return Allocation(
            float(flops), n_params, n_tokens, loss, n_interval, d_interval, loss_interval, level
        )

    def _loss_at(self, flops: float, n_params: float, n_tokens: float) -> float | None:
        if self.law is not None:
            return self.law.loss(n_params, n_tokens) if self.loss_known else None
        budgets = [point.flops for point in self.points]
        if self.loss_line is not None and min(budgets) <= flops <= max(budgets):
            return self.loss_line.predict(flops)
        return None

    def band(self, name: str, flops: FloatArray, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Pointwise interval of the frontier.

        Parameters
        ----------
        name : str
            ``"n_params"`` or ``"n_tokens"``.
        flops : array of float, shape (n_budgets,)
            Budgets.
        level : float
            Between 0 and 1.

        Returns
        -------
        low, high : array of float, shape (n_budgets,)

        Raises
        ------
        InputError
            If the name or level is not allowed, or there are no draws to read an interval from.
        """
        if name not in ("n_params", "n_tokens"):
            raise InputError(f"bands are known for 'n_params' and 'n_tokens', found {name!r}")
        draws = self._draws()
        log_k, slope = (
            (draws.log_n_coefficient, draws.a) if name == "n_params" else (draws.log_d_coefficient, draws.b)
        )
        low, high = zip(*(_percentiles(log_k + slope * x, level) for x in np.log(flops)), strict=True)
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(np.array(low)), np.exp(np.array(high))

    def _draws(self) -> FrontierDraws:
        report = self.diagnostics.bootstrap
        if self.draws is None or report is None:
            raise InputError("the fit has no bootstrap draws; make it with bootstrap_fit(..., n_draws=1000)")
        if report.problem is not None:
            raise InputError(f"no intervals: {report.problem}")
        return self.draws

    def __str__(self) -> str:
        valleys = self.diagnostics.valleys
        among = f"{len(self.points)} of {len(valleys)} valleys" if valleys else "all in one"
        lines = [
            f"{self.method}: {self.diagnostics.n_runs_used} of {len(self.table)} runs, "
            f"{among} of {self.table.source}, FLOPs counted as {self.diagnostics.flops_convention}",
            f"  {self.verdict}",
        ]
        if self.law is not None:
            lines.append(
                f"  L = {self.law.E:.4f} + {self.law.A:.5g} / N^{self.law.alpha:.4f} "
                f"+ {self.law.B:.5g} / D^{self.law.beta:.4f}, objective {self.objective:.6g}"
            )
        for name, symbol, value in (("a", "N_opt", self.a), ("b", "D_opt", self.b)):
            line = f"  {symbol} ~ C^{name}   {name} = {value:.4f}"
            if self.has_intervals:
                low, high = self.interval(name)
                line += f"   90% interval {low:.4f} to {high:.4f}"
            lines.append(line)
        lines.append(f"  {'FLOPs':>9} {'N_opt':>8} {'D_opt':>8} {'D/N':>7} {'loss':>8}")
        lines += [
            f"  {format_flops(p.flops):>9} {format_count(p.n_params):>8} {format_count(p.n_tokens):>8}"
            f" {p.n_tokens / p.n_params:>7.1f} {p.loss:>8.4f}"
            for p in _spread(self.points)
        ]
        if len(self.points) > _SHOWN:
            lines.append(f"  ({_SHOWN} of {len(self.points)} points)")
        if (report := self.diagnostics.bootstrap) is not None:
            lines.append(f"  {report.n_usable} of {report.n_requested} resamples usable, seed {report.seed}")
        lines += [
            textwrap.fill(f"note: {message}", 76, initial_indent="  ", subsequent_indent="    ")
            for message in self.diagnostics.messages
        ]
        return "\n".join(lines)


def _spread(points: Sequence[OptimumPoint]) -> list[OptimumPoint]:
    """All points, or as many as are shown, from the first to the last."""
    n_shown = min(_SHOWN, len(points))
    return [points[round(place)] for place in np.linspace(0, len(points) - 1, n_shown).tolist()]


def _percentiles(draws: FloatArray, level: float) -> Interval:
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
