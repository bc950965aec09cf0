"""Claims of the paper, and about it: what is claimed, what would agree, and the verdict on a number.

The claims are data, in ``reference/ledger``: a figure as it is printed, the tolerance with its reason,
and the chapter of the book that settles it. A verdict is computed from the printed figure, ours, its
interval and the tolerance; nobody writes one down.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

from chinchilla_lib.errors import InputError

__all__ = ["BASES", "PARTS", "Claim", "Settled", "find_claim", "load_claims"]

Basis = Literal["paper", "published", "runs", "simulated", "none"]
Outcome = Literal["agrees", "differs", "open", "none"]

BASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "paper": "computed from the paper's own numbers and formulas",
        "published": "computed from what others published or digitised",
        "runs": "measured on small models that we trained or ran",
        "simulated": "computed on simulated runs of a known law",
        "none": "needs what was never released, or far more compute",
    }
)
"""What our figure rests on."""

VERDICTS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("paper", "agrees"): "reproduced exactly",
        ("paper", "differs"): "contradicted by the paper's own tables",
        ("published", "agrees"): "reproduced from published points",
        ("published", "differs"): "contradicted by published points",
        ("runs", "agrees"): "shown at our scale",
        ("runs", "differs"): "does not hold at our scale",
        ("simulated", "agrees"): "shown in simulation",
        ("simulated", "differs"): "does not hold in simulation",
        ("paper", "open"): "cannot tell",
        ("published", "open"): "cannot tell from published points",
        ("runs", "open"): "cannot tell at our scale",
        ("simulated", "open"): "cannot tell in simulation",
        ("none", "none"): "not reproducible here",
    }
)
"""The verdict in words, by what our figure rests on and how it compares."""

_SAID: Final = {"agrees": "as the paper has it", "differs": "not what the paper has", "open": "cannot tell"}
"""Verdicts on what is said of the paper, held against its own numbers."""

PARTS: Final = (
    "abstract",
    "counting",
    "training",
    "frontier",
    "comparison",
    "evaluation",
    "misprints",
    "popular",
)
"""Files of the ledger, in the order of its page."""

_ROUNDED: Final = "half a unit of the last digit printed"
_RELATIONS: Final = ("=", ">=", "<=")


@dataclass(frozen=True)
class Claim:
    """A statement that a number can decide.

    Raises
    ------
    InputError
        If the figure is no number, the part, basis or relation is unknown, a tolerance has no reason, or a
        claim that is not reproducible here has a chapter, or lacks a reason.
    """

    id: str
    part: str
    """One of `PARTS`."""
    where: str
    """Where it is read: section, table, figure, or who says it."""
    text: str
    """In our words."""
    basis: Basis
    """What our figure rests on: a key of `BASES`."""
    paper: str = ""
    """The figure as printed; empty where no number is printed and none can be computed."""
    unit: str = ""
    relation: str = "="
    """``=``, or ``>=`` or ``<=`` where the paper says at least or at most."""
    given_tolerance: float | None = None
    """In the units of the figure; half a unit of the last digit printed when not given."""
    why: str = ""
    """Why this tolerance, or why the claim cannot be reproduced here."""
    chapter: str = ""
    """The notebook whose cell settles it."""
    figure: str = ""
    """The plotting function whose picture in that chapter shows it; empty where none does."""
    covers: tuple[str, ...] = ()
    """Tables, figures, equations, appendices and other items that it stands for, such as ``table 2``."""

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise InputError(f"claim {self.id}: part is {self.part!r}; choose one of {', '.join(PARTS)}")
        if self.basis not in BASES:
            raise InputError(f"claim {self.id}: basis is {self.basis!r}; choose one of {', '.join(BASES)}")
        if self.relation not in _RELATIONS:
            raise InputError(
                f"claim {self.id}: relation is {self.relation!r}; choose one of {' '.join(_RELATIONS)}"
            )
        if self.basis == "none":
            if self.chapter or not self.why:
                raise InputError(f"claim {self.id} is not reproducible here: give why, and no chapter")
            return
        if not self.chapter:
            raise InputError(f"claim {self.id} has no chapter that settles it")
        try:
            number = float(self.paper)
        except ValueError:
            raise InputError(f"claim {self.id}: paper is {self.paper!r}, not a number as printed") from None
        if not math.isfinite(number):
            raise InputError(f"claim {self.id}: paper is {self.paper!r}, not a finite number")
        if self.given_tolerance is not None and (not self.why or not 0 <= self.given_tolerance < math.inf):
            raise InputError(f"claim {self.id}: a tolerance is a number of at least 0 with its reason, why")

    @property
    def tolerance(self) -> float:
        """How far ours may lie from the printed figure, in its units."""
        if self.given_tolerance is not None:
            return self.given_tolerance
        mantissa, _, exponent = self.paper.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        return 0.5 * 10.0 ** (int(exponent or 0) - decimals)

    @property
    def reason(self) -> str:
        """Why this tolerance, or why not reproducible here."""
        return self.why or _ROUNDED

    def settle(self, value: float, interval: tuple[float, float] | None = None) -> "Settled":
        """Compare a computed figure with the printed one.

        Agreement asks that the figure and all of its interval lie within the tolerance of the printed one,
        disagreement that they all lie beyond on one side; anything between is open.

        Parameters
        ----------
        value : float
            In the unit of the claim.
        interval : tuple of float, optional
            Its lower and upper end; where they are rounded or skewed, the figure may lie beyond them.

        Raises
        ------
        InputError
            If the value or an end is not finite, the ends are out of order, or the claim is not
            reproducible here.

        Examples
        --------
        >>> claim = Claim("x", "frontier", "Table 2", "a", "runs", paper="0.50", chapter="main-sweep")
        >>> claim.settle(0.497).verdict
        'shown at our scale'
        >>> claim.settle(0.497, (0.48, 0.51)).verdict
        'cannot tell at our scale'
        """
        if self.basis == "none":
            raise InputError(f"claim {self.id} is not reproducible here, says the ledger; change its basis")
        value = float(value)
        low, high = (value, value) if interval is None else (float(interval[0]), float(interval[1]))
        if not all(map(math.isfinite, (value, low, high))) or low > high:
            raise InputError(f"claim {self.id}: {value} with interval {low} to {high}; give finite numbers")
        # Sums of decimals miss their bound by a rounding of the last bit.
        slack = self.tolerance + 1e-9 * max(abs(float(self.paper)), self.tolerance)
        lowest, highest = min(value, low), max(value, high)
        least = float(self.paper) - slack if self.relation != "<=" else -math.inf
        most = float(self.paper) + slack if self.relation != ">=" else math.inf
        outcome: Outcome = "open"
        if least <= lowest and highest <= most:
            outcome = "agrees"
        elif highest < least or lowest > most:
            outcome = "differs"
        return Settled(self, outcome, value, None if interval is None else (low, high))


@dataclass(frozen=True)
class Settled:
    """A claim with our figure and the verdict."""

    claim: Claim
    outcome: Outcome
    value: float | None = None
    """In the unit of the claim; None where not reproducible here."""
    interval: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """In words; what is said of the paper is not its own, and no bound is met exactly."""
        if self.claim.part == "popular" and self.claim.basis == "paper":
            return _SAID[self.outcome]
        if (self.claim.basis, self.outcome) == ("paper", "agrees") and self.claim.relation != "=":
            return "borne out by the paper's own tables"
        return VERDICTS[self.claim.basis, self.outcome]

    @property
    def paper(self) -> str:
        """The printed figure with its relation and unit."""
        relation = {"=": "", ">=": "at least ", "<=": "at most "}[self.claim.relation]
        return f"{relation}{self.claim.paper} {self.claim.unit}".strip() if self.claim.paper else ""

    @property
    def ours(self) -> str:
        """Our figure with its interval."""
        if self.value is None:
            return ""
        text = format_figure(self.value)
        if self.interval is not None:
            text += f" ({format_figure(self.interval[0])} to {format_figure(self.interval[1])})"
        return text

    @property
    def figures(self) -> str:
        """Both figures, as a sentence; empty where not reproducible here."""
        whose = "Said" if self.claim.part == "popular" else "Paper"
        return f"{whose}: {self.paper}; here: {self.ours}." if self.value is not None else ""

    def __str__(self) -> str:
        figures = f"{self.figures} " if self.figures else ""
        return f"{self.claim.where}: {self.claim.text} {figures}{self.verdict.capitalize()}."


def format_figure(value: float) -> str:
    """Four significant digits, or all of a whole number of up to seven.

    Examples
    --------
    >>> format_figure(50.0), format_figure(0.44938), format_figure(5.0412e23), format_figure(16183)
    ('50', '0.4494', '5.041e23', '16183')
    """
    text = f"{value:.7g}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.4g}"
    return text.replace("e+", "e")


@cache
def load_claims() -> Mapping[str, Claim]:
    """Every claim by its name, in the order of the ledger.

    Raises
    ------
    InputError
        If two claims share a name.

    Examples
    --------
    >>> load_claims()["a9-sizes"].where
    'Table A9'
    """
    found: dict[str, Claim] = {}
    for part in PARTS:
        text = files(__package__).joinpath("ledger", f"{part}.toml").read_text(encoding="utf-8")
        for row in tomllib.loads(text).get("claim", []):
            claim = _claim_of(part, row)
            if claim.id in found:
                raise InputError(f"two claims are named {claim.id}")
            found[claim.id] = claim
    return MappingProxyType(found)


def find_claim(name: str) -> Claim:
    """A claim by its name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> find_claim("a9-sizes").tolerance
    0.5
    """
    claims = load_claims()
    if name not in claims:
        near = [known for known in claims if known.split("-")[0] == name.split("-")[0]]
        raise InputError(f"the ledger has no claim {name!r}; it has {', '.join(near or claims)}")
    return claims[name]


def _claim_of(part: str, row: dict[str, Any]) -> Claim:
    values = dict(row)
    if "tolerance" in values:
        values["given_tolerance"] = float(values.pop("tolerance"))
    values["covers"] = tuple(values.get("covers", ()))
    try:
        return Claim(part=part, **values)
    except TypeError as error:
        raise InputError(f"ledger {part}, claim {row.get('id')}: {error}") from error
