"""From a named corpus to shards, in one call that does nothing when the shards are there.

Text flows through in chunks of bounded size: read and cleaned, compared, split, tokenised by a BPE that was
trained on a sample. What a chunk gave is kept in a work folder beside the shards, so that an interrupted
preparation goes on at the chunk it had reached. Memory holds one chunk, and about a hundred bytes for each
document.
"""

import fcntl
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from chinchilla_lib._files import open_whole
from chinchilla_lib.corpus.chunks import Chunk, Progress
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.duplicates import FINGERPRINT, TRAIN, VALIDATION, assign_sides, read_column
from chinchilla_lib.corpus.leaks import LEAKS, SOURCE, Leaks
from chinchilla_lib.corpus.ngrams import mix_bits
from chinchilla_lib.corpus.pages import BASE, PAGES, Pages
from chinchilla_lib.corpus.recipe import ENGLISH, Recipe, choose_copies, find_recipe
from chinchilla_lib.corpus.shards import Shards, TokenisedText, open_shards, write_shards
from chinchilla_lib.corpus.tokenizer import Tokenizer, check_vocab_size, train_tokenizer
from chinchilla_lib.corpus.zipf import ZIPF_RECALL, ZipfRecall
from chinchilla_lib.errors import InputError

__all__ = ["prepare_corpus"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T", bound=np.generic)
_CHUNK_BYTES: Final = 16 << 20
_SAMPLE_BYTES: Final = 64 << 20


def prepare_corpus(
    corpus: str | Recipe | ZipfRecall,
    folder: Path,
    *,
    vocab_size: int = 512,
    limit_bytes: int | None = None,
) -> Shards:
    """Read, clean, split, tokenise and write a corpus, or open what is there.

    What is there is kept when it is whole and was made from the same text in the same way. Damaged shards
    are named in the log and made again. An interrupted preparation goes on where it stopped; a second
    process that prepares the same folder waits for the first.

    Parameters
    ----------
    corpus : str or Recipe or ZipfRecall
        One of :data:`chinchilla_lib.corpus.sources.SOURCES`, ``"english"``, ``"zipf-recall"``, or one of
        :data:`chinchilla_lib.corpus.leaks.LEAKS` or :data:`chinchilla_lib.corpus.pages.PAGES`, whose base is
        prepared beside it; or what these classes describe.
    folder : pathlib.Path
        Where the shards lie.
    vocab_size : int
        Tokens of the BPE; a ZipfRecall has its own.
    limit_bytes : int, optional
        Stop reading each source after so many bytes of cleaned text; by default the source's own limit.

    Returns
    -------
    Shards

    Raises
    ------
    InputError
        If the name is unknown, the vocabulary out of range, the folder holds something else, the text cannot
        be had or the disk is full.
    MissingExtraError
        If a package that brings the text is not installed.

    Notes
    -----
    The tokenizer is trained on the training side alone, on all of it or on 64 MB of documents chosen by
    hash; in a weighted mix the sample has the shares of the mix.
    """
    making = (
        ZipfRecall(vocab_size=vocab_size)
        if corpus == ZIPF_RECALL
        else corpus
        if isinstance(corpus, ZipfRecall)
        else Leaks(corpus, _base(SOURCE, folder, vocab_size))
        if isinstance(corpus, str) and corpus in LEAKS
        else Pages(corpus, _base(BASE, folder, vocab_size))
        if isinstance(corpus, str) and corpus in PAGES
        else _Text(corpus, vocab_size, limit_bytes)
    )
    try:
        held = _open_sound(folder, making.name)
        if held and making.is_in(held):
            return held
        with _one_at_a_time(folder):
            held = _open_sound(folder, making.name)
            if held and making.is_in(held):
                return held
            if held:
                _log.info("%s holds %s made in another way: made again", folder, held.name)
            return making.write(folder)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: {error.strerror or error}; mend that, then run the same command "
            "again: it goes on from here"
        ) from error


def _base(name: str, folder: Path, vocab_size: int) -> Shards:
    return prepare_corpus(name, folder.with_name(f"{name}-{vocab_size}"), vocab_size=vocab_size)


def _open_sound(folder: Path, name: str) -> Shards | None:
    """Shards of that corpus; None where there are none or they are damaged."""
    if not (folder / "manifest.json").is_file():
        return None
    try:
        shards = open_shards(folder)
    except InputError as error:
        _log.warning("%s: making it again", error)
        return None
    if shards.name != name:
        raise InputError(
            f"{folder} holds the corpus {shards.name!r}, not {name!r}: choose another folder or remove it"
        )
    return shards


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder's name; the kernel lets go of it however this process ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("waiting for another process that prepares %s", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Kept:
    """All documents that cleaning kept: one number of each in memory, the rest on disk.

    Attributes
    ----------
    part : ndarray
        Index of the part each comes from, shape (n,).
    prints : ndarray
        Fingerprints, mapped from disk, shape (n,).
    sides : Sides
    """

    def __init__(self, chunks: Sequence[Chunk], path: Path, validation_shares: Sequence[float]) -> None:
        self._chunks = chunks
        sizes = [chunk.counts.n_kept for chunk in chunks]
        if not any(sizes):
            raise InputError("no document is long enough to keep: give more text")
        self._borders = np.cumsum(sizes)[:-1]
        self.part = np.repeat([chunk.part for chunk in chunks], sizes)
        with path.open("wb") as joined:
            for chunk in chunks:
                chunk.fingerprints().tofile(joined)
        self.prints: npt.NDArray[Any] = np.memmap(path, dtype=FINGERPRINT, mode="r")
        self.sides = assign_sides(self.prints, validation_share=np.array(validation_shares)[self.part])

    def by_chunk(self, values: npt.NDArray[_T]) -> Iterator[tuple[Chunk, npt.NDArray[_T]]]:
        """Each chunk with the values of its documents."""
        return zip(self._chunks, np.split(values, self._borders), strict=True)

    def cleaning(self) -> dict[str, int]:
        """What became of the documents read, in documents."""
        n_read = sum(chunk.counts.n_read for chunk in self._chunks)
        return {
            "n_read": n_read,
            "n_too_short": n_read - len(self.prints),
            "n_duplicate": self.sides.n_duplicate,
            "n_near_duplicate": self.sides.n_near_duplicate,
            "n_leaking": self.sides.n_leaking,
            "n_kept": int((self.sides.side > 0).sum()),
        }


@dataclass(frozen=True)
class _Text:
    """A corpus of text, as asked for."""

    corpus: str | Recipe
    vocab_size: int
    limit_bytes: int | None

    @property
    def name(self) -> str:
        return self.corpus if isinstance(self.corpus, str) else self.corpus.name

    @cached_property
    def recipe(self) -> Recipe:
        return find_recipe(self.corpus) if isinstance(self.corpus, str) else self.corpus

    @cached_property
    def parts(self) -> list[dict[str, Any]]:
        """What decides the tokens, besides the two settings."""
        return [
            {
                "source": part.source.name,
                "version": part.source.version(),
                "validation_share": part.source.validation_share,
                "weight": part.weight,
                "max_epochs": part.max_epochs,
            }
            for part in self.recipe.parts
        ]

    def made_from(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """As the manifest has it."""
        return {"vocab_size": self.vocab_size, "limit_bytes": self.limit_bytes, "parts": parts}

    def is_in(self, shards: Shards) -> bool:
        """Whether the shards were made so; those of ``english``, from whatever could be had then."""
        held = shards.manifest["made_from"]
        return bool(held == self.made_from(held["parts"] if self.corpus == ENGLISH else self.parts))

    def write(self, folder: Path) -> Shards:
        """Do what is still to be done."""
        check_vocab_size(self.vocab_size)  # now, not after an hour of reading
        work = folder.with_name(f".{folder.name}.work")
        self._claim(work)
        parts = self.recipe.parts
        downloads = {part.source.name: part.source.fetch() for part in parts}
        chunks = [chunk for i in range(len(parts)) for chunk in self._read(i, work)]
        kept = _Kept(chunks, work / "prints", [part.source.validation_share for part in parts])
        tokenizer = self._tokenizer(kept, work / "tokenizer.json")
        progress = Progress("tokenising", sum(chunk.counts.n_bytes for chunk in chunks))
        for chunk, side in kept.by_chunk(kept.sides.side):
            chunk.tokenise(tokenizer, side > 0)
            progress.add(chunk.counts.n_bytes)
        lengths = np.concatenate([chunk.lengths() for chunk in chunks])
        copies = {side: self._copies(kept, lengths, side) for side in (TRAIN, VALIDATION)}

        def texts(side: int) -> Iterator[TokenisedText]:
            return (chunk.copied(c) for chunk, c in kept.by_chunk(copies[side]))

        shards = write_shards(
            folder,
            name=self.name,
            version="; ".join(part["version"] for part in self.parts),
            licence="; ".join(dict.fromkeys(part.source.licence for part in parts)),
            token_bytes=tokenizer.token_bytes(),
            train=texts(TRAIN),
            validation=texts(VALIDATION),
            details={
                "made_from": self.made_from(self.parts),
                "downloads": {name: files for name, files in downloads.items() if files},
                "cleaning": kept.cleaning(),
                "tokenizer": {"kind": "byte-level BPE, no Unicode normalisation"},
                "subsets": self._subsets(kept, lengths, copies[TRAIN]),
            },
            tokenizer_json=tokenizer.to_json(),
        )
        shutil.rmtree(work)
        _log.info(
            "%s: %d training and %d held-out tokens",
            self.name,
            shards.train.n_tokens,
            shards.validation.n_tokens,
        )
        return shards

    def _claim(self, work: Path) -> None:
        """Go on in the work folder if it is of this very preparation; else begin anew."""
        claim = work / "made_from.json"
        content = json.dumps(self.made_from(self.parts)).encode()
        if claim.is_file() and claim.read_bytes() == content:
            _log.info("going on with %s where it stopped", self.name)
        else:
            _log.info("preparing %s (%s)", self.name, ", ".join(p.source.title for p in self.recipe.parts))
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            with open_whole(claim, "wb") as file:
                file.write(content)

    def _read(self, part: int, work: Path) -> Iterator[Chunk]:
        """Chunks of one part: those that are there, then those still to be read."""
        source = self.recipe.parts[part].source
        limit = self.limit_bytes or source.limit_bytes
        progress = Progress(
            f"reading {source.name}", min(filter(None, (limit, source.n_bytes)), default=None)
        )
        documents: Iterator[Document] | None = None
        n_read = n_bytes = 0
        for index in count():
            chunk = Chunk(part, work / f"{part}-{index:05d}")
            if not chunk.is_read:
                documents = documents or islice(source.documents(), n_read, None)
                left = None if limit is None else limit - n_bytes
                chunk.read(documents, max_bytes=_CHUNK_BYTES, limit=left)
            n_read += chunk.counts.n_read
            n_bytes += chunk.counts.n_bytes
            progress.add(chunk.counts.n_bytes)
            yield chunk
            if chunk.counts.last:
                return

    def _tokenizer(self, kept: _Kept, path: Path) -> Tokenizer:
        if path.exists():
            return Tokenizer.load(path)
        parts = self.recipe.parts
        trained = np.where(kept.sides.side == TRAIN, read_column(kept.prints, "n_bytes"), 0)
        n_bytes = np.bincount(kept.part, trained, len(parts))
        weight = np.array([part.weight for part in parts]) if self.recipe.weighted else n_bytes
        taken = _SAMPLE_BYTES * weight / weight.sum() / np.maximum(n_bytes, 1)
        _log.info("training the tokenizer on %.0f MB", (n_bytes * np.minimum(taken, 1)).sum() / 1e6)

        def sample() -> Iterator[str]:
            for chunk, side in kept.by_chunk(kept.sides.side):
                position = mix_bits(chunk.fingerprints()["digest"]) / 2.0**64
                wanted = (side == TRAIN) & (position < taken[chunk.part])
                yield from (d.text for d, w in zip(chunk.documents(), wanted, strict=True) if w)

        tokenizer = train_tokenizer(sample(), vocab_size=self.vocab_size)
        with open_whole(path) as file:
            file.write(tokenizer.to_json())
        return tokenizer

    def _copies(self, kept: _Kept, lengths: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.int64]:
        """How often each document comes up on a side; on the held-out side never twice."""
        copies: npt.NDArray[np.int64] = (kept.sides.side == side).astype(np.int64)
        if self.recipe.weighted:
            parts = self.recipe.parts
            chosen = [np.flatnonzero(copies * (kept.part == i)) for i in range(len(parts))]
            epochs = [part.max_epochs if side == TRAIN else 1.0 for part in parts]
            digest = read_column(kept.prints, "digest")
            counts = choose_copies(
                [lengths[c] for c in chosen],
                [digest[c] for c in chosen],
                [part.weight or 0.0 for part in parts],
                epochs,
            )
            copies[np.concatenate(chosen)] = np.concatenate(counts)
        return copies

    def _subsets(
        self, kept: _Kept, lengths: npt.NDArray[np.int64], copies: npt.NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        """What Table A1 says of each part: its share of the training tokens, and its epochs."""
        rows = []
        for i, part in enumerate(self.recipe.parts):
            inside = kept.part == i
            tokens = int((lengths * copies)[inside].sum())
            available = int(lengths[inside & (kept.sides.side == TRAIN)].sum())
            rows.append(
                {
                    "source": part.source.name,
                    "share": round(tokens / int((lengths * copies).sum()), 6),
                    "tokens": tokens,
                    "unique_tokens": int(lengths[inside & (copies > 0)].sum()),
                    "available_tokens": available,
                    "epochs": round(tokens / max(available, 1), 6),
                }
            )
        return rows
