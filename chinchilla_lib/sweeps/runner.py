"""Carry out a plan: workers beside each other, every finished run kept, interrupted sweeps resumed."""

import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.executors import Executor, InProcess, Processes
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.jobs import Job, JobTrainer, SingleRuns, Trainer, group_jobs, select_shard
from chinchilla_lib.sweeps.locks import Shard, hold_folder
from chinchilla_lib.sweeps.plan import SweepPlan, count_once
from chinchilla_lib.sweeps.stages import Stage, next_stage

__all__ = ["Progress", "SweepError", "run_sweep"]

_log = logging.getLogger(__name__)

_TABLE_SHARE: Final = 0.05
_POLL: Final = 2.0


class SweepError(RuntimeError):
    """Some runs of a sweep failed, or could not be kept; the finished ones are."""


@dataclass(frozen=True)
class Progress:
    """How far a runner is.

    Attributes
    ----------
    result : RunRecord, RunFailure or None
        What the run that just ended ended with; none at the start of a stage.
    n_done, n_total : int
        Finished runs, those of earlier sittings included, and planned ones. Of a sweep in shards, those
        of this shard; of a staged sweep, those planned so far.
    seconds_left : float or None
        Estimate; none while there is nothing to go by.
    """

    result: RunRecord | RunFailure | None
    n_done: int
    n_total: int
    seconds_left: float | None


def run_sweep(
    plan: SweepPlan,
    trainer: Trainer,
    folder: Path,
    *,
    n_workers: int = 2,
    executor: Executor | None = None,
    shard: Shard | None = None,
    estimate_seconds: Callable[[Sequence[RunConfig]], Sequence[float]] | None = None,
    retry_quarantined: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[RunRecord]:
    """Do the runs of a plan that the folder does not hold yet, and write the tables.

    May be stopped at any moment, also by ``kill -9``: finished runs are on disk, the same
    call goes on with the others, and the tables come out the same. Runs that diverged are put in
    quarantine with the reason and not tried again.

    Parameters
    ----------
    plan : SweepPlan
    trainer : callable or JobTrainer
        Called in the workers; tried three times when a worker dies.
    folder : pathlib.Path
        Of this plan alone.
    n_workers : int
        Processes on this machine; 0 trains in this process, one job after another.
    executor : Executor, optional
        Where to train, in place of processes on this machine.
    shard : Shard, optional
        Do only this part of the sweep; other runners do the others, in the same folder. Jobs are
        divided by their FLOPs, the same way on every machine.
    estimate_seconds : callable, optional
        From configs to the seconds that each is expected to take; asked only about runs that are left.
        Without it the estimate of the time left goes by FLOPs.
    retry_quarantined : bool
        Try diverged runs again.
    on_progress : callable, optional
        Called at the start of every stage and after every run.

    Returns
    -------
    list of RunRecord
        Of the runs that the folder holds, in the plan's order.

    Raises
    ------
    InputError
        If the folder belongs to another plan, is in use by another runner, or holds a
        damaged record.
    SweepError
        If a run failed otherwise than by diverging, no run finished, or the disk is full; the finished
        runs are kept.

    Examples
    --------
    >>> import tempfile
    >>> from functools import partial
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     records = run_sweep(plan, partial(simulate_run, law=law), Path(folder), n_workers=0)
    ...     tables = sorted(path.name for path in Path(folder).glob("*.csv"))
    >>> len(records) == len(plan.configs), tables
    (True, ['curves.csv', 'runs.csv', 'timings.csv'])
    """
    if executor is None:
        executor = Processes(n_workers) if n_workers else InProcess()
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder, shard, n_workers=executor.n_workers):
        sitting = _Sitting(
            plan=plan,
            trainer=trainer if isinstance(trainer, JobTrainer) else SingleRuns(trainer),
            folder=SweepFolder(folder),
            executor=executor,
            shard=shard,
            estimate_seconds=estimate_seconds,
            retry_quarantined=retry_quarantined,
            on_progress=on_progress or (lambda progress: None),
        )
        return sitting.run()


class _Sitting:
    """One call of `run_sweep`."""

    def __init__(
        self,
        *,
        plan: SweepPlan,
        trainer: JobTrainer,
        folder: SweepFolder,
        executor: Executor,
        shard: Shard | None,
        estimate_seconds: Callable[[Sequence[RunConfig]], Sequence[float]] | None,
        retry_quarantined: bool,
        on_progress: Callable[[Progress], None],
    ) -> None:
        folder.claim(plan)
        if shard is None:
            folder.remove_partial_files()
        self._folder, self._trainer, self._executor, self._shard = folder, trainer, executor, shard
        self._estimate_seconds, self._on_progress = estimate_seconds, on_progress
        self._plan = plan
        self._stages = [plan.configs]
        for stage in folder.load_stages():
            self._extend(stage)
        self._records: dict[str, RunRecord] = {}
        self._quarantined = set() if retry_quarantined else folder.quarantined()
        self._failures: dict[str, RunFailure] = {}
        self._tables_due = time.monotonic()

    def run(self) -> list[RunRecord]:
        """Do what is left, stage by stage."""
        self._load_records()
        while True:
            self._run_jobs()
            if self._failures:
                first = next(iter(self._failures.values()))
                raise SweepError(
                    f"{len(self._failures)} of {len(self._plan.configs)} runs failed and are not in the "
                    f"tables; first {first.config.run_id}: {first.reason}. Finished runs are kept; the same "
                    "command tries the others again"
                )
            if self._plan.ladder is None or len(self._stages) == len(self._plan.ladder.budgets):
                break
            self._begin_stage()
        done = [self._records[run_id] for run_id in self._plan.run_ids if run_id in self._records]
        if not done and self._quarantined:
            raise SweepError(
                f"all of the {len(self._quarantined)} runs tried diverged; {self._folder.path}/quarantine "
                "has the reasons. Lower the learning rate"
            )
        return done

    def _run_jobs(self) -> None:
        """Do the jobs that are left of the stages planned so far."""
        jobs = [job for stage in self._stages for job in self._own_jobs(stage)]
        n_total = sum(len(job.configs) for job in jobs)
        ended = self._quarantined | self._records.keys()
        left = [
            replace(job.without(ended), checkpoint_folder=self._folder.checkpoints(job.name)) for job in jobs
        ]
        for job in left:
            if not job.configs:  # a runner may have been killed before it could do this
                self._remove_checkpoints(job)
        left = [job for job in left if job.configs]
        owed = {config.run_id: job for job in left for config in job.configs}
        n_owed = {job.name: len(job.configs) for job in left}
        clock = _Clock(left, self._estimate_seconds, self._executor.n_workers)
        left.sort(key=clock.expect, reverse=True)  # the longest first, so that workers end together
        n_done = sum(config.run_id in self._records for job in jobs for config in job.configs)
        self._write_tables(now=True)
        self._on_progress(Progress(None, n_done, n_total, clock.seconds_left()))
        try:
            with closing(self._executor(self._trainer, left)) as results:
                for result in results:
                    run_id = result.config.run_id
                    self._keep(result)
                    if run_id not in self._failures:
                        job = owed[run_id]
                        n_owed[job.name] -= 1
                        if not n_owed[job.name]:
                            self._remove_checkpoints(job)
                    n_done += isinstance(result, RunRecord)
                    clock.observe(result)
                    self._write_tables()
                    self._on_progress(Progress(result, n_done, n_total, clock.seconds_left()))
        finally:
            self._write_tables(now=True)

    def _own_jobs(self, stage: Sequence[RunConfig]) -> list[Job]:
        jobs = group_jobs(self._trainer, stage)
        return select_shard(jobs, self._shard) if self._shard else jobs

    def _keep(self, result: RunRecord | RunFailure) -> None:
        """Write down what a run ended with."""
        run_id = result.config.run_id
        if isinstance(result, RunRecord):
            with self._disk():
                self._folder.write_record(result)
            self._records[run_id] = result
        elif result.kind == "diverged":
            with self._disk():
                self._folder.quarantine(result)
            self._quarantined.add(run_id)
            _log.warning("run %s diverged and is in quarantine: %s", run_id, result.reason)
        else:
            self._failures[run_id] = result
            _log.error("run %s failed: %s", run_id, result.reason)

    def _remove_checkpoints(self, job: Job) -> None:
        shutil.rmtree(self._folder.checkpoints(job.name), ignore_errors=True)

    def _load_records(self) -> None:
        for record in self._folder.load_records(known=self._records):
            self._records[record.config.run_id] = record

    def _write_tables(self, *, now: bool = False) -> None:
        """Write the tables, now or unless that would take too large a share of the time."""
        if not now and time.monotonic() < self._tables_due:
            return
        started = time.monotonic()
        while True:
            if self._shard:
                self._load_records()
            with self._disk():
                self._folder.write_tables(self._plan, self._records)
            # Another shard that wrote its tables just before these took their place may have known more.
            if self._shard is None or self._folder.finished() <= self._records.keys():
                break
        self._tables_due = time.monotonic() + (time.monotonic() - started) / _TABLE_SHARE

    def _begin_stage(self) -> None:
        """Extend the plan by its next stage, when the runs of all shards have ended."""
        number = len(self._stages) + 1
        self._wait_for_shards()
        if len(self._folder.load_stages()) < number - 1:
            assert self._plan.ladder is not None
            records = [self._records[run_id] for run_id in self._plan.run_ids if run_id in self._records]
            with self._disk():
                self._folder.write_stage(next_stage(self._plan.ladder, number, records))
        # Of several shards the first to write decides, should their arithmetic differ in the last digit.
        self._extend(self._folder.load_stages()[number - 2])

    def _wait_for_shards(self) -> None:
        told = False
        while missing := set(self._plan.run_ids) - self._folder.finished() - self._folder.quarantined():
            if not told:
                _log.warning("stage %d: waiting for %d runs of other shards", len(self._stages), len(missing))
                told = True
            time.sleep(_POLL)
        self._load_records()

    def _extend(self, stage: Stage) -> None:
        self._stages.append(stage.configs)
        self._plan = replace(self._plan, configs=self._plan.configs + stage.configs)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = " Free some space, then" if error.errno in (errno.ENOSPC, errno.EDQUOT) else " Then"
            raise SweepError(
                f"{self._folder.path} cannot be written: {error.strerror or error}. The "
                f"{len(self._records)} finished runs are kept.{full} give the same command again"
            ) from error


class _Clock:
    """Turns expected into remaining seconds, corrected by what finished runs took."""

    def __init__(
        self,
        jobs: Sequence[Job],
        estimate_seconds: Callable[[Sequence[RunConfig]], Sequence[float]] | None,
        n_workers: int,
    ) -> None:
        configs = [config for job in jobs for config in job.configs]
        estimates = estimate_seconds(configs) if estimate_seconds and configs else None
        alone = estimates or [config.flops for config in configs]
        self._weight = dict(zip((config.run_id for config in configs), alone, strict=True))
        for job in jobs:  # runs of one trunk cost less together
            ids = [config.run_id for config in job.configs]
            together = count_once(job.configs, lambda config: self._weight[config.run_id])
            share = together / sum(self._weight[run_id] for run_id in ids)
            self._weight.update((run_id, share * self._weight[run_id]) for run_id in ids)
        self._left = sum(self._weight.values())
        self._scale = 1.0 if estimates or not configs else None
        self._n_workers = max(1, n_workers)
        self._expected = self._taken = 0.0

    def expect(self, job: Job) -> float:
        """Expected length of a job that is left, in seconds or in FLOPs."""
        return sum(self._weight[config.run_id] for config in job.configs)

    def observe(self, result: RunRecord | RunFailure) -> None:
        """Note that a run has ended."""
        weight = self._weight.pop(result.config.run_id)
        self._left = self._left - weight if self._weight else 0.0
        if isinstance(result, RunRecord):
            self._expected += weight
            self._taken += result.seconds
            self._scale = self._taken / self._expected

    def seconds_left(self) -> float | None:
        """Runs under way count as not begun, so this errs on the long side."""
        return None if self._scale is None else self._scale * self._left / self._n_workers
