"""What is known of a frontier's curvature: coefficients, tests, thirds, the verdict and its doubts."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any, Final, Literal

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import BootstrapReport, Interval, OptimumPoint

__all__ = ["EXACT", "POWER", "Curvature", "ThirdExponent", "change_per_decade"]

Label = Literal["curved (concave)", "curved (convex)", "no curvature seen"]

EXACT: Final = 1e-9
"""Of ln N; below it is rounding."""
POWER: Final = 0.8
"""With which `Curvature.detectable` is found."""

_SCATTER: Final = 0.01
_SLIGHT: Final = 1e-5
_SMALL_VALLEY: Final = 20  # runs, below which pairs are wide
_LARGE: Final = 0.5  # standard errors of c2


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
        above, below = low > max(sides) + EXACT, high < min(sides) - EXACT
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

    def doubts(self) -> tuple[str, ...]:
        """What the numbers themselves make doubtful, one sentence each."""
        messages = []
        low, high = self.c2_interval
        without_zero = low > EXACT or high < -EXACT
        if self.p_value is not None and without_zero != self._f_finds:
            n_left = self.n_budgets - 3
            freedom = f"{n_left} degree{'s' if n_left > 1 else ''} of freedom"
            holds = "does not hold 0" if without_zero else "holds 0"
            messages.append(
                f"the two answers differ: the {self.level:.0%} interval of c2 {holds}, the F test has "
                f"p = {self.p_value:.2g} on 1 and {freedom}"
            )
        if self._scattered:
            messages.append(
                f"the minima scatter about the curve by more than the noise of their runs explains "
                f"(p = {self.scatter_p_value:.2g}): budgets differ in something else, or the curve is no "
                "quadratic, and the intervals are too narrow"
            )
        if self.parabola_c2 is None:
            messages.append(
                "one law for all valleys could not be fitted, so nothing tells what curvature the parabolas "
                "add"
            )
        elif abs(self.parabola_c2) > max(_LARGE * self.c2_se, _SLIGHT):
            messages.append(
                f"at these sizes parabolas add {change_per_decade(self.parabola_c2):+.2g} per decade to a "
                "straight frontier, as windows slide from budget to budget; centre them on the minima"
            )
        if self.bootstrap.scheme == "pairs" and self.bootstrap.smallest_stratum < _SMALL_VALLEY:
            messages.append(
                f"a valley has {self.bootstrap.smallest_stratum} runs: below {_SMALL_VALLEY} pairs give "
                "intervals that are too wide, and find less than the runs could tell; scheme='residual' is "
                "closer to its level"
            )
        return tuple(messages)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "verdict": self.verdict,
            "source": self.source,
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
            f"  a change of {self.detectable_change:.4f} would be found with probability {POWER:g}",
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
    """Change of the exponent a over a factor of ten in compute, 2 c2 ln 10.

    Examples
    --------
    >>> f"a falls by {-change_per_decade(-0.01):.3f} in a decade of compute"
    'a falls by 0.046 in a decade of compute'
    """
    return 2 * c2 * math.log(10)
