"""Published parametric laws, L(N, D) = E + A / N**alpha + B / D**beta, with what is known of their errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss

__all__ = ["LAWS", "MUENNIGHOFF", "PublishedLaw", "find_law"]

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PublishedLaw:
    """A law that others fitted."""

    name: str
    """Its key in `LAWS`."""
    title: str
    """Whose law it is, in a few words."""
    law: ParametricLoss
    """The law; losses in nats per token of its own text and tokenizer."""
    data: str
    """What it was fitted to."""
    source: str
    """Where it was published."""
    confidence: str
    """A key of `chinchilla_lib.reference.CONFIDENCE`."""
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    """By field of the law, or ``a``; empty if none were published."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """Low and high end by field of the law, each for itself; empty if none were published."""
    level: float | None = None
    """Level of the intervals."""
    frontier: str | None = None
    """Name of the record with intervals of the optimum, made here from the points of the fit; to be read
    with `chinchilla_lib.reference.recorded.load_recorded`. None where the points are not known."""
    largest: Mapping[str, float] = field(default_factory=dict)
    """The largest ``n_params``, ``n_tokens`` and ``flops`` among the runs of the fit, as far as known."""


# Sizes of Table A9, tokens of the abstract; FLOPs of the points read off Figure 4 (approach3_protocol).
_HOFFMANN_LARGEST: Final = MappingProxyType({"n_params": 16.183e9, "n_tokens": 500e9, "flops": 1.3e22})
# The points themselves, tokens as FLOPs / 6N (approach3_protocol).
_POINTS_LARGEST: Final = MappingProxyType({"n_params": 16.18e9, "n_tokens": 317.8e9, "flops": 1.3e22})
_POINTS: Final = "240 points read off Figure 4 of Hoffmann et al. (2022)"

LAWS: Final[Mapping[str, PublishedLaw]] = MappingProxyType(
    {
        law.name: law
        for law in (
            PublishedLaw(
                name="hoffmann",
                title="Hoffmann et al. (2022) as printed, rounded",
                law=ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28),
                data="final losses of the runs of Approaches 1 and 2",
                source="arXiv 2203.15556v1, Eq. 10",
                confidence="verified",
                largest=_HOFFMANN_LARGEST,
            ),
            PublishedLaw(
                name="hoffmann-unrounded",
                title="Hoffmann et al. (2022), digits of the TeX source",
                law=ParametricLoss(
                    E=math.exp(0.5267228),
                    A=math.exp(6.0073404),
                    B=math.exp(6.0179186),
                    alpha=0.33917084,
                    beta=0.2849083,
                ),
                data="final losses of the runs of Approaches 1 and 2",
                source="TeX source of arXiv 2203.15556v1, as quoted by Besiroglu et al. (2024)",
                confidence="verified",
                largest=_HOFFMANN_LARGEST,
            ),
            PublishedLaw(
                name="epoch",
                title="Besiroglu et al. (2024), refit of Figure 4",
                law=ParametricLoss(E=1.81686, A=482.01, B=2085.43, alpha=0.34781303, beta=0.36585412),
                data=_POINTS,
                source="arXiv 2404.10102, Table 1; more digits and the intervals from its notebook alone",
                confidence="verified",
                standard_errors=MappingProxyType(
                    {"E": 0.0257, "A": 124.52, "B": 1293.28, "alpha": 0.0154, "beta": 0.0206, "a": 0.02}
                ),
                intervals=MappingProxyType(
                    {
                        "E": (1.769, 1.871),
                        "A": (285.2, 743.6),
                        "B": (1042.4, 5810.3),
                        "alpha": (0.317, 0.373),
                        "beta": (0.331, 0.415),
                    }
                ),
                level=0.95,
                frontier="epoch-frontier",
                largest=_POINTS_LARGEST,
            ),
            PublishedLaw(
                name="epoch-optimum",
                title="the optimum of the paper's objective on the same points",
                law=ParametricLoss(
                    E=math.exp(0.59730681),
                    A=math.exp(6.16924637),
                    B=math.exp(7.67015673),
                    alpha=0.34731050,
                    beta=0.36717243,
                ),
                data=_POINTS,
                source="computed here: sum of Huber losses, delta = 1e-3, 1.0182740178e-3 at its minimum",
                confidence="derived",
                frontier="epoch-frontier",
                largest=_POINTS_LARGEST,
            ),
            PublishedLaw(
                name="muennighoff",
                title="Muennighoff et al. (2023) on C4, alpha and beta tied",
                law=ParametricLoss(
                    E=math.exp(0.6254804),
                    A=math.exp(6.255414),
                    B=math.exp(7.3049974),
                    alpha=0.3526596,
                    beta=0.3526596,
                ),
                data="runs on C4",
                source="repository of arXiv 2305.16264",
                confidence="verified",
                largest=MappingProxyType({"n_params": 9e9, "n_tokens": 900e9}),  # later_work
            ),
        )
    }
)
"""The laws by name."""

MUENNIGHOFF: Final = RepeatedDataLoss(LAWS["muennighoff"].law, r_d=15.387756, r_n=5.309743)
"""Repeated data: Muennighoff et al. (2023), arXiv 2305.16264, appendix A and repository (verified)."""


def find_law(name: str) -> PublishedLaw:
    """A published law by its name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> f"{find_law('hoffmann').law.n_opt(5.76e23):.3g}"
    '3.22e+10'
    >>> f"{find_law('hoffmann-unrounded').law.n_opt(5.76e23):.3g}"
    '4.04e+10'
    """
    if name not in LAWS:
        raise InputError(f"no published law is called {name!r}; choose one of {', '.join(LAWS)}")
    return LAWS[name]
