"""What a corpus is made of: one source, several as they are, or several in given shares (Table A1)."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.ngrams import mix_bits
from chinchilla_lib.corpus.sources import Source, find_source
from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["ENGLISH", "Part", "Recipe", "choose_copies", "find_recipe"]

_log = logging.getLogger(__name__)

ENGLISH: Final = "english"
"""The largest mix of English that may be passed on: the sources below that can be had, each once."""

_ENGLISH_PARTS: Final = ("sotu", "wikitext2", "debian-docs")


@dataclass(frozen=True)
class Part:
    """A source within a corpus.

    Attributes
    ----------
    source : Source
    weight : float or None
        Its share of the training tokens, in proportion to the other weights; None to take all of it once.
    max_epochs : float
        How often its documents may come up in one pass over the corpus, on average; may be below 1.
    """

    source: Source
    weight: float | None = None
    max_epochs: float = 1.0

    def __post_init__(self) -> None:
        if self.weight is not None and not 0 < self.weight < math.inf:
            raise InputError(f"the weight of {self.source.name!r} is {self.weight}; it must be above 0")
        if not 0 < self.max_epochs < math.inf:
            raise InputError(f"max_epochs of {self.source.name!r} is {self.max_epochs}; it must be above 0")


@dataclass(frozen=True)
class Recipe:
    """A corpus as a list of parts.

    Attributes
    ----------
    name : str
    parts : tuple of Part
        With weights, all of them; or none.
    """

    name: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        names = [part.source.name for part in self.parts]
        if not names or len(set(names)) < len(names):
            raise InputError(f"the parts of {self.name!r} are {names}; name one at least, and none twice")
        if len({part.weight is None for part in self.parts}) > 1:
            raise InputError(
                f"some parts of {self.name!r} have a weight and some have none; weigh all or none"
            )

    @property
    def weighted(self) -> bool:
        """Whether the parts come in given shares."""
        return self.parts[0].weight is not None


def find_recipe(name: str) -> Recipe:
    """Recipe of that name: a single source, or ``"english"``.

    Raises
    ------
    InputError
        If there is none.
    """
    if name != ENGLISH:
        return Recipe(name, (Part(find_source(name)),))
    had: list[Part] = []
    for part in _ENGLISH_PARTS:
        source = find_source(part)
        try:
            source.version()
            source.fetch()
            had.append(Part(source))
        except (InputError, MissingExtraError) as error:
            _log.warning("english goes without %s: %s", part, error)
    if not had:
        raise InputError(
            f"english: none of {', '.join(_ENGLISH_PARTS)} can be had here; see the warnings above"
        )
    return Recipe(name, tuple(had))


def choose_copies(
    lengths: Sequence[npt.NDArray[np.int64]],
    digests: Sequence[npt.NDArray[np.uint64]],
    weights: Sequence[float],
    max_epochs: Sequence[float],
) -> list[npt.NDArray[np.int64]]:
    """How often each document comes up so that the parts have their shares of the tokens.

    The corpus gets as long as the part that runs out first allows. A part passed over e times has every
    document floor(e) times, and those first in the order of a hash once more.

    Parameters
    ----------
    lengths, digests : sequence of ndarray
        For each part: tokens and hash of each document, shape (n_documents,).
    weights, max_epochs : sequence of float
        For each part.

    Returns
    -------
    list of ndarray
        For each part, copies of each document, shape (n_documents,).

    Raises
    ------
    InputError
        If a part has no documents.

    Examples
    --------
    >>> lengths, digests = [np.full(n, 100) for n in (10, 100)], [np.arange(n, dtype="u8") for n in (10, 100)]
    >>> [int(copies.sum()) for copies in choose_copies(lengths, digests, weights=[1, 3], max_epochs=[2, 1])]
    [20, 60]
    """
    available = [int(part.sum()) for part in lengths]
    if not all(available):
        raise InputError(
            f"parts hold {available} tokens on one side; a mix needs some of each: give more text"
        )
    total = min(e * n / w for n, w, e in zip(available, weights, max_epochs, strict=True))
    copies = []
    for part, digest, weight, n in zip(lengths, digests, weights, available, strict=True):
        whole, rest = divmod(total * weight / n, 1)
        order = np.argsort(mix_bits(digest), kind="stable")
        once_more = np.zeros(len(part), dtype=np.int64)
        # The document at the border is taken when most of it lies within.
        once_more[order] = np.cumsum(part[order]) - part[order] / 2 <= rest * n
        copies.append(int(whole) + once_more)
    return copies
