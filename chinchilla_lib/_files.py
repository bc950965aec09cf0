"""Files that are written whole or not at all: beside their place, on to the disk, then renamed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, Literal

__all__ = ["PARTIAL", "open_whole"]

PARTIAL: Final = ".*.partial"
"""Pattern of the names that killed processes leave behind."""


@contextmanager
def open_whole(path: Path, mode: Literal["w", "wb"] = "w", *, keep: bool = False) -> Iterator[IO[Any]]:
    """Open a file for writing that takes its place when the block has ended without an error.

    A reader, and whoever comes after a crash, sees the old file or the new one, never half of it. Several
    writers at once do not disturb each other, on one machine or on more.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that is there.
    mode : {"w", "wb"}
        Text, which is UTF-8 with line ends as they are written, or bytes.
    keep : bool
        Leave a file that is there already: the first of several writers decides.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is untouched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_whole(Path(folder) / "record.json") as file:
    ...         _ = file.write("{}")
    ...     [path.name for path in Path(folder).iterdir()]
    ['record.json']
    """
    partial = path.with_name(PARTIAL.replace("*", f"{path.name[:100]}.{uuid.uuid4().hex}"))
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with partial.open(mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep:
            try:
                os.link(partial, path)
            except FileExistsError:
                return
        else:
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            with suppress(OSError):  # not every network file system can
                os.fsync(folder)  # so that the name, too, outlives a power cut
        finally:
            os.close(folder)
