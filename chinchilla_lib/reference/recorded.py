"""Results of our own experiments, shipped as small tables in ``reference/recorded`` with their provenance."""

import csv
import datetime
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from chinchilla_lib.errors import InputError

__all__ = ["Recorded", "checkout_commit", "describe_computation", "load_recorded", "write_recorded"]

_PROVENANCE = (
    "command", "commit", "date", "device", "versions", "seeds", "n_runs", "run_seconds", "corpus",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """A recorded experiment.

    Attributes
    ----------
    name : str
    rows : tuple of mapping
        Of ``runs.csv``; every cell is text.
    provenance : mapping
        Command, commit, date, device, versions, seeds, number of runs, seconds of all runs together,
        and corpus.
    """

    name: str
    rows: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]


def load_recorded(name: str) -> Recorded:
    """Read a recorded experiment.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    folder = files("chinchilla_lib.reference") / "recorded"
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if name not in names:
        raise InputError(f"no experiment {name!r} is recorded; choose one of {', '.join(names)}")
    rows = tuple(csv.DictReader((folder / name / "runs.csv").read_text(encoding="utf-8").splitlines()))
    return Recorded(name, rows, json.loads((folder / name / "provenance.json").read_text(encoding="utf-8")))


def write_recorded(folder: Path, runs: str, provenance: Mapping[str, Any]) -> None:
    """Write an experiment in the form that :func:`load_recorded` reads.

    Parameters
    ----------
    folder : pathlib.Path
        Its name is the experiment's.
    runs : str
        Content of ``runs.csv``.
    provenance : mapping

    Raises
    ------
    InputError
        If the provenance is not complete.
    """
    missing = [name for name in _PROVENANCE if name not in provenance]
    if missing:
        raise InputError(f"the provenance lacks {', '.join(missing)}; it needs {', '.join(_PROVENANCE)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.csv").write_text(runs, encoding="utf-8")
    text = json.dumps({name: provenance[name] for name in _PROVENANCE}, indent=1) + "\n"
    (folder / "provenance.json").write_text(text, encoding="utf-8")


def checkout_commit() -> str:
    """The checkout's commit, with a plus sign if the library was changed since; "unknown" outside of one."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", str(here))  # not some other checkout around an installed copy
        changed = git("status", "--porcelain", "--untracked-files=no", str(here.parents[1]))
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe_computation(
    command: str, *, commit: str, seed: int, n_runs: int, seconds: float, corpus: str = "simulated"
) -> dict[str, Any]:
    """Provenance of a result for which nothing was trained, for :func:`write_recorded`.

    Parameters
    ----------
    command : str
    commit : str
        Of the code that computed it, taken before it began.
    seed, n_runs : int
    seconds : float
        Of processor time.
    corpus : str
        What was computed on.
    """
    versions = {"python": platform.python_version()} | {name: version(name) for name in ("numpy", "scipy")}
    return {
        "command": command,
        "commit": commit,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": [f"cpu ({platform.machine()})"],
        "versions": [versions],
        "seeds": [seed],
        "n_runs": n_runs,
        "run_seconds": round(seconds, 1),
        "corpus": corpus,
    }
