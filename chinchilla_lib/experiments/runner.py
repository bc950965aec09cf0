"""Carry out an experiment: its parts one after another, its forecast before the later ones."""

import datetime
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results
from chinchilla_lib.reference.recorded import checkout_commit
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.jobs import Trainer
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.runner import Progress, SweepError, run_sweep

__all__ = ["FORECAST", "MODELS", "Sitting", "read_commits", "run_parts", "take_over", "write_forecast"]

FORECAST: Final = "forecast.json"
MODELS: Final = "models"
"""Folder beside the sweeps of an experiment in which weights are kept."""

_COMMITS: Final = "commits.txt"


@dataclass(frozen=True)
class Sitting:
    """What it takes to train here.

    Attributes
    ----------
    prepare : callable
        From a part to the identity of its shards and a trainer on them.
    n_workers : int
        Processes.
    estimate_seconds : callable
        See `chinchilla_lib.sweeps.runner.run_sweep`.
    on_part : callable
        Called with each part and its plan before it starts.
    on_progress : callable
        Called after every run.
    """

    prepare: Callable[[Part], tuple[str, Trainer]]
    n_workers: int
    estimate_seconds: Callable[[Sequence[RunConfig]], Sequence[float]]
    on_part: Callable[[Part, SweepPlan], None]
    on_progress: Callable[[Progress], None]


def run_parts(
    parts: Iterable[Part], folder: Path, sitting: Sitting, *, neighbours: Iterable[Path] = ()
) -> dict[str, list[RunRecord]]:
    """Do the runs of some parts that are not done yet.

    Parameters
    ----------
    parts : iterable of Part
    folder : pathlib.Path
        Of the experiment; each part has a folder below it.
    sitting : Sitting
    neighbours : iterable of pathlib.Path
        Folders of sweeps whose finished runs are taken over where they are those asked for.

    Returns
    -------
    dict
        Records by part, in the plan's order.

    Raises
    ------
    SweepError
        If runs failed or diverged; the finished ones are kept.
    """
    neighbours = list(neighbours)
    done = {}
    for part in parts:
        identity, trainer = sitting.prepare(part)
        plan = part.plan(identity)
        at = folder / part.name
        take_over(plan, at, neighbours, models=folder / MODELS if part.keeps_models else None)
        sitting.on_part(part, plan)
        if SweepFolder(at).finished() < set(plan.run_ids):
            _note_commits(at, [checkout_commit()])
        records = run_sweep(
            plan,
            trainer,
            at,
            n_workers=sitting.n_workers,
            estimate_seconds=sitting.estimate_seconds,
            on_progress=sitting.on_progress,
        )
        if missing := set(plan.run_ids) - {record.config.run_id for record in records}:
            raise SweepError(f"{len(missing)} runs diverged, so there is no verdict: {at / 'quarantine'}")
        done[part.name] = records
    return done


def take_over(
    plan: SweepPlan, folder: Path, neighbours: Iterable[Path], *, models: Path | None = None
) -> int:
    """Copy finished runs of the plan from the folders of other sweeps; how many.

    The same config on the same device gives the same record, so it need not be trained twice.

    Parameters
    ----------
    plan : SweepPlan
    folder : pathlib.Path
        Of the plan's sweep.
    neighbours : iterable of pathlib.Path
    models : pathlib.Path, optional
        Where weights are to be kept: only runs come along whose weights lie in ``models`` beside their sweep.

    Raises
    ------
    InputError
        If the folder belongs to another plan, or a record is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = SweepFolder(folder)
    own.claim(plan)
    wanted = set(plan.run_ids) - own.finished()
    n_taken = 0
    for neighbour in neighbours:
        other = SweepFolder(neighbour)
        found = wanted & other.finished()
        weights = {run_id: neighbour.parent / MODELS / f"{run_id}.safetensors" for run_id in found}
        if models is not None:
            found = {run_id for run_id in found if weights[run_id].is_file()}
        if neighbour == folder or not found:
            continue
        for record in other.load_records(known=other.finished() - found):
            if models is not None:
                _copy(weights[record.config.run_id], models)
            own.write_record(record)
        _note_commits(folder, read_commits(neighbour))
        wanted -= found
        n_taken += len(found)
    return n_taken


def _copy(file: Path, folder: Path) -> None:
    if file.parent == folder:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as source, open_whole(folder / file.name, "wb") as copy:
        shutil.copyfileobj(source, copy)


def read_commits(folder: Path) -> list[str]:
    """Commits at which the runs of a part were trained, in order."""
    path = folder / _COMMITS
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def _note_commits(folder: Path, commits: Sequence[str]) -> None:
    known = dict.fromkeys([*read_commits(folder), *commits])
    with open_whole(folder / _COMMITS) as file:
        file.writelines(f"{commit}\n" for commit in known)


def write_forecast(experiment: Experiment, tier: str, results: Results, path: Path) -> Forecast:
    """Foretell, and keep what was said with its date and commit.

    Parameters
    ----------
    experiment : Experiment
        One that foretells.
    tier : str
    results : mapping
        Rows by part.
    path : pathlib.Path
    """
    if experiment.foretell is None:
        raise InputError(f"experiment {experiment.name} foretells nothing")
    forecast: dict[str, Any] = {
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": checkout_commit(),
        **experiment.foretell[tier](results),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(path) as file:
        file.write(json.dumps(forecast, indent=1) + "\n")
    return forecast
