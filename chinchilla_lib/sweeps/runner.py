"""Carry out a plan: workers beside each other, every finished run kept, interrupted sweeps resumed.

A sweep folder holds ``plan.json``, one checked file per finished run under ``records/``, and
the tables made from them: ``runs.csv``, ``curves.csv`` and, apart from what must repeat
exactly, ``timings.csv``.
"""

import csv
import fcntl
import hashlib
import io
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan

__all__ = ["Progress", "SweepError", "Trainer", "load_records", "run_sweep"]

_ATTEMPTS = 3
_log = logging.getLogger(__name__)


class SweepError(RuntimeError):
    """Some runs of a sweep failed; the finished ones are kept."""


class Trainer(Protocol):
    """Anything that turns a config into a record; it must pickle, as workers are processes."""

    def __call__(self, config: RunConfig, /) -> RunRecord: ...


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    record : RunRecord or None
        The run that just finished; none at the start.
    n_done, n_total : int
        Finished runs, those of earlier sittings included, and planned runs.
    seconds_left : float or None
        Estimate; none while there is nothing to go by.
    """

    record: RunRecord | None
    n_done: int
    n_total: int
    seconds_left: float | None


def run_sweep(
    plan: SweepPlan,
    trainer: Trainer,
    folder: Path,
    *,
    n_workers: int = 2,
    expected_seconds: Sequence[float] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[RunRecord]:
    """Do the runs of a plan that the folder does not hold yet, and write the tables.

    May be stopped at any moment, also by ``kill -9``: finished runs are on disk, the same
    call goes on with the others, and the tables come out the same.

    Parameters
    ----------
    plan : SweepPlan
    trainer : Trainer
        Called in the workers, once per run; tried three times when a worker dies.
    folder : pathlib.Path
        Of this plan alone.
    n_workers : int
        Processes; 0 calls the trainer in this process, one run after another.
    expected_seconds : sequence of float, optional
        Seconds each run of the plan is expected to take; by default in proportion to FLOPs.
        Orders the runs, longest first, and gives the estimate of the time left.
    on_progress : callable, optional
        Called at the start and after every run.

    Returns
    -------
    list of RunRecord
        One per run, in the plan's order.

    Raises
    ------
    InputError
        If the folder belongs to another plan, is in use by another runner, or holds a
        damaged record.
    SweepError
        If a run failed; the others are finished and kept.
    """
    if n_workers < 0:
        raise InputError(f"n_workers is {n_workers}; give 0 or more")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _claim(folder, plan)
        records = {record.config.run_id: record for record in load_records(folder)}
        weights = expected_seconds or [config.flops for config in plan.configs]
        clock = _Clock(dict(zip((c.run_id for c in plan.configs), weights, strict=True)), n_workers)
        todo = sorted(
            (config for config in plan.configs if config.run_id not in records),
            key=lambda config: -clock.weight[config.run_id],
        )
        _write_tables(folder, plan, records)
        if on_progress:
            left = clock.seconds_left(todo) if expected_seconds else None
            on_progress(Progress(None, len(records), len(plan.configs), left))
        failures: dict[str, str] = {}
        finished = _in_workers(trainer, todo, n_workers) if n_workers else _in_process(trainer, todo)
        for config, result in finished:
            if isinstance(result, str):
                failures[config.run_id] = result
                _log.error("run %s failed: %s", config.run_id, result)
                continue
            _write_record(folder, result)
            records[config.run_id] = result
            clock.observe(config.run_id, result.seconds)
            _write_tables(folder, plan, records)
            if on_progress:
                remaining = [c for c in todo if c.run_id not in records and c.run_id not in failures]
                on_progress(Progress(result, len(records), len(plan.configs), clock.seconds_left(remaining)))
        if failures:
            first, reason = next(iter(failures.items()))
            raise SweepError(
                f"{len(failures)} of {len(plan.configs)} runs failed and are not in the tables; first "
                f"{first}: {reason}. Finished runs are kept; the same command tries the others again"
            )
        return [records[config.run_id] for config in plan.configs]


def load_records(folder: Path) -> list[RunRecord]:
    """Finished runs of a sweep folder, each checked against its own SHA-256.

    Raises
    ------
    InputError
        If a record is truncated or altered; the message names the file.
    """
    records = []
    for path in sorted((folder / "records").glob("*.json")):
        try:
            data = json.loads(path.read_bytes())
            intact = data["sha256"] == _digest(data["record"])
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            intact = False
        if not intact:
            raise InputError(f"{path}: damaged record; remove the file and the run is done again")
        records.append(RunRecord.from_dict(data["record"]))
    return records


class _Clock:
    """Turns expected into remaining seconds, corrected by what finished runs took."""

    def __init__(self, weight: Mapping[str, float], n_workers: int) -> None:
        self.weight = weight
        self._n_workers = max(1, n_workers)
        self._expected = self._taken = 0.0

    def observe(self, run_id: str, seconds: float) -> None:
        self._expected += self.weight[run_id]
        self._taken += seconds

    def seconds_left(self, remaining: Iterable[RunConfig]) -> float:
        """Runs under way count as not begun, so this errs on the long side."""
        scale = self._taken / self._expected if self._expected else 1.0
        return scale * sum(self.weight[config.run_id] for config in remaining) / self._n_workers


def _in_process(trainer: Trainer, todo: Sequence[RunConfig]) -> Iterator[tuple[RunConfig, RunRecord | str]]:
    for config in todo:
        yield config, _attempt(trainer, config)


def _attempt(trainer: Trainer, config: RunConfig) -> RunRecord | str:
    try:
        return trainer(config)
    except Exception as error:
        _log.debug("run %s", config.run_id, exc_info=True)
        return f"{type(error).__name__}: {error}"


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    config: RunConfig | None = None


def _in_workers(
    trainer: Trainer, todo: Sequence[RunConfig], n_workers: int
) -> Iterator[tuple[RunConfig, RunRecord | str]]:
    """Hand configs to processes and yield results as they come; replace workers that die."""
    queue = deque(todo)
    attempts: dict[str, int] = {}
    workers: list[_Worker] = []
    try:
        while queue or any(worker.config for worker in workers):
            while queue and len(workers) < n_workers:
                workers.append(_start_worker(trainer))
            for worker in workers:
                if worker.config is None and queue:
                    worker.config = queue.popleft()
                    worker.pipe.send(worker.config)
            busy = [worker for worker in workers if worker.config]
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                config = worker.config
                assert config is not None
                try:
                    result: RunRecord | str = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    worker.process.join()
                    reason = f"its worker died (exit code {worker.process.exitcode})"
                    attempts[config.run_id] = attempts.get(config.run_id, 1) + 1
                    if attempts[config.run_id] <= _ATTEMPTS:
                        _log.warning("run %s: %s; trying again", config.run_id, reason)
                        queue.appendleft(config)
                    else:
                        yield config, f"{reason}, {_ATTEMPTS} times"
                    continue
                worker.config = None
                yield config, result
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _start_worker(trainer: Trainer) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(trainer, theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()  # so that a dead worker reads as the end of the pipe
    return _Worker(process, ours)


def _work(trainer: Trainer, pipe: Connection, parent: int) -> None:
    """Body of a worker: it outlives neither its runner nor a closed pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what an interrupt means
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    try:
        while True:
            pipe.send(_attempt(trainer, pipe.recv()))
    except (EOFError, OSError):
        return


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it however this process ends."""
    with (folder / ".lock").open("w") as file:
        # A runner killed while it started a worker leaves a copy of the lock for a moment.
        patience = time.monotonic() + 2
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > patience:
                    raise InputError(
                        f"{folder} is in use by another runner; wait for it or choose another"
                    ) from None
                time.sleep(0.05)
        yield


def _claim(folder: Path, plan: SweepPlan) -> None:
    path = folder / "plan.json"
    if path.exists():
        try:
            held = SweepPlan.from_dict(json.loads(path.read_bytes()))
        except (json.JSONDecodeError, UnicodeDecodeError, InputError) as error:
            raise InputError(f"{path}: damaged plan ({error}); choose another folder") from None
        if held.identity != plan.identity:
            raise InputError(
                f"{folder} holds another sweep ({held.name}, {len(held.configs)} runs, plan {held.identity}; "
                f"this plan is {plan.identity}): choose another folder"
            )
    else:
        _write(path, json.dumps(plan.to_dict(), indent=1) + "\n")


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _write_record(folder: Path, record: RunRecord) -> None:
    (folder / "records").mkdir(exist_ok=True)
    data = record.to_dict()
    text = json.dumps({"sha256": _digest(data), "record": data}) + "\n"
    _write(folder / "records" / f"{record.config.run_id}.json", text)


def _write_tables(folder: Path, plan: SweepPlan, records: Mapping[str, RunRecord]) -> None:
    done = [records[config.run_id] for config in plan.configs if config.run_id in records]
    if not done:
        return
    _write(folder / "runs.csv", _csv(record.to_row() for record in done))
    _write(folder / "curves.csv", _csv(row for record in done for row in record.curve_rows()))
    _write(
        folder / "timings.csv",
        _csv(
            {"run_id": record.config.run_id, "seconds": record.seconds, **record.environment}
            for record in done
        ),
    )


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    """Replace a file in one step; a reader sees the old or the new one, never half of it."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
