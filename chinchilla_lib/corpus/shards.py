"""Token shards on disk: uint16 files and a manifest that vouches for every byte of them.

Reading them needs NumPy only.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chinchilla_lib._outside import parse_json
from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError

__all__ = ["Shards", "Split", "TokenisedText", "open_shards", "write_shards"]

_FORMAT = 2
_MANIFEST = "manifest.json"
_PIECE = 1 << 22


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
    alignment : int
        Windows start at multiples of it, counted from the start of a shard.
    """

    shards: tuple[npt.NDArray[np.uint16], ...]
    document_starts: npt.NDArray[np.int64]
    n_tokens: int
    n_bytes: int
    alignment: int = 1


@dataclass(frozen=True, eq=False)
class TokenisedText:
    """A stretch of a corpus, to be written as one shard.

    Attributes
    ----------
    tokens : ndarray
        Token ids of its documents, one after the other, uint16.
    lengths : ndarray
        Tokens of each document, shape (n_documents,).
    names : sequence of str
        Where each document came from.
    """

    tokens: npt.NDArray[np.uint16]
    lengths: npt.NDArray[np.int64]
    names: Sequence[str]


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
    token_bytes: npt.NDArray[np.uint16],
    train: Iterable[TokenisedText],
    validation: Iterable[TokenisedText],
    details: Mapping[str, Any],
    tokenizer_json: str | None = None,
    alignment: int = 1,
) -> Shards:
    """Write both sides with their manifest, one shard for each stretch of text.

    The folder appears whole or not at all: everything is written beside it and renamed. A second writer of
    the same folder must be kept out by the caller.

    Parameters
    ----------
    folder : pathlib.Path
    name, version, licence : str
        Of the corpus.
    token_bytes : ndarray
        Bytes per token, shape (vocab_size,).
    train, validation : iterable of TokenisedText
        Read once, in turn; only one stretch is in memory at a time.
    details : mapping
        What else the manifest shall tell, as JSON has it.
    tokenizer_json : str, optional
        The tokenizer, where there is one.
    alignment : int
        Windows start at multiples of it; so must all documents.

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
    partial, old = (folder.with_name(f".{folder.name}.{state}") for state in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        if tokenizer_json is not None:
            (partial / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        token_bytes.astype("<u2").tofile(partial / "token_bytes.bin")
        manifest = {
            "format": _FORMAT,
            "name": name,
            "version": version,
            "licence": licence,
            "vocab_size": len(token_bytes),
            "alignment": alignment,
            **details,
            "splits": {
                "train": _write_split(partial, "train", train, token_bytes),
                "validation": _write_split(partial, "validation", validation, token_bytes),
            },
        }
        manifest["files"] = {
            path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            for path in sorted(partial.iterdir())
        }
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(old, ignore_errors=True)
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
    strange = f"{path}: not a manifest this library wrote ({{}}); remove the folder and prepare it again"
    try:
        manifest = parse_json(content)
        if manifest["format"] != _FORMAT:
            raise InputError(f"format {manifest['format']!r}; this version reads format {_FORMAT}")
        for file in manifest["files"]:
            if Path(file).name != file or file == _MANIFEST:
                raise InputError(f"{file!r} is no file of the folder")
        needed = {"token_bytes.bin", *(f"{side}-documents.txt" for side in manifest["splits"])}
        for side in ("train", "validation"):
            needed |= {*manifest["splits"][side]["shards"], manifest["splits"][side]["documents"]}
        if unlisted := sorted(needed - manifest["files"].keys()):
            raise InputError(f"it has no SHA-256 of {unlisted[0]!r}")
    except InputError as error:
        raise InputError(strange.format(error)) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(strange.format(f"{type(error).__name__}: {error}")) from None
    try:
        for file, expected in manifest["files"].items():
            _check_file(folder / file, expected["bytes"], expected["sha256"])
        token_bytes = np.fromfile(folder / "token_bytes.bin", dtype="<u2")
        if not isinstance(manifest["name"], str) or manifest["vocab_size"] != len(token_bytes):
            raise InputError(strange.format("its name or the size of its vocabulary"))
        return Shards(
            name=manifest["name"],
            identity=hashlib.sha256(content).hexdigest()[:16],
            train=_open_split(folder, "train", manifest),
            validation=_open_split(folder, "validation", manifest),
            token_bytes=token_bytes,
            manifest=manifest,
            folder=folder,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(strange.format(f"{type(error).__name__}: {error}")) from None


def _write_split(
    folder: Path, split: str, texts: Iterable[TokenisedText], token_bytes: npt.NDArray[np.uint16]
) -> dict[str, Any]:
    shards: list[str] = []
    n_documents = n_tokens = n_bytes = 0
    starts_path, names_path = folder / f"{split}-documents.bin", folder / f"{split}-documents.txt"
    with starts_path.open("wb") as starts, names_path.open("w", encoding="utf-8") as names:
        for text in texts:
            if not len(text.tokens):
                continue
            shards.append(f"{split}-{len(shards):05d}.bin")
            text.tokens.astype("<u2").tofile(folder / shards[-1])
            (n_tokens + np.cumsum(text.lengths) - text.lengths).astype("<i8").tofile(starts)
            names.writelines(f"{' '.join(name.splitlines())}\n" for name in text.names)
            n_documents += len(text.lengths)
            n_tokens += len(text.tokens)
            n_bytes += int(token_bytes[text.tokens].sum(dtype=np.int64))
    return {
        "n_documents": n_documents,
        "n_tokens": n_tokens,
        "n_bytes": n_bytes,
        "shards": shards,
        "documents": starts_path.name,
    }


def _open_split(folder: Path, side: str, manifest: Mapping[str, Any]) -> Split:
    """One side, if its files hold what the manifest says."""
    told = manifest["splits"][side]
    shards = tuple(_map_tokens(folder / file, manifest["vocab_size"]) for file in told["shards"])
    starts = np.fromfile(folder / told["documents"], dtype="<i8")
    found = {"n_tokens": sum(len(shard) for shard in shards), "n_documents": len(starts)}
    for name, value in found.items():
        if type(told[name]) is not int or told[name] != value:
            raise InputError(
                f"{folder / _MANIFEST}: {name} of {side} is {told[name]!r}; its files hold {value}"
            )
    if len(starts) and not (
        starts[0] >= 0 and starts[-1] < found["n_tokens"] and (np.diff(starts) >= 0).all()
    ):
        raise InputError(f"{folder / told['documents']}: documents begin outside of the text or out of order")
    for name, value, least in (("n_bytes", told["n_bytes"], 0), ("alignment", manifest["alignment"], 1)):
        if type(value) is not int or not least <= value < 2**63:
            raise InputError(f"{folder / _MANIFEST}: {name} is {repr(value)[:60]}; give a whole number")
    return Split(shards, starts, found["n_tokens"], told["n_bytes"], manifest["alignment"])


def _map_tokens(path: Path, vocab_size: int) -> npt.NDArray[np.uint16]:
    """Tokens of a shard, mapped; none may be outside the vocabulary, for kernels do not look again."""
    if not path.stat().st_size or path.stat().st_size % 2:
        raise InputError(f"{path}: {path.stat().st_size} bytes hold no tokens of two bytes each")
    with path.open("rb") as file:  # in pieces: pages of a map once read count as memory taken
        largest = max(
            int(np.frombuffer(piece, "<u2").max()) for piece in iter(partial(file.read, _PIECE), b"")
        )
    if largest >= vocab_size:
        raise InputError(f"{path}: holds token {largest}; the vocabulary ends at {vocab_size - 1}")
    tokens: npt.NDArray[np.uint16] = np.memmap(path, dtype="<u2", mode="r")
    return tokens


def _check_file(path: Path, size: int, sha256: str) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); prepare the corpus again") from None
    if found != size:
        raise InputError(f"{path}: {found} bytes, the manifest says {size}; prepare the corpus again")
    if file_sha256(path) != sha256:
        raise InputError(f"{path}: its SHA-256 is not the manifest's; prepare the corpus again")
