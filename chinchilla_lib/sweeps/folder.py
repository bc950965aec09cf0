"""The folder of a sweep: its plan, one checked file for each finished run, and the tables made from them.

=================  ============================================================
``plan.json``      the plan that the folder belongs to
``records/``       a file for each finished run, with its SHA-256
``quarantine/``    a file for each diverged run, with the reason
``stages/``        how an adaptive plan went on
``checkpoints/``   a folder for each job under way, for its trainer
``runs.csv``       one row per finished run
``curves.csv``     the training curves
``timings.csv``    seconds and devices, apart from what must repeat exactly
=================  ============================================================

Every file appears whole or not at all.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from chinchilla_lib._files import PARTIAL, open_whole
from chinchilla_lib._outside import check_names, parse_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.stages import Stage

__all__ = ["SweepFolder"]

T = TypeVar("T")


class SweepFolder:
    """What is kept of a sweep; see the module.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    path : pathlib.Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, plan: SweepPlan) -> None:
        """Give the folder to a plan, or check that it belongs to it.

        Raises
        ------
        InputError
            If it belongs to another plan, or its ``plan.json`` is damaged.
        """
        if not (self.path / "plan.json").exists():
            with open_whole(self.path / "plan.json") as file:
                json.dump({**plan.to_dict(), "identity": plan.identity}, file, indent=1)
                file.write("\n")
        held = self.load_plan()
        if held.identity != plan.identity:
            raise InputError(
                f"{self.path} holds another sweep ({held.name}, {len(held.configs)} runs, plan "
                f"{held.identity}; this plan is {plan.identity}): choose another folder"
            )

    def load_plan(self) -> SweepPlan:
        """The plan that the folder belongs to, as it was before later stages.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        path = self.path / "plan.json"
        try:
            return SweepPlan.from_dict(parse_json(path.read_bytes()))
        except FileNotFoundError:
            raise InputError(f"{self.path} holds no sweep: there is no plan.json in it") from None
        except InputError as error:
            raise InputError(
                f"{path}: damaged plan ({error}); remove the file and give the same plan again, or "
                "choose another folder"
            ) from None

    def finished(self) -> set[str]:
        """Ids of the runs that have a record, by the names of the files."""
        return _names(self.path / "records")

    def quarantined(self) -> set[str]:
        """Ids of the diverged runs, by the names of the files."""
        return _names(self.path / "quarantine") - self.finished()

    def load_records(self, known: Collection[str] = ()) -> list[RunRecord]:
        """Finished runs in the order of their ids, each checked against its own SHA-256.

        Parameters
        ----------
        known : collection of str
            Ids of runs to leave out.

        Raises
        ------
        InputError
            If a record is truncated or altered; the message names the file.
        """
        paths = [self.path / "records" / f"{run_id}.json" for run_id in sorted(self.finished() - set(known))]
        records = [_read(path, "record", RunRecord.from_dict) for path in paths]
        for path, record in zip(paths, records, strict=True):
            if path.stem != record.config.run_id:
                raise InputError(f"{path}: holds run {record.config.run_id}; remove the file")
        return records

    def write_record(self, record: RunRecord) -> None:
        """Keep a finished run; if it was in quarantine, it leaves it."""
        run_id = record.config.run_id
        _write(self.path / "records" / f"{run_id}.json", "record", record.to_dict())
        (self.path / "quarantine" / f"{run_id}.json").unlink(missing_ok=True)

    def load_quarantine(self) -> list[RunFailure]:
        """Diverged runs in the order of their ids.

        Raises
        ------
        InputError
            If a file is truncated or altered; the message names it.
        """
        paths = [self.path / "quarantine" / f"{run_id}.json" for run_id in sorted(self.quarantined())]
        return [_read(path, "failure", _failure) for path in paths]

    def quarantine(self, failure: RunFailure) -> None:
        """Keep the reason why a run has no record."""
        data = {"config": failure.config.to_dict(), "reason": failure.reason, "kind": failure.kind}
        _write(self.path / "quarantine" / f"{failure.config.run_id}.json", "failure", data)

    def load_stages(self) -> list[Stage]:
        """The stages that an adaptive plan was extended by, in their order.

        Raises
        ------
        InputError
            If a file is truncated or altered, or one before it is missing; the message names it.
        """
        paths = sorted((self.path / "stages").glob("*.json"))
        stages = [_read(path, "stage", Stage.from_dict) for path in paths]
        for number, (path, stage) in enumerate(zip(paths, stages, strict=True), start=2):
            if stage.number != number or path != self._stage(number):
                raise InputError(
                    f"{path}: holds stage {stage.number} where {self._stage(number).name} should stand; "
                    "remove the stages from there on and they are made again"
                )
        return stages

    def write_stage(self, stage: Stage) -> None:
        """Record a stage. Of several shards the first does it for all."""
        _write(self._stage(stage.number), "stage", stage.to_dict(), keep=True)

    def _stage(self, number: int) -> Path:
        return self.path / "stages" / f"{number:02d}.json"

    def checkpoints(self, job: str) -> Path:
        """Folder in which a job's trainer keeps what it needs to go on in mid-run."""
        return self.path / "checkpoints" / job

    def write_tables(self, plan: SweepPlan, records: Mapping[str, RunRecord]) -> None:
        """Write the tables of the plan's finished runs, in the plan's order; none while there is no run."""
        done = [records[run_id] for run_id in plan.run_ids if run_id in records]
        if not done:
            return
        timings: list[dict[str, object]] = [
            {"run_id": record.config.run_id, "seconds": record.seconds, **record.environment}
            for record in done
        ]
        _write_csv(self.path / "runs.csv", (record.to_row() for record in done))
        _write_csv(self.path / "curves.csv", (row for record in done for row in record.curve_rows()))
        _write_csv(self.path / "timings.csv", timings)

    def remove_partial_files(self) -> None:
        """Remove what killed runners left half written; only for a runner that holds the whole folder."""
        for path in self.path.rglob(PARTIAL):
            path.unlink(missing_ok=True)


def _names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json")}


def _failure(data: Mapping[str, Any]) -> RunFailure:
    check_names(data, ("config", "reason", "kind"), what="a failure")
    return RunFailure(RunConfig.from_dict(data["config"]), data["reason"], data["kind"])


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _read(path: Path, kind: str, build: Callable[[dict[str, Any]], T]) -> T:
    """Value of a file that vouches for itself."""
    try:
        data = parse_json(path.read_bytes())
        if data["sha256"] == _digest(data[kind]):
            return build(data[kind])
        problem = "its SHA-256 does not fit"
    except InputError as error:
        problem = str(error)
    except (KeyError, TypeError):
        problem = f"it lacks a {kind} or its SHA-256"
    raise InputError(f"{path}: damaged {kind} ({problem}); remove the file and it is made again")


def _write(path: Path, kind: str, data: Mapping[str, Any], *, keep: bool = False) -> None:
    path.parent.mkdir(exist_ok=True)
    with open_whole(path, keep=keep) as file:
        json.dump({"sha256": _digest(data), kind: data}, file)
        file.write("\n")


def _write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    rows = list(rows)
    # Runs may set fields that others leave out, and environments differ between machines.
    columns = list(dict.fromkeys(chain.from_iterable(rows)))
    with open_whole(path) as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
