"""The user's own text: plain files, folders of them, and JSON lines; compressed by gzip or not."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from chinchilla_lib._outside import parse_json
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.sources import Source
from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError

__all__ = ["file_documents", "files_source"]

_log = logging.getLogger(__name__)

_CUT_CHARACTERS: Final = 32_000
_LONGEST_LINE: Final = 1 << 20
_JSON_LINES: Final = (".jsonl", ".jsonl.gz")


def files_source(
    paths: Sequence[Path], *, name: str = "files", text_field: str = "text", validation_share: float = 0.1
) -> Source:
    """A corpus of the user's own files.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Files, and folders whose files are all read, hidden ones left out.
    name : str
        What the corpus is called.
    text_field : str
        Field of a JSON line that holds the text.
    validation_share : float

    Returns
    -------
    Source

    Raises
    ------
    InputError
        If a path does not exist or a folder is empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "notes.txt"
    ...     _ = path.write_text("One note.", encoding="utf-8")
    ...     files_source([path], name="notes").name
    'notes'
    """
    files = _find_files(paths)

    def version() -> str:
        digest = hashlib.sha256("\n".join(file_sha256(path) for path, _ in files).encode()).hexdigest()
        return f"{len(files)} files, {digest[:12]}"

    return Source(
        name=name,
        title="the user's own text",
        licence="as the user's files say",
        validation_share=validation_share,
        version=version,
        documents=lambda: file_documents(paths, text_field=text_field),
        n_bytes=sum(path.stat().st_size for path, _ in files),
    )


def file_documents(paths: Sequence[Path], *, text_field: str = "text") -> Iterator[Document]:
    """Documents of files and folders, in the order of their names.

    A line of JSON is a document; so is a text file, one of more than 32,000 characters being cut at blank
    lines into pieces of about that length. Files that are not UTF-8 text are left out.

    Raises
    ------
    InputError
        If a path does not exist, a packed file is cut short, or a JSON line is broken or lacks the field.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "notes.txt"
    ...     _ = path.write_text("One note.", encoding="utf-8")
    ...     [document.text for document in file_documents([path])]
    ['One note.']
    """
    for path, name in _find_files(paths):
        try:
            with _open(path) as file:
                if path.name.endswith(_JSON_LINES):
                    yield from _json_documents(file, path, name, text_field)
                else:
                    for i, piece in enumerate(_pieces(file)):
                        yield Document(f"{name}#{i}" if i else name, piece)
        except (UnicodeDecodeError, gzip.BadGzipFile):
            _log.warning("%s: the rest is left out, it is not UTF-8 text", path)
        except (EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged or cut short ({error}); get it again") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _find_files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files with the names that their documents get."""
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file()]
            names = [(p, p.relative_to(path)) for p in inside]
            found += [(p, n.as_posix()) for p, n in names if not any(s.startswith(".") for s in n.parts)]
        elif path.is_file():
            found.append((path, path.name))
        else:
            raise InputError(f"{path} does not exist: give files or folders of text")
    if not found:
        raise InputError(f"{', '.join(map(str, paths)) or 'no path'}: no file to read; give files of text")
    return found


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _json_documents(file: IO[str], path: Path, name: str, text_field: str) -> Iterator[Document]:
    for i, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            text = parse_json(line)[text_field]
        except (InputError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise InputError(
                f"{path}, line {i}: no JSON object with a text in the field {text_field!r}; "
                "name another with --text-field"
            )
        yield Document(f"{name}:{i}", text)


def _pieces(file: IO[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    while line := file.readline(_LONGEST_LINE):
        part.append(line)
        size += len(line)
        if size >= 2 * _CUT_CHARACTERS or (size >= _CUT_CHARACTERS and not line.strip()):
            yield "".join(part)
            part, size = [], 0
    if part:
        yield "".join(part)
