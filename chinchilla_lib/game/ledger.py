"""The ledger of a game: a line for each entry, each bound to the one before it by a hash.

A file is canonical to the byte, so that no byte of it can change unnoticed: every line is JSON with sorted
keys and no spaces, and ends with a newline. Whoever computes all hashes again makes another valid chain;
that is what replaying is for (:func:`chinchilla_lib.game.game.replay`).
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError

__all__ = ["Entry", "Ledger", "check_student"]

FORMAT: Final = "chinchilla-lib budget game 1"
START: Final = "start"
TRAIN: Final = "train"
SUBMIT: Final = "submit"

_FIRST: Final = "0" * 64
_STUDENT: Final = re.compile(r"\w[\w.@+-]{0,63}")
_LARGEST: Final = 16 * 2**20


@dataclass(frozen=True)
class Entry:
    """One line of a ledger."""

    number: int
    """From 0, which is the start."""
    kind: str
    """``start``, ``train`` or ``submit``."""
    content: Mapping[str, Any]
    """Plain values: what was asked, what was answered, what it cost."""
    previous: str
    """Hash of the entry before; zeros at the start."""
    hash: str
    """SHA-256 of the line without this field."""

    def line(self) -> str:
        """The entry as it stands in a file, without the newline."""
        unsigned = _unsigned(self.number, self.kind, self.content, self.previous)
        return _canonical({**unsigned, "hash": self.hash})


@dataclass(frozen=True)
class Ledger:
    """All entries of one game, checked when it is made.

    Raises
    ------
    InputError
        If the chain is broken; the message names the first entry that does not hold.

    Examples
    --------
    >>> ledger = Ledger.begin({"student": "ada"}).extended("train", {"loss": 3.2})
    >>> [entry.kind for entry in ledger.entries]
    ['start', 'train']
    >>> Ledger.from_text(ledger.to_text()) == ledger
    True
    >>> Ledger.from_text(ledger.to_text().replace("3.2", "3.1"))
    Traceback (most recent call last):
    chinchilla_lib.errors.InputError: ledger: entry 1 does not hold: its hash is of other content
    """

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        previous = _FIRST
        for number, entry in enumerate(self.entries):
            fault = _fault(entry, number, previous)
            if fault:
                raise InputError(f"ledger: entry {number} does not hold: {fault}")
            previous = entry.hash
        if not self.entries:
            raise InputError("ledger: it has no entries; a game's first names student and variant")

    @classmethod
    def begin(cls, content: Mapping[str, Any]) -> Self:
        """A ledger with its first entry.

        Parameters
        ----------
        content : mapping
            Plain values; the format is added.

        Examples
        --------
        >>> Ledger.begin({"student": "ada"}).entries[0].content["format"]
        'chinchilla-lib budget game 1'
        """
        return cls((_entry(0, START, {"format": FORMAT, **content}, _FIRST),))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote.

        Raises
        ------
        InputError
            If it is no ledger, or one that was changed; the message names the first entry that does not hold.
        """
        if not text.endswith("\n"):
            raise InputError(
                f"ledger: entry {text.count(chr(10))} does not hold: its line is cut off; copy the whole file"
            )
        entries: list[Entry] = []
        for number, line in enumerate(text[:-1].split("\n")):
            try:
                data = json.loads(line)
                entry = Entry(**data)
                same = entry.line() == line
                fault = _fault(entry, number, entries[-1].hash if entries else _FIRST)
            except (TypeError, ValueError, RecursionError):
                raise InputError(
                    f"ledger: entry {number} does not hold: its line is none that a game wrote"
                ) from None
            if fault or not same:
                fault = fault or "its line is not written as a game writes it"
                raise InputError(f"ledger: entry {number} does not hold: {fault}")
            entries.append(entry)
        return cls(tuple(entries))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        InputError
            If it cannot be read, is no ledger, or was changed.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ledger = Ledger.begin({"student": "ada"})
        ...     ledger.write(Path(folder) / "ada.jsonl")
        ...     Ledger.read(Path(folder) / "ada.jsonl") == ledger
        True
        """
        path = Path(path)
        try:
            if path.stat().st_size > _LARGEST:
                raise InputError(f"{path}: larger than {_LARGEST} bytes, which no game's ledger is")
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not a ledger: byte {error.start} is not UTF-8") from None
        try:
            return cls.from_text(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def extended(self, kind: str, content: Mapping[str, Any]) -> Self:
        """The ledger with one more entry; this one stays as it is."""
        last = self.entries[-1]
        return type(self)((*self.entries, _entry(last.number + 1, kind, content, last.hash)))

    def to_text(self) -> str:
        """The file's content."""
        return "".join(f"{entry.line()}\n" for entry in self.entries)

    def write(self, path: str | Path) -> None:
        """Write the file whole, or leave it as it was.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        path = Path(path)
        try:
            with open_whole(path) as file:
                file.write(self.to_text())
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def check_student(student: str) -> str:
    """A student's name as ledgers hold it, in one form of Unicode.

    Parameters
    ----------
    student : str
        Letters, digits and ``. @ + - _``, at most 64, the first a letter, a digit or ``_``.

    Raises
    ------
    InputError
        If it is not of this form.

    Examples
    --------
    >>> check_student("ada@example.org")
    'ada@example.org'
    """
    name = unicodedata.normalize("NFC", student) if isinstance(student, str) else ""
    if not _STUDENT.fullmatch(name):
        raise InputError(
            f"student is {student!r}; give 1 to 64 letters, digits or . @ + - _, the first a letter or digit"
        )
    return name


def _unsigned(number: int, kind: str, content: Mapping[str, Any], previous: str) -> dict[str, Any]:
    return {"number": number, "kind": kind, "content": dict(content), "previous": previous}


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _entry(number: int, kind: str, content: Mapping[str, Any], previous: str) -> Entry:
    return Entry(number, kind, dict(content), previous, _hash(number, kind, content, previous))


def _hash(number: int, kind: str, content: Mapping[str, Any], previous: str) -> str:
    return hashlib.sha256(_canonical(_unsigned(number, kind, content, previous)).encode()).hexdigest()


def _fault(entry: Entry, number: int, previous: str) -> str:
    """Why an entry does not belong at this place of a chain; empty if it does."""
    if type(entry.number) is not int or entry.number != number:
        return f"it is numbered {entry.number!r:.60}"
    if entry.kind not in (START, TRAIN, SUBMIT) or (entry.kind == START) != (number == 0):
        return f"an entry of kind {entry.kind!r:.60} cannot stand there"
    content: Any = entry.content
    if not isinstance(content, Mapping):
        return "its content is no table"
    if any(isinstance(value, list | dict) for value in content.values()):
        return "its content holds more than plain values"
    if number == 0 and entry.content.get("format") != FORMAT:
        return f"its format is {entry.content.get('format')!r}, and this library reads {FORMAT!r}"
    if entry.previous != previous:
        return "it does not follow the entry before it"
    if entry.hash != _hash(entry.number, entry.kind, entry.content, entry.previous):
        return "its hash is of other content"
    return ""
