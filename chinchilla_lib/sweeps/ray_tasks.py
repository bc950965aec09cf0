"""Jobs as tasks of a Ray cluster: the executor for several machines, or for several models on one GPU.

Ray places the tasks; what they yield comes back to the driver, which alone writes the sweep's folder. A job's
checkpoints go on after the loss of a node only if the folder is on a file system that all nodes see.
"""

import logging
import os
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.runs import RunFailure, RunRecord
from chinchilla_lib.sweeps.executors import Pending
from chinchilla_lib.sweeps.jobs import Job, JobTrainer, train_job

__all__ = ["RayTasks", "gpu_share"]

_WHOLE_GPU: Final = 40e6
_SMALLEST_SHARE: Final = 8


def gpu_share(job: Job) -> float:
    """Part of a GPU that a job takes: an eighth up to 5M parameters, all of it from 40M on.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.jobs import SingleRuns, group_jobs
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> gpu_share(group_jobs(SingleRuns(lambda config: None), plan.configs[:1])[0])
    0.125
    """
    n_params = sum(count_params(config.shape).total for config in job.configs)
    eighths = -(-n_params * _SMALLEST_SHARE // _WHOLE_GPU)
    return float(min(_SMALLEST_SHARE, max(1, eighths)) / _SMALLEST_SHARE)


@dataclass(frozen=True)
class RayTasks:
    """Trains each job in a task of the Ray cluster that ``RAY_ADDRESS`` names, else of one on this machine.

    Attributes
    ----------
    gpus_per_job : float or None
        Part of a GPU that each job takes. By default none on a cluster without GPUs, else by size
        (:func:`gpu_share`).

    Raises
    ------
    InputError
        If the part is negative, or above 1 and not whole, which Ray cannot place.
    """

    gpus_per_job: float | None = None

    def __post_init__(self) -> None:
        gpus = self.gpus_per_job
        if gpus is not None and not (0 <= gpus <= 1 or gpus == round(gpus) > 1):
            raise InputError(f"gpus_per_job is {gpus}; give a part of one GPU, 0 to 1, or a whole number")

    @cached_property
    def _ray(self) -> Any:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "ray") from error
        if not ray.is_initialized():
            # A node gives up when its agents are slow to start, as they are on a busy machine.
            os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")
            try:
                ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
            except Exception as error:  # Ray raises a plain Exception when a node does not start
                reason = " ".join(str(error).split())
                raise InputError(
                    f"Ray did not start: {reason} Try again when the machine is less busy, name a running "
                    "cluster in RAY_ADDRESS, or use the executor 'processes'"
                ) from error
        return ray

    @property
    def n_workers(self) -> int:
        """CPUs of the cluster."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def __call__(
        self, trainer: JobTrainer, jobs: Sequence[Job]
    ) -> Generator[RunRecord | RunFailure, None, None]:
        """Yield what each run ends with, as it ends; when closed, the tasks are cancelled."""
        if not jobs:
            return
        ray = self._ray
        # Lost tasks are started again here, not by Ray: what a task has yielded must not be done again.
        task = ray.remote(num_cpus=1, max_retries=0)(_task)
        shared = ray.put(trainer)
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        queue = deque(Pending(job) for job in jobs)
        under_way: dict[Any, Pending] = {}
        try:
            while queue or under_way:
                while queue:
                    pending = queue.popleft()
                    gpus = self.gpus_per_job
                    if gpus is None:
                        gpus = gpu_share(pending.job) if has_gpus else 0
                    under_way[task.options(num_gpus=gpus).remote(shared, pending.job)] = pending
                [stream], _ = ray.wait(list(under_way), num_returns=1, fetch_local=False)
                pending = under_way[stream]
                try:
                    result = ray.get(next(stream))
                except StopIteration:
                    del under_way[stream]
                except ray.exceptions.RayError as error:
                    del under_way[stream]
                    reason = f"its task was lost ({type(error).__name__})"
                    if pending.worth_another(reason):
                        queue.append(pending)
                    else:
                        yield from pending.failures(reason)
                else:
                    pending.take(result)
                    yield result
        finally:
            for stream in under_way:
                ray.cancel(stream, force=True)


def _task(trainer: JobTrainer, job: Job) -> Generator[RunRecord | RunFailure, None, None]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    yield from train_job(trainer, job)
