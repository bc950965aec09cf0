"""Who is at work on a sweep folder: one runner, or several that share it in parts.

Runners exclude each other by ``flock``, which the kernel lets go of however a runner ends. A shared file
system must pass it on (NFS 4 does, Lustre when mounted with ``flock``). Where it does not, a warning is
logged and it is left to the user to start each runner once. Should two do the same part, work is wasted
and no more: a finished run is a file of its own name, written in one step, and the same whoever trained it.
"""

import errno
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from chinchilla_lib._outside import parse_json
from chinchilla_lib.errors import InputError

__all__ = ["Runner", "Shard", "hold_folder", "live_runners"]

_log = logging.getLogger(__name__)

_PATIENCE: Final = 2.0  # seconds; a runner killed while it started a worker leaves a copy of its lock so long
_UNSUPPORTED: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Shard:
    """One part of a sweep that several runners share: part `index` of `count`, from 1.

    Raises
    ------
    InputError
        If the index does not lie in 1..count.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise InputError(f"shard is {self}; the first number must lie in 1..{max(self.count, 1)}")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Shard from ``i/n``.

        Raises
        ------
        InputError
            If the text has another form.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match:
            raise InputError(f"shard is {text!r}; give part and number of parts, for example 1/4")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Runner:
    """A runner at work, as its lock shows it.

    Attributes
    ----------
    shard : Shard or None
        The part it does; none if it does the whole sweep.
    n_workers : int
        Jobs it trains at once; 0 if not known.
    """

    shard: Shard | None
    n_workers: int


@contextmanager
def hold_folder(folder: Path, shard: Shard | None = None, *, n_workers: int = 0) -> Iterator[None]:
    """Hold a sweep folder, or one part of it.

    Parameters
    ----------
    folder : pathlib.Path
        Must exist.
    shard : Shard, optional
        Without it nobody else may hold any part.
    n_workers : int
        Shown to :func:`live_runners`.

    Raises
    ------
    InputError
        If another runner holds the folder or the part, or runners divide it by another number.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with hold_folder(Path(name)):
    ...         during = len(live_runners(Path(name)))
    ...     during, len(live_runners(Path(name)))
    (1, 0)
    """
    with ExitStack() as stack:
        whole = stack.enter_context(_lock_file(folder, None).open("a+"))
        _take(
            whole,
            fcntl.LOCK_SH if shard else fcntl.LOCK_EX,
            f"{folder} is in use by another runner; wait for it or choose another folder",
        )
        own = whole
        if shard:
            own = stack.enter_context(_lock_file(folder, shard).open("a+"))
            _take(own, fcntl.LOCK_EX, f"shard {shard} of {folder} is in use by another runner; wait for it")
            for runner in live_runners(folder):
                if runner.shard and runner.shard.count != shard.count:
                    raise InputError(
                        f"shard is {shard}, but {folder} is in use by shard {runner.shard}: "
                        "divide a sweep by one number at a time"
                    )
        own.truncate(0)
        json.dump({"n_workers": n_workers}, own)
        own.flush()
        yield


def live_runners(folder: Path) -> list[Runner]:
    """Runners at work on a sweep folder, in the order of their parts.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with hold_folder(Path(name), n_workers=2):
    ...         [runner] = live_runners(Path(name))
    >>> runner.n_workers
    2
    """
    shards = [
        Shard(int(match[1]), int(match[2]))
        for path in folder.glob(".lock-*")
        if (match := re.fullmatch(r"\.lock-(\d+)-of-(\d+)", path.name))
    ]
    runners = []
    for shard in (None, *sorted(shards, key=lambda shard: (shard.count, shard.index))):
        path = _lock_file(folder, shard)
        if path.exists():
            with path.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    runners.append(Runner(shard, _read_workers(file)))
                except OSError as error:
                    if error.errno not in _UNSUPPORTED:
                        raise
    return runners


def _lock_file(folder: Path, shard: Shard | None) -> Path:
    return folder / (f".lock-{shard.index}-of-{shard.count}" if shard else ".lock")


def _take(file: IO[str], kind: int, refusal: str) -> None:
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > patience:
                raise InputError(refusal) from None
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _log.warning("%s: this file system has no locks; start each runner once", file.name)
            return


def _read_workers(file: IO[str]) -> int:
    try:
        return int(parse_json(file.read())["n_workers"])
    except (InputError, KeyError, TypeError, ValueError, OverflowError):  # its runner is just writing it
        return 0
