"""The laws of Kaplan et al. (2020) with their published constants, in parameters and FLOPs.

Parameters are those without embeddings, and compute is 6ND with that N. C_min is what a run would take at a
batch far below the critical size; at the critical size, where time and compute are in balance, it is half of
what is spent: so Hoffmann et al. come to 4.68B parameters for 1e21 FLOPs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from chinchilla_lib.laws import KaplanLoss, PowerLaw
from chinchilla_lib.reference.positions import KAPLAN_N_OPT, PF_DAY

__all__ = ["KAPLAN", "KAPLAN_LAWS", "PF_DAY", "KaplanLaw"]

KAPLAN: Final = KaplanLoss(n_c=8.8e13, d_c=5.4e13, alpha_n=0.076, alpha_d=0.095)
"""L(N, D) of equation 1.5, nats per token of WebText2."""


@dataclass(frozen=True, kw_only=True)
class KaplanLaw:
    """A published power law of one variable."""

    title: str
    """What it says."""
    law: PowerLaw
    """In plain units: FLOPs, parameters without embeddings, tokens, steps, nats per token."""
    of: str
    """Its variable."""
    source: str
    """Where in Kaplan et al. (2020)."""
    confidence: str
    """A key of `chinchilla_lib.reference.CONFIDENCE`."""


def _of_compute(title: str, coefficient: float, exponent: float, source: str, confidence: str) -> KaplanLaw:
    """A law stated in PF-days of C_min."""
    law = PowerLaw(coefficient=coefficient * PF_DAY**-exponent, exponent=exponent)
    return KaplanLaw(title=title, law=law, of="C_min, FLOPs", source=source, confidence=confidence)


def _loss(title: str, scale: float, exponent: float, of: str, confidence: str) -> KaplanLaw:
    """A law stated as (scale / x)**exponent."""
    law = PowerLaw(coefficient=scale**exponent, exponent=-exponent)
    return KaplanLaw(title=title, law=law, of=of, source="arXiv 2001.08361, Table 5", confidence=confidence)


_TABLE_6: Final = "arXiv 2001.08361, Table 6"

KAPLAN_LAWS: Final[Mapping[str, KaplanLaw]] = MappingProxyType(
    {
        "n_opt": KaplanLaw(
            title="best parameters without embeddings",
            law=KAPLAN_N_OPT,
            of="C_min, FLOPs",
            source=_TABLE_6,
            confidence="verified",
        ),
        "d_opt": _of_compute("tokens, one epoch", 2e10, 0.27, _TABLE_6, "one source"),
        "batch": _of_compute("critical batch, tokens", 2e6, 0.24, _TABLE_6, "one source"),
        "n_steps": _of_compute("fewest steps", 5.4e3, 0.03, _TABLE_6, "one source"),
        "loss_of_compute": _loss(
            "loss of the best model", 3.1e8 * PF_DAY, 0.05, "C_min, FLOPs", "one source"
        ),
        "loss_of_params": _loss(
            "loss where data are endless", 8.8e13, 0.076, "parameters without embeddings", "verified"
        ),
        "loss_of_tokens": _loss("loss where size is endless", 5.4e13, 0.095, "tokens", "verified"),
    }
)
"""The laws by name; where the confidence is ``one source`` it is the coefficient that was read once."""
