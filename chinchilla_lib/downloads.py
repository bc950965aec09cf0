"""Files that do not come with an installed package: looked for on this machine first, else downloaded."""

import hashlib
import logging
import os
import subprocess
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError

__all__ = ["data_folder", "download_file", "file_sha256", "run_tool", "tool_output"]

_log = logging.getLogger(__name__)


def data_folder(*parts: str) -> Path:
    """Where downloaded files lie, or has been put by hand; it need not exist yet.

    The folder named by the environment variable ``CHINCHILLA_DATA``, else ``chinchilla-lib`` in the user's
    cache folder.

    Examples
    --------
    >>> data_folder("published").name
    'published'
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CHINCHILLA_DATA") or Path(cache) / "chinchilla-lib").joinpath(*parts)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces, as 64 hexadecimal digits.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "empty"
    ...     _ = path.write_bytes(b"")
    ...     file_sha256(path)[:16]
    'e3b0c44298fc1c14'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _TlsAlways(urllib.request.HTTPRedirectHandler):
    """Follows no redirection away from TLS."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    if not url.startswith(("https://", "file://")):
        raise OSError(f"{url.split(':')[0]!r} is neither https nor a file of this machine")


def _open(url: str, timeout: float) -> Any:
    _check_scheme(url)
    return urllib.request.build_opener(_TlsAlways).open(url, timeout=timeout)


def download_file(url: str, path: Path, *, what: str, timeout: float = 30.0) -> None:
    """Download a file that fits into memory; it is written whole or not at all. Callers check what it holds.

    Parameters
    ----------
    url : str
        ``https://``, which redirections may not leave, or ``file://``.
    path : pathlib.Path
        Where it goes; the folder is made.
    what : str
        What the file is, for the message.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    InputError
        If the address is another, does not answer, or the file cannot be written; the message says what could
        not be had.
    """
    _log.info("downloading %s", what)
    try:
        with _open(url, timeout) as answer:
            data = answer.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_whole(path, "wb") as file:
            file.write(data)
    except (OSError, HTTPException) as error:  # urllib's own errors are of the first kind
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InputError(f"{what} cannot be had from {url}: {reason}") from None


def run_tool(command: Sequence[str], *, folder: Path, what: str) -> None:
    """Run a downloading program in a folder.

    Raises
    ------
    InputError
        If the program is missing or fails; the message says what could not be had, and the program's last
        line why.

    Examples
    --------
    >>> run_tool(["no-such-tool"], folder=Path.cwd(), what="a corpus")
    Traceback (most recent call last):
        ...
    chinchilla_lib.errors.InputError: a corpus cannot be had: this machine has no 'no-such-tool'
    """
    tool_output(command, folder=folder, what=what)


def tool_output(command: Sequence[str], *, folder: Path, what: str) -> str:
    """What a downloading program prints, run in a folder.

    Raises
    ------
    InputError
        If the program is missing or fails; the message says what could not be had, and the program's last
        line why.

    Examples
    --------
    >>> import sys
    >>> command = [sys.executable, "-c", "print('fetched')"]
    >>> tool_output(command, folder=Path.cwd(), what="a line of text").strip()
    'fetched'
    """
    _log.info("downloading %s", what)
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError(f"{what} cannot be had: this machine has no {command[0]!r}") from None
    if result.returncode:
        reason = (result.stderr.strip() or result.stdout.strip() or "no reason given").splitlines()[-1]
        raise InputError(f"{what} cannot be had: {Path(command[0]).name} says {reason!r}")
    return result.stdout
