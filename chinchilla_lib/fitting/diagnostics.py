"""What to know before trusting a fit: its optimum, each valley, and how the resampling went."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "SCHEMES",
    "BootstrapReport",
    "Diagnostics",
    "Interval",
    "OptimumCheck",
    "OptimumPoint",
    "ValleyFit",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Interval = tuple[float, float]

SCHEMES: Final[Mapping[str, str]] = {
    "pairs": "runs drawn with replacement, stratified by budget where the method has valleys",
    "residual": "the design kept, each run's own residual widened by its leverage, with a random sign",
    "subsample": "80 % of the runs without replacement, as section D.2 of the paper",
}
"""Ways of resampling, by name."""

_ROUGH_SHARE: Final = 0.1
_ROUGH_RUNS: Final = 8
_SMALL_GRADIENT: Final = 1e-6
_SMALL_REDUCTION: Final = 1e-12


@dataclass(frozen=True)
class OptimumPoint:
    """The compute-optimal model of one budget."""

    flops: float
    """The budget in FLOPs."""
    n_params: float
    """Parameters at the minimum."""
    n_tokens: float
    """Training tokens at the minimum."""
    loss: float
    """Loss at the minimum, nats per token."""


@dataclass(frozen=True, eq=False)
class ValleyFit(ABC):
    """How one valley was fitted; each form of Approach 2 adds its curve."""

    flops: float
    """The budget in FLOPs."""
    index: IntArray
    """Positions of its runs in the table."""
    n_sizes: int
    """Distinct model sizes."""
    center: float
    """Middle of the sampled ln N."""
    half_width: float
    """Half the range of the sampled ln N."""
    optimum: OptimumPoint | None
    """The minimum, or None if the valley is left out."""
    reason: str | None
    """Why the valley is left out, or None."""
    residual_rms: float
    """Root mean square of loss minus curve, nats per token."""

    @property
    def n_params_range(self) -> Interval:
        """Smallest and largest sampled size."""
        low, high = np.exp(self.center + self.half_width * np.array([-1.0, 1.0]))
        return float(low), float(high)

    @property
    def window(self) -> Interval | None:
        """Sampled sizes around the minimum, in decades: log10(N / N_opt) of the smallest and the largest."""
        if self.optimum is None:
            return None
        low, high = np.log10(np.array(self.n_params_range) / self.optimum.n_params)
        return float(low), float(high)

    @property
    @abstractmethod
    def curvature(self) -> float:
        """Second derivative of the loss in ln N, nats per token."""

    @abstractmethod
    def predict(self, n_params: FloatArray) -> FloatArray:
        """Loss of the curve at model sizes, nats per token."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "flops": self.flops,
            "n_runs": len(self.index),
            "n_sizes": self.n_sizes,
            "n_params_range": list(self.n_params_range),
            "status": "used" if self.reason is None else "left out",
            "reason": self.reason,
            "window_decades": None if self.window is None else list(self.window),
            "curvature": self.curvature,
            "residual_rms": self.residual_rms,
        }


@dataclass(frozen=True)
class OptimumCheck:
    """What was checked at an optimum that was searched for.

    It proves a local optimum to rounding, and that the starts which went farthest down agree on it; a
    lower one that no start found is not excluded.
    """

    relative_gradient: float
    """Largest component of the gradient, over the sum of its terms without their signs."""
    predicted_reduction: float
    """What one more Newton step would gain, over the objective."""
    n_starts: int
    """Starts that were followed to their end."""
    agreeing_share: float
    """Share of the starts that ended at this optimum, 0 to 1."""

    @property
    def passed(self) -> bool:
        """Whether the gradient and the predicted reduction vanish to rounding."""
        return self.relative_gradient <= _SMALL_GRADIENT and self.predicted_reduction <= _SMALL_REDUCTION

    def messages(self) -> list[str]:
        """What a reader of the fit should know of it; none if all is well."""
        messages = []
        if not self.passed:
            messages.append(
                f"the optimum's check did not pass: relative gradient {self.relative_gradient:.1g}, "
                f"predicted reduction {self.predicted_reduction:.1g}"
            )
        if self.agreeing_share < 0.5:
            messages.append(
                f"{self.agreeing_share:.0%} of {self.n_starts} starts ended at this optimum; others lie near"
            )
        return messages

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": self.passed,
            "relative_gradient": self.relative_gradient,
            "predicted_reduction": self.predicted_reduction,
            "n_starts": self.n_starts,
            "agreeing_share": self.agreeing_share,
        }


@dataclass(frozen=True)
class BootstrapReport:
    """How the draws came about."""

    n_requested: int
    """Resamples drawn."""
    n_usable: int
    """Resamples that gave a frontier."""
    unusable: Mapping[str, int]
    """Number of the others, by reason."""
    smallest_stratum: int
    """Runs in the smallest stratum."""
    seed: int
    """Seed of the resampling."""
    scheme: str = "pairs"
    """One of `SCHEMES`."""
    n_free: int = 3
    """Parameters that the method fits to a stratum."""
    held: Interval | None = None
    """Lowest and highest share of simulated sweeps in which 90 % intervals of the method and scheme held the
    truth, where that is not what they claim (0.86 to 0.97); ``reference/recorded/coverage``."""

    @property
    def unusable_share(self) -> float:
        """Share of resamples that are excluded, 0 to 1."""
        return 1 - self.n_usable / self.n_requested

    def messages(self) -> tuple[str, ...]:
        """What makes the intervals doubtful."""
        if self.problem is not None:
            return (f"no intervals: {self.problem}",)
        messages = []
        if self.caution is not None:
            messages.append(self.caution)
        if self.unusable_share > _ROUGH_SHARE:
            messages.append(
                f"{self.unusable_share:.0%} of the resamples are unusable and excluded, so the intervals "
                f"hold for the others only; strata of {_ROUGH_RUNS} runs or more are steadier, and the "
                "residual scheme serves smaller ones"
            )
        return tuple(messages)

    @property
    def caution(self) -> str | None:
        """Whether intervals by this scheme hold the truth more or less often than they claim, or None."""
        if self.held is None:
            return None
        low, high = self.held
        kind = "too narrow, use pairs" if high < 0.9 else "too narrow under some noise"
        if low > 0.9:
            kind = "wider than they need be"
        shares = f"{low:.0%} to {high:.0%}"
        return f"90 % intervals of this kind held the truth in {shares} of simulated sweeps: {kind}"

    @property
    def problem(self) -> str | None:
        """Why no interval can be read from the draws, or None."""
        if self.smallest_stratum <= self.n_free and self.scheme == "residual":
            return (
                f"{self.smallest_stratum} runs are fitted by {self.n_free} parameters, which leaves no "
                "residuals to draw from; add runs"
            )
        if self.smallest_stratum <= self.n_free:
            return (
                f"{self.smallest_stratum} runs are resampled together, and every resample that still "
                f"determines {self.n_free} parameters repeats them; add runs"
            )
        if self.n_usable < 2:
            return (
                f"{self.n_usable} of {self.n_requested} resamples are usable; add runs, or ask for more draws"
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "scheme": self.scheme,
            "intervals": f"percentiles; {SCHEMES[self.scheme]}",
            "n_requested": self.n_requested,
            "n_usable": self.n_usable,
            "unusable_share": self.unusable_share,
            "unusable": dict(self.unusable),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Diagnostics:
    """What to know before trusting a fit."""

    flops_convention: str
    """How FLOPs were counted."""
    budgets_from: Literal["flops_budget", "clustered flops"] | None
    """Where the budgets come from; None if the method has none."""
    n_runs_used: int
    """Runs that the law rests on."""
    n_runs_left_out: int
    """Runs of valleys that were left out."""
    residual_rms: float
    """Root mean square residual over the runs used, nats per token."""
    messages: tuple[str, ...]
    """Doubts, one sentence each; empty if there are none."""
    valleys: tuple[ValleyFit, ...] = ()
    """Every valley, left out ones included; none if the method has none."""
    optimum: OptimumCheck | None = None
    """What was checked at the optimum; None if the method needs no search."""
    degenerate: str | None = None
    """Why the optimum describes no surface (a term has vanished, say); None if it does."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the method found, as plain values."""
    bootstrap: BootstrapReport | None = None
    """How the draws came about; None without a bootstrap."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "messages": list(self.messages),
            "parameters_counted": "n_params (embeddings included)",
            "flops_convention": self.flops_convention,
            "budgets_from": self.budgets_from,
            "n_runs_used": self.n_runs_used,
            "n_runs_left_out": self.n_runs_left_out,
            "residual_rms": self.residual_rms,
            "degenerate": self.degenerate,
            "optimum_check": None if self.optimum is None else self.optimum.to_dict(),
            "valleys": [valley.to_dict() for valley in self.valleys],
            "details": dict(self.details),
            "bootstrap": None if self.bootstrap is None else self.bootstrap.to_dict(),
        }
