"""Results of our own experiments, shipped as small tables in ``reference/recorded`` with their provenance."""

import csv
import datetime
import io
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from chinchilla_lib._processor import processor_name
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "Recorded",
    "attach_scores",
    "checkout_commit",
    "describe_computation",
    "is_committed",
    "list_recorded",
    "load_forecast",
    "load_recorded",
    "record_computation",
    "rows_table",
    "write_recorded",
]

_PROVENANCE = (
    "command", "commit", "date", "device", "versions", "seeds", "n_runs", "run_seconds", "corpus",
)  # fmt: skip
_MORE_PROVENANCE = ("corpora", "tasks")  # of trained experiments, of those whose models were asked


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
        and corpus; by the identity of the shards ``corpora``: name, version, tokens and bytes, where an
        experiment was trained.
    curve_rows : tuple of mapping
        Of ``curves.csv``, where curves were kept: run, tokens and training loss.
    forecast : mapping or None
        Of ``forecast.json``: what was said before the later runs were done.
    score_rows : tuple of mapping
        Of ``scores.csv``, where models were asked tasks: run, task, part, metric, value, error, n.
    answer_rows : tuple of mapping
        Of ``answers.csv``: of some runs what each item of a task scored.
    """

    name: str
    rows: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]
    curve_rows: tuple[Mapping[str, str], ...] = ()
    forecast: Mapping[str, Any] | None = None
    score_rows: tuple[Mapping[str, str], ...] = ()
    answer_rows: tuple[Mapping[str, str], ...] = ()

    def parts(self) -> dict[str, list[Mapping[str, str]]]:
        """Rows by part, with their scores; without a column ``part`` all are in one, named as this is."""
        parts: dict[str, list[Mapping[str, str]]] = {}
        for row in attach_scores(self.rows, self.score_rows) if self.score_rows else self.rows:
            parts.setdefault(row.get("part", self.name), []).append(row)
        return parts

    def table(self, *parts: str) -> SweepTable:
        """Runs of some parts, of all if none is named.

        Raises
        ------
        InputError
            If there is no part of that name.
        """
        held = self.parts()
        for part in parts:
            if part not in held:
                raise InputError(f"{self.name} has no part {part!r}; it has {', '.join(held)}")
        rows = [row for part in parts or held for row in held[part]]
        return SweepTable.from_records(rows, source=" ".join(("recorded", self.name, *parts)))

    def curves(self, *parts: str) -> CurveTable:
        """Their training curves, thinned, with the steps of their points where batches are known.

        Raises
        ------
        InputError
            If no curves were kept, or there is no part of that name.
        """
        if not self.curve_rows:
            raise InputError(f"{self.name}: no curves are recorded")
        table = self.table(*parts)
        batches = {row["run_id"]: row.get("batch_size_tokens") for row in self.rows}
        runs = set(table.run_id)
        rows = [_with_step(row, batches[row["run_id"]]) for row in self.curve_rows if row["run_id"] in runs]
        return CurveTable.from_records(rows, table, source=f"{table.source}, curves")


def attach_scores(
    rows: Iterable[Mapping[str, Any]], score_rows: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Rows of runs with what they scored on whole tasks as further columns.

    Parameters
    ----------
    rows : iterable of mapping
        With ``run_id``.
    score_rows : iterable of mapping
        As in ``scores.csv``; each becomes ``TASK METRIC``, and the same with ``se`` and ``n`` behind it.

    Examples
    --------
    >>> score = {"run_id": "r1", "task": "cloze", "part": "", "metric": "acc"}
    >>> score |= {"value": 0.31, "standard_error": 0.02, "n": 800}
    >>> attach_scores([{"run_id": "r1", "loss": 3.2}], [score])
    [{'run_id': 'r1', 'loss': 3.2, 'cloze acc': 0.31, 'cloze acc se': 0.02, 'cloze acc n': 800}]
    """
    scores: dict[str, dict[str, Any]] = {}
    for score in score_rows:
        if score["part"]:
            continue
        name = f"{score['task']} {score['metric']}"
        own = {name: score["value"], f"{name} se": score["standard_error"], f"{name} n": score["n"]}
        scores.setdefault(score["run_id"], {}).update(own)
    return [{**row, **scores.get(str(row["run_id"]), {})} for row in rows]


def _with_step(row: Mapping[str, str], batch: str | None) -> Mapping[str, str | float]:
    # Without it points count as steps, and smoothing over ten steps would blur a thinned curve.
    return row if batch is None else {**row, "step": float(row["n_tokens"]) / float(batch)}


def list_recorded() -> list[str]:
    """Names of the recorded experiments whose runs are there; a forecast alone does not count.

    Examples
    --------
    >>> [name for name in list_recorded() if name.startswith("main-")]
    ['main-cpu-60']
    """
    folder = files("chinchilla_lib.reference") / "recorded"
    return sorted(entry.name for entry in folder.iterdir() if (entry / "provenance.json").is_file())


def load_recorded(name: str) -> Recorded:
    """Read a recorded experiment.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> recorded = load_recorded("main-cpu-60")
    >>> len(recorded.table())
    98
    """
    folder = files("chinchilla_lib.reference") / "recorded"
    names = list_recorded()
    if name not in names:
        raise InputError(f"no experiment {name!r} is recorded; choose one of {', '.join(names)}")

    def read(file: str) -> str:
        path = folder / name / file
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    return Recorded(
        name,
        rows=tuple(csv.DictReader(read("runs.csv").splitlines())),
        provenance=json.loads(read("provenance.json")),
        curve_rows=tuple(csv.DictReader(read("curves.csv").splitlines())),
        forecast=load_forecast(name),
        score_rows=tuple(csv.DictReader(read("scores.csv").splitlines())),
        answer_rows=tuple(csv.DictReader(read("answers.csv").splitlines())),
    )


def load_forecast(name: str) -> Mapping[str, Any] | None:
    """What was said before the later runs of an experiment; none if nothing was.

    Examples
    --------
    >>> "error_rates" in load_forecast("forecast-cpu-120"), load_forecast("spans") is None
    (True, True)
    """
    path = files("chinchilla_lib.reference") / "recorded" / name / "forecast.json"
    forecast: Mapping[str, Any] | None = json.loads(path.read_text("utf-8")) if path.is_file() else None
    return forecast


def write_recorded(
    folder: Path,
    runs: str,
    provenance: Mapping[str, Any],
    curves: str = "",
    *,
    scores: str = "",
    answers: str = "",
) -> None:
    """Write an experiment in the form that :func:`load_recorded` reads.

    Parameters
    ----------
    folder : pathlib.Path
        Its name is the experiment's.
    runs : str
        Content of ``runs.csv``; with a column ``part`` if there are several parts.
    provenance : mapping
    curves : str
        Content of ``curves.csv``, if curves are kept.
    scores, answers : str
        Contents of ``scores.csv`` and ``answers.csv``, if models were asked tasks.

    Raises
    ------
    InputError
        If the provenance is not complete.

    Examples
    --------
    >>> import tempfile
    >>> provenance = describe_computation("mine", commit="abc", seed=0, n_runs=1, seconds=1.2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_recorded(Path(folder) / "mine", rows_table([{"run_id": "r1", "loss": 3.2}]), provenance)
    ...     sorted(path.name for path in (Path(folder) / "mine").iterdir())
    ['provenance.json', 'runs.csv']
    """
    missing = [name for name in _PROVENANCE if name not in provenance]
    if missing:
        raise InputError(f"the provenance lacks {', '.join(missing)}; it needs {', '.join(_PROVENANCE)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.csv").write_text(runs, encoding="utf-8")
    for file, content in (("curves", curves), ("scores", scores), ("answers", answers)):
        if content:
            (folder / f"{file}.csv").write_text(content, encoding="utf-8")
    written = [*_PROVENANCE, *(name for name in _MORE_PROVENANCE if name in provenance)]
    text = json.dumps({name: provenance[name] for name in written}, indent=1) + "\n"
    (folder / "provenance.json").write_text(text, encoding="utf-8")


def checkout_commit() -> str:
    """The checkout's commit, with a plus sign if the library was changed since; "unknown" outside of one.

    Examples
    --------
    >>> len(checkout_commit()) >= len("unknown")
    True
    """
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


def is_committed(path: Path) -> bool:
    """Whether a file is committed as it stands, or lies in no checkout.

    Examples
    --------
    >>> import tempfile
    >>> is_committed(Path(tempfile.gettempdir()) / "runs.csv")  # in no checkout
    True
    """

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(path.resolve().parent), *arguments], capture_output=True, text=True
        )

    try:
        if git("rev-parse", "--is-inside-work-tree").returncode:
            return True
        status = git("status", "--porcelain", "--", path.name)
        return status.returncode == 0 and not status.stdout and bool(git("ls-files", path.name).stdout)
    except OSError:  # no git
        return True


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

    Examples
    --------
    >>> found = describe_computation("chinchilla-lib fit", commit="abc", seed=0, n_runs=27, seconds=1.2)
    >>> sorted(found)
    ['command', 'commit', 'corpus', 'date', 'device', 'n_runs', 'run_seconds', 'seeds', 'versions']
    """
    versions = {"python": platform.python_version()} | {name: version(name) for name in ("numpy", "scipy")}
    return {
        "command": command,
        "commit": commit,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": [f"cpu ({processor_name()})"],
        "versions": [versions],
        "seeds": [seed],
        "n_runs": n_runs,
        "run_seconds": round(seconds, 1),
        "corpus": corpus,
    }


def record_computation(
    folder: Path,
    command: str,
    compute: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    n_runs: int,
    corpus: str,
    seed: int = 0,
) -> None:
    """Compute a result for which nothing is trained, and write it with what it took.

    Parameters
    ----------
    folder : pathlib.Path
        Its name is the result's.
    command : str
        What makes it again.
    compute : callable
        Gives the rows of ``runs.csv``; its processor time is recorded.
    n_runs : int
        That it is computed from.
    corpus : str
        What it is computed from.
    seed : int

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name) / "mine"
    ...     record_computation(folder, "mine", lambda: [{"a": 0.45}], n_runs=9, corpus="simulated")
    ...     print((folder / "runs.csv").read_text(encoding="utf-8"), end="")
    a
    0.45
    """
    commit = checkout_commit()
    started = time.process_time()
    runs = rows_table(compute())
    seconds = time.process_time() - started
    about = describe_computation(
        command, commit=commit, seed=seed, n_runs=n_runs, seconds=seconds, corpus=corpus
    )
    write_recorded(folder, runs, about)


def rows_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as the text of a table, with the columns of all of them; what a row lacks is left empty.

    Parameters
    ----------
    rows : iterable of mapping

    Examples
    --------
    >>> print(rows_table([{"a": 1}, {"a": 2, "b": 3}]), end="")
    a,b
    1,
    2,3
    """
    rows = list(rows)
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
