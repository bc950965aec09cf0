"""Token shards on disk: uint16 files and a manifest that vouches for every byte of them."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.documents import Cleaning, Document
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError

__all__ = ["Shards", "Split", "open_shards", "write_shards"]

_FORMAT = 1
_MANIFEST = "manifest.json"
_SHARD_TOKENS = 1 << 25
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Split:
    """One side of a corpus.

    Attributes
    ----------
    shards : tuple of ndarray
        Token ids, uint16, read-only and mapped from disk.
    document_starts : ndarray
        Index of each document's first token (the marker), shape (n_documents,).
    n_tokens, n_bytes : int
        Tokens stored, markers included; bytes of the text they came from.
    """

    shards: tuple[npt.NDArray[np.uint16], ...]
    document_starts: npt.NDArray[np.int64]
    n_tokens: int
    n_bytes: int


@dataclass(frozen=True, eq=False)
class Shards:
    """A tokenised corpus.

    Attributes
    ----------
    name : str
        Name of the source.
    identity : str
        First 16 hexadecimal digits of the manifest's SHA-256: what a run's config records.
    train, validation : Split
    token_bytes : ndarray
        Bytes per token, shape (vocab_size,).
    manifest : mapping
        The manifest as read.
    folder : pathlib.Path
    """

    name: str
    identity: str
    train: Split
    validation: Split
    token_bytes: npt.NDArray[np.uint16]
    manifest: Mapping[str, Any]
    folder: Path

    @property
    def vocab_size(self) -> int:
        """Number of tokens in the vocabulary."""
        return len(self.token_bytes)


def write_shards(
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    tokenizer: Tokenizer,
    train: list[Document],
    validation: list[Document],
    cleaning: Cleaning,
) -> Shards:
    """Tokenise both sides and write them with their manifest.

    The folder appears whole or not at all: everything is written beside it and renamed.

    Returns
    -------
    Shards
        Opened and checked.

    Raises
    ------
    InputError
        If the folder exists and holds something else than shards.
    """
    if folder.exists() and not (folder / _MANIFEST).is_file():
        raise InputError(f"{folder} exists and holds no shards: choose another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        tokenizer.save(partial / "tokenizer.json")
        tokenizer.token_bytes().astype("<u2").tofile(partial / "token_bytes.bin")
        manifest = {
            "format": _FORMAT,
            "name": name,
            "version": version,
            "licence": licence,
            "cleaning": vars(cleaning),
            "tokenizer": {
                "kind": "byte-level BPE, no Unicode normalisation",
                "vocab_size": tokenizer.vocab_size,
            },
            "splits": {
                "train": _write_split(partial, "train", train, tokenizer),
                "validation": _write_split(partial, "validation", validation, tokenizer),
            },
        }
        manifest["files"] = {
            path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in sorted(partial.iterdir())
        }
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_shards(folder)


def open_shards(folder: Path) -> Shards:
    """Open shards after checking every file's size and SHA-256.

    Raises
    ------
    InputError
        If the manifest or a file is missing, of another format, truncated or altered.
    """
    path = folder / _MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); prepare the corpus first with "
            "`chinchilla-lib corpus prepare`"
        ) from None
    try:
        manifest = json.loads(content)
        if manifest["format"] != _FORMAT:
            raise InputError(f"{path}: format {manifest['format']!r}; this version reads format {_FORMAT}")
        for file, expected in manifest["files"].items():
            _check_file(folder / file, expected["bytes"], expected["sha256"])
        return Shards(
            name=manifest["name"],
            identity=hashlib.sha256(content).hexdigest()[:16],
            train=_open_split(folder, manifest["splits"]["train"]),
            validation=_open_split(folder, manifest["splits"]["validation"]),
            token_bytes=np.fromfile(folder / "token_bytes.bin", dtype="<u2"),
            manifest=manifest,
            folder=folder,
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a manifest this library wrote ({error}); remove the folder and prepare it again"
        ) from None


def _write_split(folder: Path, split: str, documents: list[Document], tokenizer: Tokenizer) -> dict[str, Any]:
    starts: list[int] = []
    names: list[str] = []
    n_tokens = n_bytes = 0
    for tokens, document in _tokenise(documents, tokenizer):
        starts.append(n_tokens)
        names.append(document.name)
        n_bytes += len(document.text.encode())
        first = n_tokens // _SHARD_TOKENS
        position = 0
        while position < len(tokens):
            room = (first + 1) * _SHARD_TOKENS - (n_tokens + position)
            with (folder / f"{split}-{first:05d}.bin").open("ab") as file:
                tokens[position : position + room].astype("<u2").tofile(file)
            position += room
            first += 1
        n_tokens += len(tokens)
    np.array(starts, dtype="<i8").tofile(folder / f"{split}-documents.bin")
    (folder / f"{split}-documents.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
    return {
        "n_documents": len(documents),
        "n_tokens": n_tokens,
        "n_bytes": n_bytes,
        "shards": [path.name for path in sorted(folder.glob(f"{split}-[0-9]*.bin"))],
        "documents": f"{split}-documents.bin",
    }


def _tokenise(
    documents: list[Document], tokenizer: Tokenizer
) -> Iterator[tuple[npt.NDArray[np.uint16], Document]]:
    for i in range(0, len(documents), _BATCH):
        batch = documents[i : i + _BATCH]
        for ids, document in zip(tokenizer.encode([d.text for d in batch]), batch, strict=True):
            yield np.array([0, *ids], dtype=np.uint16), document


def _open_split(folder: Path, split: Mapping[str, Any]) -> Split:
    return Split(
        shards=tuple(np.memmap(folder / file, dtype="<u2", mode="r") for file in split["shards"]),
        document_starts=np.fromfile(folder / split["documents"], dtype="<i8"),
        n_tokens=split["n_tokens"],
        n_bytes=split["n_bytes"],
    )


def _check_file(path: Path, size: int, sha256: str) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); prepare the corpus again") from None
    if found != size:
        raise InputError(f"{path}: {found} bytes, the manifest says {size}; prepare the corpus again")
    if _sha256(path) != sha256:
        raise InputError(f"{path}: its SHA-256 is not the manifest's; prepare the corpus again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
