"""Where the items of a task come from: a file on this machine, or a data set of the Hugging Face hub."""

import csv
import gzip
import io
import json
import os
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from chinchilla_lib._files import open_whole
from chinchilla_lib._outside import parse_json
from chinchilla_lib.downloads import data_folder
from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["FileSource", "HubData", "Item", "ItemSource", "read_text"]

Item = Mapping[str, Any]

_MOST_BYTES: Final = 2**30
"""Of a file, unpacked: a few kilobytes can unpack into all memory."""


class ItemSource(Protocol):
    """What a task asks of where its items come from."""

    def find(self, task: str) -> Path:
        """The file on this machine, downloaded if need be; an `InputError` says what is missing."""
        ...

    def read(self, path: Path) -> Iterator[tuple[str, Item]]:
        """Each item, with the words by which a message names its place."""
        ...


def _as_it_is(row: Mapping[str, Any]) -> Iterable[Item]:
    return (row,)


@dataclass(frozen=True)
class HubData:
    """A data set of the hub.

    Attributes
    ----------
    repository, split : str
    subset : str, optional
    to_items : callable
        What a row becomes: none, one or several items.
    n_items : int, optional
        How many it is known to have; another number is refused.
    """

    repository: str
    split: str
    subset: str | None = None
    to_items: Callable[[Mapping[str, Any]], Iterable[Item]] = _as_it_is
    n_items: int | None = None

    def download(self, path: Path, task: str) -> None:
        """Write its items as JSON lines; the file is written whole or not at all.

        Raises
        ------
        MissingExtraError
            If ``datasets`` is not installed.
        InputError
            If the hub cannot be reached or its rows have another form.
        """
        try:
            import datasets
        except ImportError as error:
            raise MissingExtraError("datasets", "eval") from error
        where = f"{self.repository}{f', {self.subset}' if self.subset else ''}, split {self.split}"
        try:
            _reach_hub()
            rows = datasets.load_dataset(self.repository, self.subset, split=self.split)
            items = [item for row in rows for item in self.to_items(row)]
        except (OSError, ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"task {task}: its items cannot be had from the hub, {where} ({reason})"
            ) from None
        if self.n_items not in (None, len(items)):
            raise InputError(
                f"task {task}: {where} on the hub has {len(items)} items, {self.n_items} were published; "
                "it has changed, and scores on it would not compare"
            )
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_whole(path, "wb") as file:
            file.write(gzip.compress(lines.encode(), mtime=0))  # the same items, the same sha256


@dataclass(frozen=True)
class FileSource:
    """A file of rows in the folder ``eval`` of the data folder, as it is or with ``.gz``.

    What is missing there is downloaded from the hub, where the task names a data set, into ``eval/hub``.

    Attributes
    ----------
    file : str
        Ends with ``.jsonl``, ``.csv`` or ``.tsv``.
    hub : HubData, optional
    to_items : callable
        What a row of the file becomes; items of the hub are kept as they will be read.
    """

    file: str
    hub: HubData | None = None
    to_items: Callable[[Mapping[str, Any]], Iterable[Item]] = _as_it_is

    def find(self, task: str) -> Path:
        """The file on this machine, downloaded if need be.

        Raises
        ------
        InputError
            If it is neither here nor to be had; the message says where it may be put.
        MissingExtraError
            If ``datasets`` is not installed.
        """
        folder = data_folder("eval")
        for name in (self.file, f"{self.file}.gz"):
            if (folder / name).is_file():
                return folder / name
        hint = (
            f"put {self.file}, or {self.file}.gz, into {folder} (the folder that CHINCHILLA_DATA names, "
            "and eval in it)"
        )
        if self.hub is None:
            raise InputError(f"task {task}: {self.file} is missing; {hint}")
        path = self._from_hub(folder)
        if not path.is_file():
            try:
                self.hub.download(path, task)
            except InputError as error:
                raise InputError(f"{error}; {hint}") from None
        return path

    def read(self, path: Path) -> Iterator[tuple[str, Item]]:
        """Each item, with the words by which a message names its place.

        Raises
        ------
        InputError
            If the file is missing or damaged, or a row is not of the form it should have.
        """
        to_items = _as_it_is if path.parent.name == "hub" else self.to_items
        for where, row in _rows(path):
            try:
                items = list(to_items(row))
            except KeyError as error:
                raise InputError(f"{where}: it lacks {error}") from None
            except (TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
                raise InputError(f"{where}: it has another form ({error})") from None
            for item in items:
                yield where, item

    def _from_hub(self, folder: Path) -> Path:
        return folder / "hub" / f"{Path(self.file).stem}.jsonl.gz"


def _reach_hub() -> None:
    """Fail at once without a network, where `datasets` would try for half a minute."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"  # the user's own setting
    urllib.request.urlopen(address, timeout=10).close()  # noqa: S310


def read_text(path: Path) -> str:
    """Text of a file, unpacked where its name ends with ``.gz``.

    Raises
    ------
    InputError
        If it is missing, damaged, or too large.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "items.txt"
    ...     _ = path.write_text("one item", encoding="utf-8")
    ...     read_text(path)
    'one item'
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InputError(f"{path}: more than {_MOST_BYTES} bytes; no task is so large")
        return data.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path}: the file is damaged ({error}); get it again") from None


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(path)
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind in ("csv", "tsv"):
        reader = csv.DictReader(io.StringIO(text), delimiter="," if kind == "csv" else "\t", strict=True)
        try:
            for row in reader:
                yield f"{path}: line {reader.line_num}", row
        except csv.Error as error:
            raise InputError(f"{path}: line {reader.line_num}: {error}; the file may be cut short") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):  # texts may hold other marks of a line's end
        if line.strip():
            yield f"{path}: line {number}", _parse(line, f"{path}: line {number}")


def _parse(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = parse_json(line)
    except InputError as error:
        raise InputError(f"{where}: {error}; the file may be cut short") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: found {type(row).__name__}; an item is an object")
    return row
