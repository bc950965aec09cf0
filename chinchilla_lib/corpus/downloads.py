"""Files that do not come with an installed package: looked for on this machine first, else downloaded."""

import hashlib
import logging
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chinchilla_lib.errors import InputError

__all__ = ["data_folder", "file_sha256", "run_tool"]

_log = logging.getLogger(__name__)


def data_folder(*parts: str) -> Path:
    """Where downloaded text lies, or has been put by hand; it need not exist yet.

    The folder named by the environment variable ``CHINCHILLA_DATA``, else ``chinchilla-lib`` in the user's
    cache folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CHINCHILLA_DATA") or Path(cache) / "chinchilla-lib").joinpath(*parts)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_tool(command: Sequence[str], *, folder: Path, what: str) -> None:
    """Run a downloading program in a folder.

    Raises
    ------
    InputError
        If the program is missing or fails; the message says what could not be had, and the program's last
        line why.
    """
    _log.info("downloading %s", what)
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError(f"{what} cannot be had: this machine has no {command[0]!r}") from None
    if result.returncode:
        reason = (result.stderr.strip() or result.stdout.strip() or "no reason given").splitlines()[-1]
        raise InputError(f"{what} cannot be had: {Path(command[0]).name} says {reason!r}")
