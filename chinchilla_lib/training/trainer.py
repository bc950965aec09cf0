"""The trainer that a sweep is handed: from a folder of shards and a config to a record."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.loop import find_device, make_step, side_by_side, train_job, train_run
from chinchilla_lib.training.schedule import schedule_rate

__all__ = ["ShardTrainer"]

_WARMUP_STEPS = 2
_TIMED_STEPS = 5
_NARROW = 32  # widths up to here gain from models side by side
_MOST = 4  # side by side: more fall out of the cache


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
        return train_run(config, _shards(self.shards_folder), device=_prepare_device())

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        """Runs of one trunk together; the smallest models side by side where they differ in seed or rate."""
        groups: dict[object, list[RunConfig]] = {}
        for config in configs:
            narrow = config.trunk is None and config.shape.d_model <= _NARROW
            alike = side_by_side(config) if narrow else config.run_id
            groups.setdefault(config.trunk or alike, []).append(config)
        return [
            tuple(together[i : i + (len(together) if together[0].trunk else _MOST)])
            for together in groups.values()
            for i in range(0, len(together), len(together) if together[0].trunk else _MOST)
        ]

    def train(
        self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
    ) -> Iterator[RunRecord | RunFailure]:
        """Train a job; see :func:`chinchilla_lib.training.loop.train_job`."""
        return train_job(
            job,
            _shards(self.shards_folder),
            device=_prepare_device(),
            checkpoint_folder=checkpoint_folder,
        )

    def estimate_seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        """Seconds each run would take alone here, from a few timed steps of each.

        Parameters
        ----------
        configs : sequence of RunConfig

        Returns
        -------
        list of float
            In the order given; held-out evaluation, a few per cent, is left out.
        """
        threads = torch.get_num_threads()
        device = _prepare_device()
        try:
            return [_time_steps(c, _shards(self.shards_folder), device) * c.n_steps for c in configs]
        finally:
            torch.set_num_threads(threads)


def _prepare_device() -> torch.device:
    device = find_device()
    if device.type == "cpu":
        torch.set_num_threads(1)
    return device


@cache
def _shards(folder: Path) -> Shards:
    return open_shards(folder)


def _time_steps(config: RunConfig, shards: Shards, device: torch.device) -> float:
    step = make_step([config], device)
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
        losses = step([schedule_rate(config, i)], [batch])
        step.wait()
        float(losses[0])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARMUP_STEPS:])
