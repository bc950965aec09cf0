"""Where ``--json`` says: a file that is complete or as it was before."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError

__all__ = ["check_json", "write_json"]


def check_json(path: Path | None, inputs: Mapping[str, str | Path | None]) -> None:
    """Refuse to write over what is read.

    Parameters
    ----------
    path : Path or None
        The value of ``--json``.
    inputs : mapping of str to str, Path or None
        What is read, by what it is.

    Raises
    ------
    InputError
        If the path is one of the inputs.
    """
    for what, known in inputs.items():
        if None not in (path, known) and os.path.realpath(str(path)) == os.path.realpath(str(known)):
            raise InputError(f"--json {path} is {what} itself; name another file")


def write_json(path: Path | None, report: Mapping[str, Any], *, option: str = "--json") -> None:
    """Write a report; None writes nothing, a pipe or device is written directly.

    Parameters
    ----------
    path : Path or None
        The value of the option.
    report : mapping
        Plain finite values.
    option : str
        What the path was given with, for the message.

    Raises
    ------
    InputError
        If the file cannot be written.
    ValueError
        If a number is not finite, which JSON cannot say.
    """
    if path is None:
        return
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        with open_whole(Path(os.path.realpath(path))) as file:  # a link stays one
            file.write(text)
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror or error}") from None
