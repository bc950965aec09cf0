"""Hashes of runs of words: how texts are compared for repetition."""

import re
import unicodedata
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["hash_ngrams", "mix_bits", "plain_words"]

_NOT_WORDS = re.compile(r"[\W_]+")
_BLANK = ord(" ")
_PRIME: Final = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2^64
# One random number for each byte. Raw generator output: NumPy promises never to change it.
_BYTES: Final = np.random.PCG64(0x0B17E).random_raw(256)


def plain_words(text: str) -> str:
    """Letters and digits in lower case, words separated by one blank; NFKC makes them comparable.

    Examples
    --------
    >>> plain_words("It's THE ﬁnest—of 3!")
    'it s the finest of 3'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NOT_WORDS.sub(" ", text.casefold()).strip()


def hash_ngrams(words: str, n: int) -> npt.NDArray[np.uint64]:
    """Hash every run of n words.

    A polynomial hash over the bytes: sums over the whole text give that of any stretch of it.

    Parameters
    ----------
    words : str
        As :func:`plain_words` returns them.
    n : int
        Words in a run; a text with fewer words is one run.

    Returns
    -------
    ndarray
        Uint64, shape (max(n_words - n, 0) + 1,), in the order of the text.

    Examples
    --------
    >>> a, b = hash_ngrams("the more the merrier", 2), hash_ngrams("say the more", 2)
    >>> len(a), len(b), a[0] == b[1]
    (3, 2, np.True_)
    """
    data = np.frombuffer(words.encode(), dtype=np.uint8)
    powers, inverses = _powers(max(len(data), 1).bit_length())
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(_BYTES[data] * powers[: len(data)], out=sums[1:])
    blanks = np.flatnonzero(data == _BLANK)
    starts = np.concatenate([[0], blanks + 1])
    ends = np.append(blanks, len(data))
    n = min(n, len(starts))
    starts, ends = starts[: len(starts) - n + 1], ends[n - 1 :]
    return mix_bits((sums[ends] - sums[starts]) * inverses[starts])


def mix_bits(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Permute the 64-bit numbers so that every bit depends on all (the finaliser of SplitMix64).

    Examples
    --------
    >>> mixed = mix_bits(np.array([0, 1, 2], dtype=np.uint64))
    >>> [number.bit_count() for number in mixed.tolist()]
    [0, 25, 31]
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@cache
def _powers(bits: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Powers of the prime and of its inverse, 2^bits of each."""

    def powers(base: int) -> npt.NDArray[np.uint64]:
        factors = np.full(1 << bits, base, dtype=np.uint64)
        factors[0] = 1
        return np.multiply.accumulate(factors)

    return powers(_PRIME), powers(pow(_PRIME, -1, 1 << 64))
