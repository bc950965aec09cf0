"""Zipf recall: a corpus whose entropy is known exactly (after Hutter 2021 and Michaud et al. 2023).

Independent triples (a, b, v). The key (a, b) follows a Zipf law of exponent 1 + s over all pairs of tokens,
laid out at random; v is f(key), a fixed random function, with probability 1 - eps, else uniform. Rare facts
must be learnt one by one, so the loss approaches its entropy as a power: predicted exponents are s in the
parameters and s / (1 + s) in the data.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.shards import Shards, TokenisedText, write_shards
from chinchilla_lib.errors import InputError

__all__ = ["DOCUMENT_TRIPLES", "ZIPF_RECALL", "ZipfRecall"]

IntArray = npt.NDArray[np.int64]

ZIPF_RECALL: Final = "zipf-recall"
DOCUMENT_TRIPLES: Final = 1024
"""Of each document."""

_SHARD_DOCUMENTS: Final = 1024


@dataclass(frozen=True)
class ZipfRecall:
    """A corpus of triples.

    Attributes
    ----------
    vocab_size : int
        V; from 1,024 on the power law holds over a useful range. At most 4,096: there are V^2 keys.
    s : float
        The key of rank k has a probability in proportion to k^-(1 + s); above 0.
    eps : float
        Share of values drawn at random, at least 0 and below 1.
    n_tokens : int
        Training tokens; the held-out side has a sixteenth as many. Both are rounded up to whole documents of
        1,024 triples.
    seed : int
    """

    vocab_size: int = 1024
    s: float = 0.5
    eps: float = 0.1
    n_tokens: int = 16_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, allowed, good in (
            ("vocab_size", self.vocab_size, "between 2 and 4096", 2 <= self.vocab_size <= 4096),
            ("s", self.s, "above 0", self.s > 0),
            ("eps", self.eps, "at least 0 and below 1", 0 <= self.eps < 1),
            ("n_tokens", self.n_tokens, "above 0", self.n_tokens > 0),
        ):
            if not good:
                raise InputError(f"{name} is {value}; for {ZIPF_RECALL} it must be {allowed}")

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return ZIPF_RECALL

    @cached_property
    def key_probabilities(self) -> npt.NDArray[np.float64]:
        """Probability of each key in the order of rank, shape (V^2,)."""
        weights = np.arange(1.0, self.vocab_size**2 + 1) ** -(1 + self.s)
        return np.asarray(weights / weights.sum())

    @property
    def entropy(self) -> float:
        """Nats per token, the mean over the three roles: (H(key) + H(v | key)) / 3.

        Examples
        --------
        >>> round(ZipfRecall(vocab_size=64, s=0.5, eps=0.1).entropy, 5)
        1.25851
        """
        v = self.vocab_size
        values = np.array([1 - self.eps + self.eps / v] + [self.eps / v] * (v - 1))
        return float(_entropy(self.key_probabilities) + _entropy(values)) / 3

    def surprise(self, triples: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Nats that tokens cost those who know the law: -ln p of each, given those before it in its triple.

        Parameters
        ----------
        triples : ndarray of int
            Shape (n, 3).

        Returns
        -------
        ndarray
            Shape (n, 3); the mean over draws is `entropy`, up to their scatter.
        """
        key_of, value_of = self._facts(self._stream())
        p_key = np.empty(self.vocab_size**2)
        p_key[key_of] = self.key_probabilities
        p_first = p_key.reshape(self.vocab_size, -1).sum(axis=1)
        first, second, value = triples.astype(np.int64).T
        key = first * self.vocab_size + second
        p_value = self.eps / self.vocab_size + (1 - self.eps) * (value == value_of[key])
        return np.asarray(-np.log(np.stack([p_first[first], p_key[key] / p_first[first], p_value], axis=1)))

    def heldout(self) -> npt.NDArray[np.uint16]:
        """The held-out side as :meth:`write` draws it, after the training side, shape (n, 3)."""
        stream = self._stream()
        facts = self._facts(stream)
        for _ in self._draw(stream, facts, self.n_tokens):
            pass
        return np.concatenate(list(self._draw(stream, facts, self._heldout_tokens)))

    @property
    def _heldout_tokens(self) -> int:
        return -(-self.n_tokens // 16)

    def _stream(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, 0x21BF])

    def _facts(self, stream: np.random.Generator) -> tuple[IntArray, IntArray]:
        """The key of each rank, and the value of each key."""
        n_keys = self.vocab_size**2
        return stream.permutation(n_keys), stream.integers(self.vocab_size, size=n_keys)

    def _draw(
        self, stream: np.random.Generator, facts: tuple[IntArray, IntArray], n_tokens: int
    ) -> Iterator[npt.NDArray[np.uint16]]:
        """Triples of whole documents, a shard at a time, shape (n, 3)."""
        v, (key_of, value_of) = self.vocab_size, facts
        upto = np.cumsum(self.key_probabilities)
        n_documents = -(-n_tokens // (3 * DOCUMENT_TRIPLES))
        for first in range(0, n_documents, _SHARD_DOCUMENTS):
            n_triples = min(_SHARD_DOCUMENTS, n_documents - first) * DOCUMENT_TRIPLES
            rank = np.searchsorted(upto, stream.random(n_triples) * upto[-1], side="right")
            key = key_of[np.minimum(rank, v * v - 1)]
            at_random = stream.random(n_triples) < self.eps
            value = np.where(at_random, stream.integers(v, size=n_triples), value_of[key])
            yield np.stack([key // v, key % v, value], axis=1).astype(np.uint16)

    def is_in(self, shards: Shards) -> bool:
        """Whether the shards hold this very corpus."""
        return shards.manifest.get("zipf_recall") == asdict(self)

    def write(self, folder: Path) -> Shards:
        """Draw the triples and write them as shards.

        There is no text: a token counts as one byte, and the marker of documents does not occur. The manifest
        holds ``entropy_nats_per_token``. Windows start at a triple, so with a length that is a multiple of
        three every role weighs the same.

        Parameters
        ----------
        folder : pathlib.Path

        Returns
        -------
        Shards

        Raises
        ------
        InputError
            If the folder exists and holds something else than shards.
        """
        stream = self._stream()
        facts = self._facts(stream)

        def side(name: str, n_tokens: int) -> Iterator[TokenisedText]:
            for i, triples in enumerate(self._draw(stream, facts, n_tokens)):
                n = len(triples) // DOCUMENT_TRIPLES
                yield TokenisedText(
                    tokens=triples.ravel(),
                    lengths=np.full(n, 3 * DOCUMENT_TRIPLES, dtype=np.int64),
                    names=[f"{ZIPF_RECALL}/{name}/{i * _SHARD_DOCUMENTS + j}" for j in range(n)],
                )

        return write_shards(
            folder,
            name=ZIPF_RECALL,
            version=f"V {self.vocab_size}, s {self.s}, eps {self.eps}, seed {self.seed}",
            licence="CC0-1.0 (drawn at random)",
            token_bytes=np.ones(self.vocab_size, dtype=np.uint16),
            train=side("train", self.n_tokens),
            validation=side("validation", self._heldout_tokens),
            details={"zipf_recall": asdict(self), "entropy_nats_per_token": self.entropy},
            alignment=3,
        )


def _entropy(probabilities: npt.NDArray[np.float64]) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())
