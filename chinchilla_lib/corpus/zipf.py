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

__all__ = ["ZIPF_RECALL", "ZipfRecall"]

ZIPF_RECALL: Final = "zipf-recall"
_DOCUMENT_TRIPLES: Final = 1024
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
        rng = np.random.default_rng([self.seed, 0x21BF])
        v = self.vocab_size
        layout = rng.permutation(v * v)
        value_of = rng.integers(v, size=v * v)
        upto = np.cumsum(self.key_probabilities)

        def draw(n_tokens: int, side: str) -> Iterator[TokenisedText]:
            n_documents = -(-n_tokens // (3 * _DOCUMENT_TRIPLES))
            for first in range(0, n_documents, _SHARD_DOCUMENTS):
                n = min(_SHARD_DOCUMENTS, n_documents - first)
                n_triples = n * _DOCUMENT_TRIPLES
                rank = np.searchsorted(upto, rng.random(n_triples) * upto[-1], side="right")
                key = layout[np.minimum(rank, v * v - 1)]
                at_random = rng.random(n_triples) < self.eps
                value = np.where(at_random, rng.integers(v, size=n_triples), value_of[key])
                yield TokenisedText(
                    tokens=np.stack([key // v, key % v, value], axis=1).astype(np.uint16).ravel(),
                    lengths=np.full(n, 3 * _DOCUMENT_TRIPLES, dtype=np.int64),
                    names=[f"{ZIPF_RECALL}/{side}/{first + i}" for i in range(n)],
                )

        return write_shards(
            folder,
            name=ZIPF_RECALL,
            version=f"V {v}, s {self.s}, eps {self.eps}, seed {self.seed}",
            licence="CC0-1.0 (drawn at random)",
            token_bytes=np.ones(v, dtype=np.uint16),
            train=draw(self.n_tokens, "train"),
            validation=draw(-(-self.n_tokens // 16), "validation"),
            details={"zipf_recall": asdict(self), "entropy_nats_per_token": self.entropy},
            alignment=3,
        )


def _entropy(probabilities: npt.NDArray[np.float64]) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())
