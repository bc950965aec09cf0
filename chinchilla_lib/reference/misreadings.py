"""Statements about the paper held against its tables: how far a figure is off, and the word for that.

A figure is right to its digits or not, which is the ledger's verdict (`chinchilla_lib.reference.claims`).
How badly it is off is another question, and so is what to call a statement with several figures: both have
one rule here.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from chinchilla_lib._format import parse_number
from chinchilla_lib.errors import InputError
from chinchilla_lib.reference.claims import Settled, load_claims

__all__ = ["FACTOR", "Word", "figures_in", "off_by", "word_for", "words_for"]

Word = Literal["right", "imprecise", "wrong", "open"]

FACTOR: Final = math.sqrt(2)
"""A figure off by less is nearer to the true one than to its double or its half."""

_FIGURE: Final = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:e\d+|[kMBT])?(?![\w%]|\.\d)")


def figures_in(text: str) -> tuple[float, ...]:
    """Numbers in a sentence, such as 70B, 5.76e23 or 262,144, in their order.

    Figures of names, as in A3 or 5x, and percentages with their sign are none.

    Examples
    --------
    >>> figures_in("175B: 4.41e24 FLOPs and 4.2T tokens (Table A3)")
    (175000000000.0, 4.41e+24, 4200000000000.0)
    """
    found = (match.group().replace(",", "") for match in _FIGURE.finditer(text))
    return tuple(0.0 if not figure.strip("0.") else parse_number(figure) for figure in found)


def off_by(settled: Settled) -> float | None:
    """Ours over the figure claimed; None where one of them is missing or not above zero.

    Examples
    --------
    >>> from chinchilla_lib.reference.claims import Claim
    >>> claim = Claim("x", "popular", "Often said", "Growth.", "paper", paper="2", chapter="misreadings")
    >>> off_by(claim.settle(3))
    1.5
    """
    if settled.value is None or settled.value <= 0 or not settled.claim.paper:
        return None
    claimed = float(settled.claim.paper)
    return settled.value / claimed if claimed > 0 else None


def word_for(settled: Sequence[Settled], *, factor: float = FACTOR) -> Word:
    """One word for a statement from all of its figures.

    It is right if all agree to their digits. It is wrong if none does, and none is within the factor.
    Between the two it is imprecise. Where there is no figure, or none differs and one cannot be told, it
    is open.

    Parameters
    ----------
    settled : sequence of Settled
        Figures of one statement.
    factor : float
        Above 1: up to which a figure that is off is called imprecise.

    Raises
    ------
    InputError
        If the factor is not above 1.

    Examples
    --------
    >>> from chinchilla_lib.reference.claims import Claim
    >>> claim = Claim("x", "popular", "Often said", "Growth.", "paper", paper="2.0", chapter="misreadings")
    >>> [word_for([claim.settle(value)]) for value in (2.0, 2.5, 9.0)]
    ['right', 'imprecise', 'wrong']
    """
    if not 1 < factor < math.inf:
        raise InputError(f"factor is {factor!r}; give a finite number above 1")
    outcomes = [_outcome(one, factor) for one in settled]
    if not outcomes:
        return "open"
    if all(outcome == outcomes[0] for outcome in outcomes):
        return outcomes[0]
    return "open" if set(outcomes) == {"right", "open"} else "imprecise"


def words_for(
    items: Iterable[str], settled: Mapping[str, Settled], *, factor: float = FACTOR
) -> dict[str, Word]:
    """The word for each item, from the claims of the ledger that cover it and are settled, or cannot be.

    Parameters
    ----------
    items : iterable of str
        As in a claim's ``covers``: ``popular 12``.
    settled : mapping of str to Settled
        By the name of the claim; what other chapters settle is left out.
    factor : float
        As for `word_for`.

    Examples
    --------
    >>> words_for(["popular 1"], {})
    {'popular 1': 'open'}
    """
    known = {c.id: Settled(c, "none") for c in load_claims().values() if c.basis == "none"} | dict(settled)
    return {
        item: word_for([one for one in known.values() if item in one.claim.covers], factor=factor)
        for item in items
    }


def _outcome(settled: Settled, factor: float) -> Word:
    if settled.outcome != "differs":
        return "right" if settled.outcome == "agrees" else "open"
    ratio = off_by(settled)
    return "imprecise" if ratio is not None and 1 / factor < ratio < factor else "wrong"
