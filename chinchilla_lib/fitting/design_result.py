"""The next runs, what they promise, and how they are printed."""

import textwrap
from dataclasses import dataclass
from typing import Any

from chinchilla_lib._format import format_count, format_flops

__all__ = ["Design", "DesignRun"]


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
    """One of `chinchilla_lib.fitting.design_target.TARGETS`."""
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
    """Spread of refits to simulated losses of all runs, see `chinchilla_lib.fitting.design.simulated_se`;
    None if not asked for."""
    n_candidates: int
    """Sizes times token counts that could be chosen."""
    n_params_range: tuple[float, float]
    """Of the candidates."""
    n_tokens_range: tuple[float, float]
    """Of the candidates."""
    messages: tuple[str, ...] = ()
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
