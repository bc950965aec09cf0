"""Where jobs are trained: in this process, or in processes beside each other.

An executor is a callable ``(trainer, jobs) -> iterator of results``. It starts the jobs in the order given,
yields what each run ends with, and tries a job again whose worker died, less the runs that it had finished.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final, Protocol

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunFailure, RunRecord
from chinchilla_lib.sweeps.jobs import Job, JobTrainer, train_job

__all__ = ["ATTEMPTS", "Executor", "InProcess", "Pending", "Processes"]

ATTEMPTS: Final = 3
"""How often a job is tried whose worker dies without finishing any of its runs."""

_log = logging.getLogger(__name__)


class Executor(Protocol):
    """Trains jobs somewhere."""

    @property
    def n_workers(self) -> int:
        """Jobs trained at once, for estimates."""
        ...

    def __call__(
        self, trainer: JobTrainer, jobs: Sequence[Job]
    ) -> Generator[RunRecord | RunFailure, None, None]:
        """Yield what each run ends with, as it ends."""
        ...


@dataclass(frozen=True)
class InProcess:
    """One job after another in this process."""

    n_workers: int = 1

    def __call__(
        self, trainer: JobTrainer, jobs: Sequence[Job]
    ) -> Generator[RunRecord | RunFailure, None, None]:
        """Yield what each run ends with, as it ends."""
        for job in jobs:
            yield from train_job(trainer, job)


@dataclass
class Pending:
    """A job under way: what it still owes, and how often its worker has died since it last gave something."""

    job: Job
    deaths: int = 0

    def take(self, result: RunRecord | RunFailure) -> None:
        """Note what one of its runs ended with."""
        self.job = self.job.without({result.config.run_id})
        self.deaths = 0

    def worth_another(self, reason: str) -> bool:
        """Note that its worker died; whether to try what is left of it again."""
        self.deaths += 1
        again = bool(self.job.configs) and self.deaths < ATTEMPTS
        if again:
            _log.warning("job %s: %s; trying again", self.job.name, reason)
        return again

    def failures(self, reason: str) -> list[RunFailure]:
        """What is left of it, given up."""
        return [RunFailure(config, f"{reason}, {ATTEMPTS} times", "error") for config in self.job.configs]


@dataclass(frozen=True)
class Processes:
    """Processes on this machine.

    Attributes
    ----------
    n_workers : int

    Raises
    ------
    InputError
        If there is not one at least.
    """

    n_workers: int = 2

    def __post_init__(self) -> None:
        if self.n_workers < 1:
            raise InputError(f"n_workers is {self.n_workers}; give 1 or more")

    def __call__(
        self, trainer: JobTrainer, jobs: Sequence[Job]
    ) -> Generator[RunRecord | RunFailure, None, None]:
        """Yield what each run ends with, as it ends; when closed, the workers end at once."""
        queue = deque(Pending(job) for job in jobs)
        workers: list[_Worker] = []
        try:
            while queue or any(worker.pending for worker in workers):
                while queue and len(workers) < self.n_workers:
                    workers.append(_Worker(trainer))
                for worker in workers:
                    if worker.pending is None and queue:
                        worker.give(queue.popleft())
                ready = wait([worker.pipe for worker in workers if worker.pending])
                for worker in [worker for worker in workers if worker.pipe in ready]:
                    assert worker.pending is not None
                    try:
                        result = worker.pipe.recv()
                    except (EOFError, OSError):
                        workers.remove(worker)
                        worker.process.join()
                        reason = f"its worker died (exit code {worker.process.exitcode})"
                        if worker.pending.worth_another(reason):
                            queue.appendleft(worker.pending)
                        else:
                            yield from worker.pending.failures(reason)
                        continue
                    if result is None:
                        worker.pending = None
                    else:
                        worker.pending.take(result)
                        yield result
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()


class _Worker:
    """A process that trains one job after another."""

    process: SpawnProcess
    pipe: Connection
    pending: Pending | None = None

    def __init__(self, trainer: JobTrainer) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(trainer, theirs, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()  # so that a dead worker reads as the end of the pipe

    def give(self, pending: Pending) -> None:
        self.pending = pending
        with suppress(OSError):  # if it died at once, its pipe reads as ended
            self.pipe.send(pending.job)


def _work(trainer: JobTrainer, pipe: Connection, parent: int) -> None:
    """Body of a worker: it outlives neither its runner nor a closed pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what an interrupt means
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    try:
        while True:
            for result in train_job(trainer, pipe.recv()):
                pipe.send(result)
            pipe.send(None)
    except (EOFError, OSError):
        return


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
