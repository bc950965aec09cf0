"""The trainer that a sweep is handed: from a folder of shards and a config to a record."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.training.loop import find_device, make_step, side_by_side, train_job, train_run
from chinchilla_lib.training.schedule import schedule_rate

__all__ = ["ShardTrainer", "estimate_seconds"]

_WARMUP_STEPS = 2
_TIMED_STEPS = 5
_NARROW = 32  # widths up to here gain from models side by side
_NARROW_ON_GPU = 256  # expected, not yet measured
_MOST = 4  # side by side: more fall out of the cache


@dataclass(frozen=True)
class ShardTrainer:
    """Trains on the shards of one folder, with one thread per process on the CPU.

    Small models are bound by overhead, not by arithmetic: two processes of one thread each
    finish a sweep well before one process of two threads.

    Attributes
    ----------
    shards_folder : pathlib.Path
    models_folder : pathlib.Path or None
        Where the weights of finished runs are kept, as ``RUN_ID.safetensors``; None to keep none.
    on_gpu : bool
        Whether to group runs for a GPU; found where the trainer is made, so that all workers agree.
    """

    shards_folder: Path
    models_folder: Path | None = None
    on_gpu: bool = field(default_factory=lambda: find_device().type == "cuda")

    def __call__(self, config: RunConfig) -> RunRecord:
        """Train one run; see :func:`chinchilla_lib.training.loop.train_run`."""
        return train_run(config, _shards(self.shards_folder), device=_prepare_device())

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        """Runs of one trunk together; small models side by side.

        On a GPU any models up to width 256, those of about one length together; on a CPU models up to
        width 32 that differ in seed or rate alone, as only they share kernels.
        """
        groups: dict[object, list[RunConfig]] = {}
        narrow = _NARROW_ON_GPU if self.on_gpu else _NARROW
        for config in sorted(configs, key=lambda config: -config.n_steps) if self.on_gpu else configs:
            key: object = config.trunk or config.run_id
            if config.trunk is None and config.shape.d_model <= narrow:
                key = None if self.on_gpu else side_by_side(config)
            groups.setdefault(key, []).append(config)
        return [
            tuple(together[i : i + size])
            for together in groups.values()
            for size in [len(together) if together[0].trunk else _MOST]
            for i in range(0, len(together), size)
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
            models_folder=self.models_folder,
        )

    def estimate_seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        """What runs would take alone here; see :func:`estimate_seconds`."""
        return estimate_seconds(configs)


def estimate_seconds(configs: Sequence[RunConfig]) -> list[float]:
    """Seconds that runs would take alone on this machine, from a few timed steps of each on random tokens.

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
        return [_time_steps(config, device) * config.n_steps for config in configs]
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


def _time_steps(config: RunConfig, device: torch.device) -> float:
    step = make_step([config], device)
    rng = np.random.default_rng(0)
    seconds = []
    for i in range(_WARMUP_STEPS + _TIMED_STEPS):
        size = config.batch_size_sequences, config.shape.seq_len + 1
        batch = rng.integers(config.shape.vocab_size, size=size)
        started = time.perf_counter()
        losses = step([schedule_rate(config, i)], [batch])
        step.wait()
        float(losses[0])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARMUP_STEPS:])
