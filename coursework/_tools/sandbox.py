"""Run a command that may be hostile: with bubblewrap where it works, else with limits alone.

Under bubblewrap the command sees Python, the library and its own folder; it has no network, and whatever it
started ends with it. Without it, files that the user may write can be written and the network is there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from coursework._tools.assignments import ROOT

BUBBLEWRAP, LIMITS = "bubblewrap", "limits"
SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/hosts",
    "/etc/ld.so.cache",
)
MARK = "CHINCHILLA_SUBMISSION"
POLL_SECONDS = 0.2
LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a command ended: its answer if it gave one, and the limit it ran into, if any."""

    answer: str
    limit: str
    seconds: float


@cache
def isolation() -> str:
    """What there is on this machine: bubblewrap, if it is installed and may make namespaces, or limits."""
    found = shutil.which("bwrap")
    if found is None:
        return LIMITS
    command = [found, *_namespaces(), "--", "/usr/bin/env", "true"]
    return LIMITS if subprocess.run(command, capture_output=True).returncode else BUBBLEWRAP


def _namespaces() -> list[str]:
    words = ["--unshare-all", "--die-with-parent", "--new-session", "--uid", "1000", "--gid", "1000"]
    for place in SYSTEM:
        words += ["--ro-bind-try", place, place]
    return [*words, "--proc", "/proc", "--dev", "/dev"]


def run(
    script: Path,
    arguments: list[str],
    folder: Path,
    *,
    seconds: float,
    memory_mb: int,
    kind: str,
) -> Ended:
    """Run a Python script in ``folder`` (its home and working folder), at most so long, with so much memory.

    The script gets the descriptor to answer on as first argument, then ``arguments``.
    """
    mark = secrets.token_hex(8)
    environment = {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder) if kind == LIMITS else "/tmp",
        "IPYTHONDIR": str(folder / ".ipython"),
        "MPLCONFIGDIR": str(folder / ".matplotlib"),
        "MPLBACKEND": "agg",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        MARK: mark,
    }
    reader, writer = os.pipe()
    command = [sys.executable, str(script), str(writer), *arguments]
    if kind == BUBBLEWRAP:
        command = [*_bubblewrap(script, folder, memory_mb), *command]
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            pass_fds=(writer,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(writer)
    answer: list[bytes] = []
    listener = threading.Thread(target=_listen, args=(reader, answer), daemon=True)
    listener.start()
    limit = ""
    try:
        while process.poll() is None:
            if time.monotonic() - started > seconds:
                limit = "time"
            elif _resident(process.pid) > memory_mb << 20:
                limit = "memory"
            if limit:
                break
            time.sleep(POLL_SECONDS)
    finally:
        _end(process, mark)
    listener.join(timeout=5)
    text = b"".join(answer).decode(errors="replace")
    return Ended(text, limit, time.monotonic() - started)


def _bubblewrap(script: Path, folder: Path, memory_mb: int) -> list[str]:
    words = [str(shutil.which("bwrap")), *_namespaces()]
    words += ["--size", str(memory_mb << 20), "--tmpfs", "/tmp"]
    seen = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "chinchilla_lib", script]
    for place in seen:
        words += ["--ro-bind", str(place), str(place)]
    return [*words, "--bind", str(folder), str(folder), "--chdir", str(folder), "--"]


def _listen(reader: int, answer: list[bytes]) -> None:
    """Keep what comes, up to a limit, until nobody can write any more."""
    size = 0
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while part := pipe.read(1 << 16):
            size += len(part)
            if size <= LARGEST_ANSWER:
                answer.append(part)


def _resident(pid: int) -> int:
    """Bytes in memory of a process and all below it."""
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a command and everything it left behind that still carries its mark."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for other in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if other.environ().get(MARK) == mark:
                other.kill()
