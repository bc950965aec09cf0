"""The trainer that a sweep is handed: from a folder of shards and a config to a record."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.loop import TrainingStep, find_device, train_run

__all__ = ["ShardTrainer"]

_WARMUP_STEPS = 2
_TIMED_STEPS = 5


@dataclass(frozen=True)
class ShardTrainer:
    """Trains on the shards of one folder, with one thread per process on the CPU.

    Small models are bound by overhead, not by arithmetic: two processes of one thread each
    finish a sweep well before one process of two threads.

    Attributes
    ----------
    shards_folder : pathlib.Path
    """

    shards_folder: Path

    def __call__(self, config: RunConfig) -> RunRecord:
        """Train one run; see :func:`chinchilla_lib.training.loop.train_run`."""
        device = find_device()
        if device.type == "cpu":
            torch.set_num_threads(1)
        return train_run(config, _shards(self.shards_folder), device=device)

    def estimate_seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        """Seconds each run would take here, from a few timed steps of each.

        Parameters
        ----------
        configs : sequence of RunConfig

        Returns
        -------
        list of float
            In the order given; held-out evaluation, a few per cent, is left out.
        """
        device = find_device()
        threads = torch.get_num_threads()
        if device.type == "cpu":
            torch.set_num_threads(1)
        try:
            return [_time_steps(c, _shards(self.shards_folder), device) * c.n_steps for c in configs]
        finally:
            torch.set_num_threads(threads)


@cache
def _shards(folder: Path) -> Shards:
    return open_shards(folder)


def _time_steps(config: RunConfig, shards: Shards, device: torch.device) -> float:
    step = TrainingStep(config, device)
    batches = training_batches(
        shards.train,
        seq_len=config.shape.seq_len,
        batch_size_sequences=config.batch_size_sequences,
        n_steps=_WARMUP_STEPS + _TIMED_STEPS,
        seed=config.seed,
    )
    seconds = []
    for i, batch in enumerate(batches):
        started = time.perf_counter()
        step(i, batch)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARMUP_STEPS:])
