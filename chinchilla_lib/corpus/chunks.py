"""A corpus in the making: chunks of text on disk, each finished or to be done again."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._files import open_whole
from chinchilla_lib.corpus.documents import Document, clean_document
from chinchilla_lib.corpus.duplicates import FINGERPRINT, fingerprint
from chinchilla_lib.corpus.shards import TokenisedText
from chinchilla_lib.corpus.tokenizer import Tokenizer

__all__ = ["Chunk", "Counts", "Progress"]

_log = logging.getLogger(__name__)

_REPORT_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Counts:
    """What a chunk holds.

    Attributes
    ----------
    n_read : int
        Documents read from the source, short ones included.
    n_kept, n_bytes : int
        Documents kept, and the bytes of their cleaned text.
    last : bool
        Whether the source ended here.
    """

    n_read: int
    n_kept: int
    n_bytes: int
    last: bool


@dataclass(frozen=True)
class Chunk:
    """A stretch of one part of a corpus: its text and fingerprints and, later, its tokens.

    Attributes
    ----------
    part : int
        Index of the part it comes from.
    path : pathlib.Path
        Its files, without their suffixes.
    """

    part: int
    path: Path

    @property
    def is_read(self) -> bool:
        """Whether :meth:`read` went through."""
        return self._file("json").exists()

    @cached_property
    def counts(self) -> Counts:
        """What the chunk holds, once it is read."""
        return Counts(**json.loads(self._file("json").read_bytes()))

    def read(self, documents: Iterator[Document], *, max_bytes: int, limit: int | None) -> None:
        """Take documents until there are ``max_bytes`` of them; clean, fingerprint and keep them.

        Parameters
        ----------
        documents : iterator of Document
        max_bytes : int
            Text of a chunk, but for the last document.
        limit : int or None
            Bytes of text that the source may still give.
        """
        kept: list[Document] = []
        n_read = n_bytes = 0
        room = max_bytes if limit is None else min(max_bytes, limit)
        while n_bytes < room and (document := next(documents, None)) is not None:
            n_read += 1
            cleaned = clean_document(document)
            if cleaned is not None:
                kept.append(cleaned)
                n_bytes += len(cleaned.text.encode())
        with self._file("text").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps([d.name, d.text], ensure_ascii=False) + "\n" for d in kept)
        np.array([fingerprint(d) for d in kept], dtype=FINGERPRINT).tofile(self._file("prints"))
        counts = Counts(
            n_read, len(kept), n_bytes, last=n_bytes < room or (limit is not None and n_bytes >= limit)
        )
        with open_whole(self._file("json")) as file:
            json.dump(vars(counts), file)

    def documents(self) -> Iterator[Document]:
        """The cleaned documents."""
        with self._file("text").open(encoding="utf-8") as file:
            for line in file:
                name, text = json.loads(line)
                yield Document(name, text)

    def fingerprints(self) -> npt.NDArray[Any]:
        """Of each document, shape (n_kept,)."""
        return np.fromfile(self._file("prints"), dtype=FINGERPRINT)

    def tokenise(self, tokenizer: Tokenizer, wanted: npt.NDArray[np.bool_]) -> None:
        """Tokenise the documents that are wanted, unless that is done; the others get the length 0."""
        if self._file("lengths").exists():
            return
        text = tokenizer.tokenise([d for d, w in zip(self.documents(), wanted, strict=True) if w])
        lengths = np.zeros(len(wanted), dtype=np.int64)
        lengths[wanted] = text.lengths
        text.tokens.tofile(self._file("tokens"))
        with open_whole(self._file("lengths"), "wb") as file:
            file.write(lengths.tobytes())

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each document, shape (n_kept,)."""
        return np.fromfile(self._file("lengths"), dtype=np.int64)

    def copied(self, copies: npt.NDArray[np.int64]) -> TokenisedText:
        """Each document as often as ``copies`` says, second copies after all first ones."""
        tokens = np.fromfile(self._file("tokens"), dtype=np.uint16)
        lengths = self.lengths()
        ends = np.cumsum(lengths)
        rounds = [np.flatnonzero(copies > k) for k in range(copies.max(initial=0))]
        chosen = np.concatenate([np.zeros(0, dtype=np.int64), *rounds])
        names = [document.name for document in self.documents()]
        parts = [tokens[ends[i] - lengths[i] : ends[i]] for i in chosen]
        return TokenisedText(
            tokens=np.concatenate([tokens[:0], *parts]),
            lengths=lengths[chosen],
            names=[names[i] for i in chosen],
        )

    def _file(self, kind: str) -> Path:
        return self.path.with_suffix(f".{kind}")


class Progress:
    """Logs now and then how far a stage is and how long it will take.

    Parameters
    ----------
    stage : str
        What is going on.
    total : int or None
        Bytes to do, where that is known.
    """

    def __init__(self, stage: str, total: int | None) -> None:
        self._stage, self._total, self._done = stage, total, 0
        self._started = self._reported = time.monotonic()

    def add(self, n_bytes: int) -> None:
        """Count what has been done; report unless the last report is fresh."""
        self._done += n_bytes
        now = time.monotonic()
        if now < self._reported + _REPORT_SECONDS:
            return
        self._reported = now
        left = ""
        if self._total and self._done:
            seconds = (now - self._started) * max(self._total / self._done - 1, 0)
            left = f" of about {self._total / 1e6:.0f}, {seconds:.0f} s to go"
        _log.info("%s: %.0f MB%s", self._stage, self._done / 1e6, left)
