from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.errors import DivergedError
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.jobs import (
    Job,
    JobTrainer,
    SingleRuns,
    group_jobs,
    select_shard,
    train_job,
)
from chinchilla_lib.sweeps.locks import Shard
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from tests.sweeps.killable import TINY, SleepyTrainer, Stacked, tiny_plan

PLAN = tiny_plan()


def test_what_groups_and_trains_is_a_job_trainer(tmp_path: Path) -> None:
    assert isinstance(Stacked(tmp_path), JobTrainer)
    assert not isinstance(SleepyTrainer(tmp_path, 0), JobTrainer)
    assert isinstance(SingleRuns(SleepyTrainer(tmp_path, 0)), JobTrainer)


def test_every_run_is_in_one_job_whose_name_stays_when_runs_end(tmp_path: Path) -> None:
    jobs = group_jobs(Stacked(tmp_path), PLAN.configs)
    assert [job.flops for job in jobs] == sorted((job.flops for job in jobs), reverse=True)
    assert sorted(c.run_id for job in jobs for c in job.configs) == sorted(PLAN.run_ids)
    assert len({job.name for job in jobs}) == 2
    rest = jobs[0].without({jobs[0].configs[1].run_id})
    assert rest.name == jobs[0].name
    assert rest.configs == (jobs[0].configs[0], jobs[0].configs[2])


def test_a_shared_trunk_costs_once() -> None:
    tier = replace(TINY, widths={1e9: (16,)}, schedule="wsd", horizons=(0.25, 0.5, 1.0))
    short, middle, whole = plan_isoflop_sweep(tier, corpus="none").configs
    assert short.trunk == middle.trunk == whole.trunk
    cooldowns = sum(c.flops * c.cooldown_steps / c.n_steps for c in (short, middle))
    assert Job((short, middle, whole), "job").flops == pytest.approx(whole.flops + cooldowns)


@settings(max_examples=30)
@given(st.lists(st.floats(1, 100), min_size=1, max_size=40), st.integers(1, 8))
def test_shards_divide_the_jobs_evenly(weights: list[float], count: int) -> None:
    jobs = []
    for number, weight in enumerate(sorted(weights, reverse=True)):
        job = Job((), str(number))
        job.__dict__["flops"] = weight
        jobs.append(job)
    parts = [select_shard(jobs, Shard(index, count)) for index in range(1, count + 1)]
    names = [job.name for part in parts for job in part]
    assert sorted(names) == sorted(job.name for job in jobs)
    loads = [sum(job.flops for job in part) for part in parts]
    # Graham's bound for the longest first: 4/3 - 1/(3n) of the optimum, which no part can beat below these.
    least = max(sum(weights) / count, max(weights))
    if len(weights) > count:
        least = max(least, 2 * sorted(weights, reverse=True)[count])
    assert max(loads) <= (4 / 3 - 1 / (3 * count)) * least * 1.5
    assert max(loads) - min(loads) <= max(weights) + 1e-9


class Careless:
    """A trainer with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def group(self, configs: object) -> list[tuple[RunConfig, ...]]:
        return [PLAN.configs]

    def train(self, job: tuple[RunConfig, ...], folder: Path | None) -> Iterator[RunRecord | RunFailure]:
        yield RunFailure(job[0], "bad luck", "diverged")
        if self.fault == "stranger":
            yield RunFailure(replace(job[0], seed=77), "bad luck", "diverged")
        if self.fault == "raise":
            raise DivergedError("some loss is nan")
        if self.fault == "memory":
            raise MemoryError


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("stop", "ended without"), ("stranger", "KeyError"), ("raise", "some loss"), ("memory", "MemoryError")],
)
def test_every_run_of_a_job_ends_once_whatever_its_trainer_does(fault: str, reason: str) -> None:
    trainer = Careless(fault)
    [job] = group_jobs(trainer, PLAN.configs)
    first, *others = train_job(trainer, job)
    assert first == RunFailure(job.configs[0], "bad luck", "diverged")
    assert [result.config for result in others] == list(job.configs[1:])
    for other in others:
        assert isinstance(other, RunFailure) and other.kind == "error" and reason in other.reason
