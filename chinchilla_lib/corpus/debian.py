"""Technical English out of Debian's documentation packages: fetched by apt, unpacked, never installed."""

import gzip
import hashlib
import html
import logging
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.downloads import data_folder, file_sha256, run_tool
from chinchilla_lib.errors import InputError

__all__ = ["PAGE_PACKAGES", "debian_documents", "debian_pages", "fetch_debian", "html_paragraphs", "is_prose"]

_log = logging.getLogger(__name__)

# The ten of largest yield, each with the one form of its text that is read.
_PACKAGES: Final = {
    "anarchism": ".html",
    "dict-foldoc": ".dict.dz",
    "dict-gcide": ".dict.dz",
    "dict-wn": ".dict.dz",
    "git-doc": ".html",
    "linux-doc-6.1": ".html",
    "openjdk-17-doc": ".html",
    "perl-doc": ".pod",
    "postgresql-doc-15": ".html",
    "python3.11-doc": ".html",
}
PAGE_PACKAGES: Final = tuple(package for package, suffix in _PACKAGES.items() if suffix == ".html")
"""Those whose text comes in pages of HTML."""

_DOCUMENT_CHARACTERS: Final = 50_000
_MIN_CHARACTERS: Final = 60
_MIN_LETTERS: Final = 0.75

# The pages are written by programs, so tags are closed and patterns do where a parser would take minutes.
_DROPPED = re.compile(
    r"<!--.*?-->|<(head|script|style|pre|table|nav|svg)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dt|dd|h[1-6]|br|hr|section|blockquote|main)\b[^>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[^>]*>")
_BLANK_LINE = re.compile(r"\n\s*\n")
_ENTRY = re.compile(r"\n(?=\S)")  # a dictionary indents all lines of an entry but the first
_NOT_LETTERS = re.compile(r"[\W\d_]+")


def html_paragraphs(page: str) -> Iterator[str]:
    """Text of a page block by block; preformatted text, tables and navigation are left out.

    Examples
    --------
    >>> list(html_paragraphs("<nav>up</nav><p>Salt &amp; <b>light</b></p><pre>x = 1</pre>"))
    ['Salt & light']
    """
    text = _BLOCK.sub("\n\n", _DROPPED.sub("\n\n", page))
    return _paragraphs(html.unescape(_TAG.sub("", text)))


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph is 60 characters long at least, and 75 % of what is not blank are letters.

    Examples
    --------
    >>> is_prose("Sentences of words, such as these, are what a page of prose holds."), is_prose("1 2 | 4")
    (True, False)
    """
    if len(paragraph) < _MIN_CHARACTERS:
        return False
    return len(_NOT_LETTERS.sub("", paragraph)) >= _MIN_LETTERS * len(paragraph.replace(" ", ""))


def fetch_debian() -> dict[str, str]:
    """Download the packages that are not here yet; those that this release lacks are left out with a warning.

    Returns
    -------
    dict
        SHA-256 of each package file. Debian's point versions move, so the manifest keeps them.

    Raises
    ------
    InputError
        If no package is here and none can be had.
    """
    folder = data_folder("debian")
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("dpkg-deb") is None:
        raise InputError("debian-docs needs 'dpkg-deb' to read packages: it comes with Debian and Ubuntu")
    missing: list[InputError] = []
    for package in _PACKAGES:
        if _package_file(package) is None:
            with tempfile.TemporaryDirectory(dir=folder) as partial:
                try:
                    run_tool(["apt-get", "download", package], folder=folder / partial, what=package)
                except InputError as error:
                    missing.append(error)
                    _log.warning("debian-docs goes without: %s", error)
                for file in (folder / partial).glob("*.deb"):
                    file.replace(folder / file.name)
    files = [path for package in _PACKAGES if (path := _package_file(package))]
    if not files:
        raise InputError(f"debian-docs: {missing[0]}; or put the .deb files into {folder}")
    return {path.name: file_sha256(path) for path in files}


def debian_documents() -> Iterator[Document]:
    """One document for each page, long ones cut; a paragraph that has been seen before is left out."""
    seen: set[bytes] = set()
    for package, suffix in _PACKAGES.items():
        path = _package_file(package)
        for name, content in _files_of(path, suffix) if path else ():
            text = content.decode("utf-8", errors="ignore")
            if suffix == ".html":
                found = html_paragraphs(text)
            else:
                found = _paragraphs(text, _ENTRY if suffix == ".dict.dz" else _BLANK_LINE)
            prose = (p for p in found if is_prose(p) and _is_new(p, seen))
            for i, part in enumerate(_documents(prose)):
                yield Document(f"{package}/{name}#{i}", part)


def debian_pages() -> Iterator[Document]:
    """Every page of HTML as its package has it, markup and all; a document of it is named after it."""
    for package in PAGE_PACKAGES:
        path = _package_file(package)
        for name, content in _files_of(path, ".html") if path else ():
            yield Document(f"{package}/{name}", content.decode("utf-8", errors="ignore"))


def _package_file(package: str) -> Path | None:
    return max(data_folder("debian").glob(f"{package}_*.deb"), default=None)


def _files_of(package: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.isfile() and member.name.endswith(suffix):
                file = archive.extractfile(member)
                content = file.read() if file is not None else b""
                yield (
                    member.name.removeprefix("./"),
                    gzip.decompress(content) if suffix == ".dict.dz" else content,
                )


def _paragraphs(text: str, between: re.Pattern[str] = _BLANK_LINE) -> Iterator[str]:
    return (" ".join(part.split()) for part in between.split(text) if part.strip())


def _is_new(paragraph: str, seen: set[bytes]) -> bool:
    digest = hashlib.blake2b(paragraph.encode(), digest_size=8).digest()
    if digest in seen:
        return False
    seen.add(digest)
    return True


def _documents(paragraphs: Iterable[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for paragraph in paragraphs:
        part.append(paragraph)
        size += len(paragraph)
        if size >= _DOCUMENT_CHARACTERS:
            yield "\n\n".join(part)
            part, size = [], 0
    if part:
        yield "\n\n".join(part)
