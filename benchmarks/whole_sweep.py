"""A whole sweep: our way against training the same runs one after another, nanoGPT's way.

Both are estimated from a few timed steps of every planned run, times its steps. Start-up and held-out
evaluation are left out on both sides.
"""

import heapq
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from benchmarks.contestants import Contestant, theirs, training
from benchmarks.peers import MakePeer
from benchmarks.timing import Spread, ratio, spread
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.jobs import group_jobs
from chinchilla_lib.training.loop import make_step
from chinchilla_lib.training.trainer import ShardTrainer

__all__ = ["SweepRatio", "compare_sweeps", "wall_seconds"]

_PROCESSES: Final = 2
_WARMUP_STEPS: Final = 2
_TIMED_STEPS: Final = 5


@dataclass(frozen=True, kw_only=True)
class SweepRatio:
    """A sweep's wall time in two ways.

    Attributes
    ----------
    peer : str
    peer_threads, n_runs : int
    ours_seconds, peer_seconds, ratio : Spread
        The ratio is theirs over ours.
    """

    peer: str
    peer_threads: int
    n_runs: int
    ours_seconds: Spread
    peer_seconds: Spread
    ratio: Spread


def compare_sweeps(
    configs: Sequence[RunConfig],
    peers: Mapping[str, MakePeer],
    *,
    n_rounds: int,
) -> list[SweepRatio]:
    """Time of all runs, in two processes of one thread each, against one after another.

    Ours are the jobs of ``sweep run``, the longest first. A peer's runs have the same widths, depths and
    batches; they are eager, with two threads and with one, as these models are too small to gain much from
    two and lose most by them on a busy machine.

    Parameters
    ----------
    configs : sequence of RunConfig
    peers : mapping
        Models by name, from a shape.
    n_rounds : int
    """
    jobs = [job.configs for job in group_jobs(ShardTrainer(Path()), configs)]
    threads = torch.get_num_threads()
    our_seconds: list[float] = []
    peer_seconds: dict[tuple[str, int], list[float]] = {
        (name, n_threads): [] for name in peers for n_threads in (2, 1)
    }
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_PROCESSES, context, torch.set_num_threads, (1,)) as pool:
            for _ in range(n_rounds):
                # Each process times every job, in opposite orders: so both are busy throughout.
                forth, back = pool.map(_time_jobs, (jobs, jobs[::-1]))
                each = [(a + b) / 2 for a, b in zip(forth, reversed(back), strict=True)]
                our_seconds.append(wall_seconds(each, _PROCESSES))
                for (name, n_threads), found in peer_seconds.items():
                    torch.set_num_threads(n_threads)
                    found.append(sum(_time_peer(name, peers[name], config) for config in configs))
    finally:
        torch.set_num_threads(threads)
    return [
        SweepRatio(
            peer=name,
            peer_threads=n_threads,
            n_runs=len(configs),
            ours_seconds=spread(our_seconds),
            peer_seconds=spread(found),
            ratio=ratio(found, our_seconds),
        )
        for (name, n_threads), found in peer_seconds.items()
    ]


def wall_seconds(jobs: Sequence[float], n_workers: int) -> float:
    """Time until workers have done jobs of given lengths, each taking the next as it gets free."""
    free_at = [0.0] * n_workers
    for seconds in jobs:
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


def _time_jobs(jobs: Sequence[tuple[RunConfig, ...]]) -> list[float]:
    return [_time_job(job) for job in jobs]


def _time_job(job: tuple[RunConfig, ...]) -> float:
    """Runs from one trunk are one model; others stand side by side."""
    longest = max(job, key=lambda config: config.n_steps)
    if longest.trunk is None:
        configs, n_steps = list(job), longest.n_steps
    else:
        configs = [longest]
        n_steps = longest.n_steps - longest.cooldown_steps + sum(c.cooldown_steps for c in job)
    step = make_step(configs, torch.device("cpu"))
    return n_steps * _step_seconds(training("ours", configs, step))


def _time_peer(name: str, make_peer: MakePeer, config: RunConfig) -> float:
    contestant = theirs(name, make_peer(config.shape), config, compiled=False)
    return config.n_steps * _step_seconds(contestant)


def _step_seconds(contestant: Contestant) -> float:
    seconds = []
    for _ in range(_WARMUP_STEPS + _TIMED_STEPS):
        started = time.perf_counter()
        contestant.step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARMUP_STEPS:])
