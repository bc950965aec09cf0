"""What a sweep can tell of an exponent: standard error, power, the simulated check, and doubts."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any, Final

from chinchilla_lib._format import format_flops

__all__ = ["Power", "SimulatedPower"]

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
    """``isoflop`` or ``valley``."""
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

    @property
    def messages(self) -> tuple[str, ...]:
        """Doubts, one sentence each."""
        messages = []
        if self.n_budgets == 2:
            messages.append("an exponent from two budgets has nothing that tells whether a power law holds")
        if abs(self.bias) > _BIAS * self.se:
            cause = (
                "windows slide from budget to budget, or FLOPs are not counted as 6ND"
                if self.method == "isoflop"
                else "FLOPs are not counted as 6ND"
            )
            messages.append(
                f"without noise the method gives {self.bias:+.4f} beside the true exponent ({cause}), and "
                "the test is against what it gives"
            )
        if n_more := self.n_seeds - self.n_seeds_by_theory:
            messages.append(
                f"by theory {n_more} seed{'s' if n_more > 1 else ''} less would do, but simulated sweeps "
                "then have too little power"
            )
        check = self.simulated
        if check is not None and check.unusable > _UNUSABLE:
            messages.append(
                f"{check.unusable:.0%} of simulated sweeps have no answer, for lack of a minimum inside a "
                "valley or because a term of the law vanishes: widen the window, or take more sizes or seeds"
            )
        if check is None or check.se is None:
            return tuple(messages)
        if not 1 - _OFF < check.se / self.se < 1 + _OFF:
            messages.append(
                f"simulated sweeps scatter by {check.se:.3g} where theory says {self.se:.3g}: the noise is "
                "too large for it, go by the simulation"
            )
        elif check.power is not None:
            error = math.sqrt(self.power * (1 - self.power) / check.n_simulated)
            if check.power < self.power - max(0.03, 4 * error):
                messages.append(
                    f"simulated sweeps have a power of {check.power:.2f} only, where theory says "
                    f"{self.power:.2f}"
                )
        return tuple(messages)

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
