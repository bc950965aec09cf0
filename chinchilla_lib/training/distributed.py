"""One run over several processes: each takes its part of every batch, and all keep the same weights.

The processes are those that ``torchrun`` starts, on one machine or several; they exchange gradients by
gloo on CPUs and by nccl on GPUs. A kept state does not depend on their number, so a run may go on with
more of them or fewer.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.training.checkpoint import save_model
from chinchilla_lib.training.cuda import DeviceStep, LossFunction
from chinchilla_lib.training.loop import train_job
from chinchilla_lib.training.model import Transformer

__all__ = ["ReplicaLostError", "World", "join_world", "train_replicated"]

_VARIABLES: Final = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}  # of torchrun, and their defaults
_PATIENCE: Final = timedelta(minutes=10)  # with a process that neither answers nor dies


class ReplicaLostError(RuntimeError):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them.

    Attributes
    ----------
    rank : int
        Of this process; 0 writes.
    size : int
    device : torch.device
        Of this process.
    """

    rank: int
    size: int
    device: torch.device


@contextmanager
def join_world() -> Iterator[World]:
    """Join the processes that ``torchrun`` started together; without it, a world of one.

    Yields
    ------
    World

    Raises
    ------
    InputError
        If there are more processes on this machine than GPUs, and any GPU at all.
    """
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES.items())
    device = torch.device("cpu")
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local + 1} of this machine has no GPU of its own, there are "
                f"{torch.cuda.device_count()}: give that number to torchrun's --nproc-per-node"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size == 1:
        yield World(0, 1, device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield World(rank, size, device)
    finally:
        dist.destroy_process_group()


def train_replicated(
    config: RunConfig,
    shards: Shards,
    world: World,
    *,
    checkpoint_folder: Path,
    checkpoint_seconds: float = 60.0,
    model_path: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> RunRecord:
    """Train one run with all processes of a world; each calls this, with the same arguments.

    The result is that of one process, but for the order in which sums are rounded.

    Parameters
    ----------
    config : RunConfig
    shards : Shards
        The corpus the config names.
    world : World
    checkpoint_folder : pathlib.Path
        Of this run alone, seen by all processes; process 0 writes. A run found there goes on where it was.
    checkpoint_seconds : float
        Time between two states.
    model_path : pathlib.Path, optional
        Where process 0 writes the trained model.
    on_step : callable, optional
        Called in process 0 with the step (from 1) and its training loss in nats per token.

    Returns
    -------
    RunRecord
        In every process.

    Raises
    ------
    InputError
        If the batch cannot be divided, the corpus is another, or processes see different folders.
    DivergedError
        If the loss is no longer finite.
    ReplicaLostError
        If another process is gone.
    """
    if config.batch_size_sequences % world.size:
        raise InputError(
            f"batch_size_sequences is {config.batch_size_sequences}, which {world.size} processes cannot "
            "share evenly: start a number of processes that divides it"
        )
    first = world.rank == 0
    step = _ReplicatedStep(config, world)
    job = train_job(
        (config,),
        shards,
        device=world.device,
        checkpoint_folder=checkpoint_folder,
        checkpoint_seconds=checkpoint_seconds if first else math.inf,
        on_step=on_step if first and on_step is not None else _say_nothing,
        step=step,
    )
    result = next(job)  # and no further, as a job may go back to the trunk of its runs
    if isinstance(result, RunFailure):
        raise DivergedError(result.reason)
    if first and model_path is not None:
        save_model(model_path, step.models[0], config)
    return result


def _say_nothing(step: int, loss: float) -> None:
    """All processes read every loss, as one does that says it, so that all stop at the same step."""


class _ReplicatedStep:
    """The step of one model of which each process sees a part of the batch."""

    kernels = "autograd"

    def __init__(self, config: RunConfig, world: World) -> None:
        replicate = _replicate if world.size > 1 else None
        self._step = DeviceStep(config, world.device, replicate=replicate, n_replicas=world.size)
        self.models = [self._step.model]
        self._world = world
        n_sequences = config.batch_size_sequences // world.size
        self._mine = slice(world.rank * n_sequences, (world.rank + 1) * n_sequences)
        self._begun = False

    def __call__(
        self, rates: Sequence[float | None], batches: Sequence[npt.NDArray[np.int64]]
    ) -> list[Tensor]:
        (rate,), (batch,) = rates, batches
        assert rate is not None
        try:
            if not self._begun:
                self._check_agreement()
                self._begun = True
            loss = self._step(rate, batch[self._mine])
            if self._world.size > 1:
                dist.all_reduce(loss)
                loss /= self._world.size
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self._world.size == 1:
                raise
            raise ReplicaLostError(
                "most likely another process of the run has died; start the same command again and it goes "
                f"on from the last state kept ({str(error).splitlines()[0]})"
            ) from error
        return [loss]

    def _check_agreement(self) -> None:
        """Refuse to go on from states of different steps; weights alone are made equal by torch."""
        n_steps = self._step.state()["embedding.weight.step"]
        least, most = n_steps.clone(), n_steps.clone()
        if self._world.size > 1:
            dist.all_reduce(least, dist.ReduceOp.MIN)
            dist.all_reduce(most, dist.ReduceOp.MAX)
        if least != most:
            raise InputError(
                f"the processes found states from step {least:.0f} to step {most:.0f}: give all of them the "
                "same folder"
            )

    def wait(self) -> None:
        self._step.wait()

    def state(self) -> dict[str, Tensor]:
        return self._step.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        self._step.load(state)


def _replicate(model: Transformer) -> LossFunction:
    device = model.embedding.weight.device
    return DistributedDataParallel(_Loss(model), device_ids=[device] if device.type == "cuda" else None)


class _Loss(nn.Module):
    """A model's loss as the forward pass that ``DistributedDataParallel`` wraps."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return self.model.loss(tokens, targets)
