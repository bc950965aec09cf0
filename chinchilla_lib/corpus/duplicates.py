"""Repeated documents, exact and near, and a split that keeps near-duplicates on one side.

Near-duplicates are found as for MassiveText (Rae et al. 2021, appendix A) by MinHash, here over runs of
five words: one changed word breaks only five of them. A signature is 128 minima; documents that agree in
one of 32 bands of four are candidates (at a Jaccard similarity of 0.8 all but one pair in ten million), and
those that agree in 70 % of all minima belong together.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.ngrams import hash_ngrams, mix_bits, plain_words
from chinchilla_lib.errors import InputError

__all__ = [
    "FINGERPRINT",
    "SIMILARITY",
    "TRAIN",
    "VALIDATION",
    "Sides",
    "assign_sides",
    "fingerprint",
    "read_column",
    "split_documents",
]

SHINGLE_WORDS: Final = 5
SIMILARITY: Final = 0.7
_HASHES: Final = 128
_ROWS: Final = 4
# Multiplication by an odd number permutes the 32-bit numbers: 128 of them, 128 permutations.
_MULTIPLIERS: Final = (np.random.PCG64(0x51DE5).random_raw(_HASHES) >> np.uint64(32)).astype(np.uint32) | 1
_BLOCK: Final = 8192
_PAIRS: Final = 4096

DROPPED: Final = 0
TRAIN: Final = 1
VALIDATION: Final = 2
_FIXED: Final = {None: DROPPED, "train": TRAIN, "validation": VALIDATION}

FINGERPRINT: Final = np.dtype(
    [
        ("digest", "<u8"),
        ("letters", "<u8"),
        ("n_bytes", "<u4"),
        ("fixed", "u1"),
        ("minima", "<u4", (_HASHES,)),
    ]
)
"""What is kept of a document (533 bytes): the first 64 bits of the SHA-256 of its text, the same of its
letters and digits alone, its bytes of UTF-8, the side its publisher gave it (0: none), and its MinHash."""


def fingerprint(document: Document) -> npt.NDArray[Any]:
    """Fingerprint of one document, of type ``FINGERPRINT`` and shape ().

    Examples
    --------
    >>> same = fingerprint(Document("a", "The same text.")), fingerprint(Document("b", "The same text."))
    >>> bool(same[0]["digest"] == same[1]["digest"])
    True
    """
    text = document.text.encode()
    words = plain_words(document.text)
    shingles = (hash_ngrams(words, SHINGLE_WORDS) >> np.uint64(32)).astype(np.uint32)
    minima = np.full(_HASHES, 2**32 - 1, dtype=np.uint32)
    for i in range(0, len(shingles), _BLOCK):
        hashes = np.multiply.outer(_MULTIPLIERS, shingles[i : i + _BLOCK])
        np.minimum(minima, hashes.min(axis=1), out=minima)
    letters = words.replace(" ", "").encode()
    fields = (_digest(text), _digest(letters), len(text), _FIXED[document.side], minima)
    return np.array(fields, dtype=FINGERPRINT)


def read_column(fingerprints: npt.NDArray[Any], name: str, among: slice = slice(None)) -> npt.NDArray[Any]:
    """One field of all fingerprints, read in pieces: of a map of a file no more than a piece stays in memory.

    Parameters
    ----------
    fingerprints : ndarray
        Of type ``FINGERPRINT``, shape (n,).
    name : str
        Of the field.
    among : slice
        Which of the minima.

    Returns
    -------
    ndarray, shape (n,), or (n, m) of m minima

    Examples
    --------
    >>> prints = np.array([fingerprint(Document("a", "Four"))], dtype=FINGERPRINT)
    >>> read_column(prints, "n_bytes").tolist()
    [4]
    """
    starts = range(0, max(1, len(fingerprints)), _BLOCK)
    return np.concatenate(
        [np.array(_mapped_anew(fingerprints)[i : i + _BLOCK][name][..., among]) for i in starts]
    )


def _mapped_anew(fingerprints: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same, of a file as a map of its own: its pages leave memory together with it."""
    if not isinstance(fingerprints, np.memmap) or fingerprints.filename is None:
        return fingerprints
    return np.memmap(fingerprints.filename, dtype=FINGERPRINT, mode="r", shape=fingerprints.shape)


@dataclass(frozen=True, eq=False)
class Sides:
    """Where each document goes.

    Attributes
    ----------
    side : ndarray
        0 (dropped), ``TRAIN`` or ``VALIDATION`` for each document, uint8, shape (n,).
    n_duplicate : int
        Dropped because an earlier document has the same letters and digits.
    n_near_duplicate : int
        Kept, but much like another document: they follow it to its side.
    n_leaking : int
        Dropped because the publisher put it into training and something much like it into the held-out side.
    """

    side: npt.NDArray[np.uint8]
    n_duplicate: int
    n_near_duplicate: int
    n_leaking: int


def assign_sides(fingerprints: npt.NDArray[Any], *, validation_share: float | npt.NDArray[Any]) -> Sides:
    """Drop exact duplicates and put the rest, near-duplicates together, on one side or the other.

    A document that is like no other goes by its own hash: adding or reordering others moves it only if one of
    them is its near-duplicate. Near-duplicates go by a hash of the smallest of theirs. A side that the
    publisher fixed stands; in its neighbourhood the held-out side wins.

    Parameters
    ----------
    fingerprints : ndarray
        Of type ``FINGERPRINT``, shape (n,). Of a map of a file little stays in memory, and the work takes
        some 100 bytes for each document.
    validation_share : float or ndarray
        Expected share of documents held out, between 0 and 1; may differ from document to document.

    Returns
    -------
    Sides

    Raises
    ------
    InputError
        If a share is not between 0 and 1, or a side is empty.
    """
    share = np.broadcast_to(np.asarray(validation_share, dtype=np.float64), len(fingerprints))
    if not np.all((share > 0) & (share < 1)):
        raise InputError(f"validation_share is {validation_share}; it must lie between 0 and 1")
    fixed, letters = read_column(fingerprints, "fixed"), read_column(fingerprints, "letters")
    # The first of each kind stays, or the one that its publisher holds out.
    order = np.lexsort((fixed != VALIDATION, letters))
    kept = np.sort(order[np.append(True, np.diff(letters[order]) != 0)]) if len(order) else order
    group = _near_duplicates(fingerprints, kept)
    n_groups = int(group.max()) + 1 if len(group) else 0
    size = np.bincount(group, minlength=n_groups)

    digest = read_column(fingerprints, "digest")[kept]
    smallest = np.full(n_groups, 2**64 - 1, dtype=np.uint64)
    np.minimum.at(smallest, group, digest)
    # The smallest of several hashes tends to be small; with its bits mixed all sides are as likely as ever.
    key = np.where(size > 1, mix_bits(smallest), smallest)[group]
    side = np.where(key < share[kept] * 2.0**64, VALIDATION, TRAIN).astype(np.uint8)
    held_out, trained = (
        np.bincount(group, fixed[kept] == s, n_groups)[group] > 0 for s in (VALIDATION, TRAIN)
    )
    side[trained] = TRAIN
    side[held_out] = VALIDATION
    leaking = held_out & (fixed[kept] == TRAIN)
    side[leaking] = DROPPED

    if TRAIN not in side or VALIDATION not in side:
        raise InputError(
            f"the split left {(side == TRAIN).sum()} training and {(side == VALIDATION).sum()} validation "
            "documents; both need one at least: add documents or change validation_share"
        )
    sides = np.zeros(len(fingerprints), dtype=np.uint8)
    sides[kept] = side
    return Sides(
        sides, len(fingerprints) - len(kept), int((size[group] > 1).sum() - leaking.sum()), int(leaking.sum())
    )


def split_documents(
    documents: Sequence[Document], *, validation_share: float
) -> tuple[list[Document], list[Document]]:
    """Split documents that fit into memory; see :func:`assign_sides`.

    Parameters
    ----------
    documents : sequence of Document
    validation_share : float

    Returns
    -------
    train, validation : list of Document
        Without exact duplicates, in the order given.

    Examples
    --------
    >>> documents = [Document(f"d{number}", f"The text of document {number}.") for number in range(40)]
    >>> train, validation = split_documents([*documents, documents[0]], validation_share=0.25)
    >>> len(train) + len(validation)
    40
    """
    fingerprints = np.array([fingerprint(d) for d in documents], dtype=FINGERPRINT)
    sides = assign_sides(fingerprints, validation_share=validation_share).side
    train, validation = (
        [d for d, side in zip(documents, sides, strict=True) if side == s] for s in (TRAIN, VALIDATION)
    )
    return train, validation


def _near_duplicates(fingerprints: npt.NDArray[Any], kept: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Group number of each kept document."""
    first: list[npt.NDArray[np.int64]] = []
    second: list[npt.NDArray[np.int64]] = []
    for band in range(0, _HASHES, _ROWS):
        rows = read_column(fingerprints, "minima", slice(band, band + _ROWS))[kept].view("<u8")
        order = np.lexsort(rows.T)
        same = np.flatnonzero((rows[order[1:]] == rows[order[:-1]]).all(axis=1))
        for i in range(0, len(same), _PAIRS):
            a, b = order[same[i : i + _PAIRS]], order[same[i : i + _PAIRS] + 1]
            minima = _mapped_anew(fingerprints)["minima"]
            alike = (minima[kept[a]] == minima[kept[b]]).mean(axis=1) >= SIMILARITY
            first.append(a[alike])
            second.append(b[alike])
    a, b = (np.concatenate([np.zeros(0, dtype=np.int64), *pairs]) for pairs in (first, second))
    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(len(kept), len(kept)))
    _, group = connected_components(links, directed=False)
    return np.asarray(group, dtype=np.int64)


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
