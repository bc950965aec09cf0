"""Jobs: what a worker is handed at once, and what it hands back."""

import hashlib
import heapq
import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from chinchilla_lib.errors import DivergedError
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.locks import Shard
from chinchilla_lib.sweeps.plan import count_once

__all__ = ["Job", "JobTrainer", "SingleRuns", "Trainer", "group_jobs", "select_shard", "train_job"]

_log = logging.getLogger(__name__)


@runtime_checkable
class JobTrainer(Protocol):
    """A trainer that does several runs better together than one by one.

    Runs that share a trunk, or that are stacked in one matrix product, make a job. It must pickle,
    as workers are processes.
    """

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        """Divide configs into jobs; a function of the configs alone, so that all shards agree."""
        ...

    def train(
        self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
    ) -> Iterator[RunRecord | RunFailure]:
        """Train a job's runs and yield what each ends with, as it ends.

        After a crash it is called again with the runs that are left, and with the same folder: an
        existing folder of this job alone, which may hold what an attempt at more of its runs has left.
        """
        ...


Trainer = Callable[[RunConfig], RunRecord] | JobTrainer
"""Anything that turns a config into a record, or a job into records."""


@dataclass(frozen=True)
class SingleRuns:
    """A callable as a trainer whose jobs are single runs.

    Attributes
    ----------
    trainer : callable
        From a config to its record; raises :class:`~chinchilla_lib.errors.DivergedError` when the loss
        stops being a number.
    """

    trainer: Callable[[RunConfig], RunRecord]

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        """Each config alone."""
        return [(config,) for config in configs]

    def train(
        self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
    ) -> Iterator[RunRecord | RunFailure]:
        """Call the trainer."""
        for config in job:
            try:
                yield self.trainer(config)
            except DivergedError as error:
                yield RunFailure(config, str(error), "diverged")


@dataclass(frozen=True)
class Job:
    """Runs that are trained together.

    Attributes
    ----------
    configs : tuple of RunConfig
        Those still to do.
    name : str
        The same for whatever is left of the job; names its checkpoint folder.
    checkpoint_folder : pathlib.Path or None
    """

    configs: tuple[RunConfig, ...]
    name: str
    checkpoint_folder: Path | None = None

    @cached_property
    def flops(self) -> float:
        """Training FLOPs, a shared trunk counted once."""
        return count_once(self.configs, lambda config: config.flops)

    def without(self, run_ids: Collection[str]) -> "Job":
        """The job less the runs of these ids."""
        return replace(self, configs=tuple(c for c in self.configs if c.run_id not in run_ids))


def group_jobs(trainer: JobTrainer, configs: Sequence[RunConfig]) -> list[Job]:
    """Jobs of a trainer with their names, the most expensive first.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> jobs = group_jobs(SingleRuns(lambda config: None), plan.configs)
    >>> len(jobs), jobs[0].flops >= jobs[-1].flops
    (18, True)
    """
    jobs = [Job(group, _name(group)) for group in trainer.group(configs)]
    return sorted(jobs, key=lambda job: (-job.flops, job.name))


def _name(configs: Sequence[RunConfig]) -> str:
    ids = sorted(config.run_id for config in configs)
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:8]
    return f"{ids[0]}-and-{len(ids) - 1}-{digest}" if len(ids) > 1 else ids[0]


def select_shard(jobs: Sequence[Job], shard: Shard) -> list[Job]:
    """Jobs of one shard: each job, in the order given, goes to the shard with the least FLOPs so far.

    With the most expensive first, no shard has more than 4/3 of the work of the best division.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> jobs = group_jobs(SingleRuns(lambda config: None), plan.configs)
    >>> parts = [select_shard(jobs, Shard(number, 2)) for number in (1, 2)]
    >>> [round(sum(job.flops for job in part) / plan.flops, 1) for part in parts]
    [0.5, 0.5]
    """
    loads = [(0.0, index) for index in range(1, shard.count + 1)]
    mine = []
    for job in jobs:
        load, index = heapq.heappop(loads)
        heapq.heappush(loads, (load + job.flops, index))
        if index == shard.index:
            mine.append(job)
    return mine


def train_job(trainer: JobTrainer, job: Job) -> Iterator[RunRecord | RunFailure]:
    """Train a job in this process; every run of it ends with a record or a failure, whatever happens.

    Examples
    --------
    >>> from functools import partial
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> trainer = SingleRuns(partial(simulate_run, law=law))
    >>> [job] = group_jobs(trainer, plan_isoflop_sweep(TIERS["ci"], corpus="mine").configs[:1])
    >>> [type(end).__name__ for end in train_job(trainer, job)]
    ['RunRecord']
    """
    left = {config.run_id: config for config in job.configs}
    try:
        if job.checkpoint_folder:
            job.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        for result in trainer.train(job.configs, job.checkpoint_folder):
            config = left.pop(result.config.run_id)
            if isinstance(result, RunRecord) and not math.isfinite(result.loss):
                yield RunFailure(config, f"the held-out loss is {result.loss}", "diverged")
            else:
                yield result
        reason = "its trainer ended without a result for it"
    except Exception as error:
        _log.debug("job %s", job.name, exc_info=True)
        reason = f"{type(error).__name__}: {error}"
    for config in left.values():
        yield RunFailure(config, reason, "error")
