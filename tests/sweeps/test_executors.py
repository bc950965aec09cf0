from pathlib import Path

import pytest

from chinchilla_lib.runs import RunFailure
from chinchilla_lib.sweeps.executors import Processes
from chinchilla_lib.sweeps.jobs import Job, SingleRuns
from chinchilla_lib.sweeps.runner import run_sweep
from tests.sweeps.killable import Faulty, SleepyTrainer, Stacked, logged, tables, tiny_plan

PLAN = tiny_plan()
IDS = list(PLAN.run_ids)


@pytest.mark.fault_selection
def test_a_worker_that_dies_loses_only_what_its_job_had_left(tmp_path: Path) -> None:
    records = run_sweep(PLAN, Stacked(tmp_path, dies=True), tmp_path / "s")
    assert [record.config.run_id for record in records] == IDS
    assert sorted(logged(tmp_path)) == sorted(IDS), "each run is trained once"
    run_sweep(PLAN, Stacked(tmp_path / "s"), tmp_path / "undisturbed", n_workers=0)
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


def test_a_run_that_always_kills_its_worker_is_given_up_and_the_others_done(tmp_path: Path) -> None:
    jobs = [Job((config,), config.run_id) for config in PLAN.configs]
    results = list(Processes(1)(SingleRuns(Faulty(tmp_path, (IDS[1],), "die always")), jobs))
    assert [result.config.run_id for result in results] == IDS
    [failure] = [result for result in results if isinstance(result, RunFailure)]
    assert (failure.config.run_id, failure.kind) == (IDS[1], "error")
    assert "its worker died (exit code -9), 3 times" in failure.reason
    assert logged(tmp_path).count(IDS[1]) == 3


def test_closing_ends_the_workers_at_once(tmp_path: Path) -> None:
    jobs = [Job((config,), config.run_id) for config in PLAN.configs]
    results = Processes(1)(SingleRuns(SleepyTrainer(tmp_path / "log", 0.3)), jobs)
    next(results)
    results.close()
    assert logged(tmp_path) == IDS[:1]


@pytest.mark.parametrize("n_workers", [0, -2])
def test_there_must_be_a_worker(n_workers: int) -> None:
    with pytest.raises(ValueError, match=f"n_workers is {n_workers}; give 1 or more"):
        Processes(n_workers)
