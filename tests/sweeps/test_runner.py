import errno
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.locks import Shard, hold_folder
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.runner import Progress, SweepError, run_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.table import SweepTable
from tests.sweeps.killable import Faulty, SleepyTrainer, Stacked, logged, tables, tiny_plan

PLAN = tiny_plan()
IDS = list(PLAN.run_ids)
LAW = ParametricLoss(E=1.7, A=400.0, B=400.0, alpha=0.35, beta=0.35)
SIMULATE = partial(simulate_run, law=LAW, noise=0.01)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Tables of the simulated sweep when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(PLAN, SIMULATE, folder, n_workers=0)
    return tables(folder)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_plan_becomes_tables_in_its_own_order(tmp_path: Path, n_workers: int) -> None:
    seen: list[Progress] = []
    records = run_sweep(
        PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=n_workers, on_progress=seen.append
    )
    assert [record.config.run_id for record in records] == IDS
    table = SweepTable.from_csv(tmp_path / "s" / "runs.csv")
    assert list(table.run_id) == IDS
    assert table.flops_convention == "matmul"
    assert [progress.n_done for progress in seen] == list(range(7))
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0
    timings = (tmp_path / "s" / "timings.csv").read_text().splitlines()
    assert timings[0].startswith("run_id,seconds") and len(timings) == 7


def test_a_second_call_does_nothing_and_prices_nothing(tmp_path: Path) -> None:
    trainer = SleepyTrainer(tmp_path / "log", 0)
    first = run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0)
    before = tables(tmp_path / "s")

    def never(configs: object) -> list[float]:
        raise AssertionError("nothing is left to be timed")

    again = run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0, estimate_seconds=never)
    assert again == first
    assert sorted(logged(tmp_path)) == sorted(IDS)
    assert tables(tmp_path / "s") == before


def test_a_failing_run_is_named_and_the_others_kept(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=rf"1 of 6 runs failed.*{IDS[2]}: RuntimeError: out of luck"):
        run_sweep(PLAN, Faulty(tmp_path, (IDS[2],), "raise"), tmp_path / "s", n_workers=0)
    assert list(SweepTable.from_csv(tmp_path / "s" / "runs.csv").run_id) == IDS[:2] + IDS[3:]
    healed = run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=0)
    assert len(healed) == 6


@pytest.mark.fault_selection
@pytest.mark.parametrize(("how", "reason"), [("diverge", "nan at step 3"), ("nan", "loss is nan")])
def test_a_diverged_run_stays_in_quarantine_until_asked_for(tmp_path: Path, how: str, reason: str) -> None:
    bad = Faulty(tmp_path, (IDS[2],), how)
    seen: list[Progress] = []
    records = run_sweep(PLAN, bad, tmp_path / "s", n_workers=0, on_progress=seen.append)
    assert [record.config.run_id for record in records] == IDS[:2] + IDS[3:]
    assert [p.result.config.run_id for p in seen if isinstance(p.result, RunFailure)] == [IDS[2]]
    [failure] = SweepFolder(tmp_path / "s").load_quarantine()
    assert failure.config == PLAN.configs[2] and failure.kind == "diverged" and reason in failure.reason
    tried = len(logged(tmp_path))
    run_sweep(PLAN, bad, tmp_path / "s", n_workers=0)
    assert len(logged(tmp_path)) == tried
    healthy = SleepyTrainer(tmp_path / "log", 0)
    assert len(run_sweep(PLAN, healthy, tmp_path / "s", n_workers=0, retry_quarantined=True)) == 6
    assert logged(tmp_path)[tried:] == [IDS[2]]
    assert SweepFolder(tmp_path / "s").load_quarantine() == []


def test_a_sweep_without_any_finished_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="all of the 6 runs tried diverged"):
        run_sweep(PLAN, Faulty(tmp_path, tuple(IDS), "diverge"), tmp_path / "s", n_workers=0)


def test_jobs_keep_their_checkpoints_until_they_are_done(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Interrupted(Stacked):
        def train(
            self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
        ) -> Iterator[RunRecord | RunFailure]:
            results = super().train(job, checkpoint_folder)
            yield next(results)
            raise RuntimeError("out of luck")

    with pytest.raises(SweepError, match="4 of 6 runs failed"):
        run_sweep(PLAN, Interrupted(tmp_path), tmp_path / "s", n_workers=0)
    left = list((tmp_path / "s" / "checkpoints").iterdir())
    assert len(left) == 2 and all((folder / "state").exists() for folder in left)
    run_sweep(PLAN, Stacked(tmp_path), tmp_path / "s", n_workers=0)
    assert list((tmp_path / "s" / "checkpoints").iterdir()) == []
    assert sorted(logged(tmp_path)) == sorted(IDS), "a finished run of a job is not done again"


def test_a_folder_belongs_to_one_plan_and_one_runner(tmp_path: Path) -> None:
    run_sweep(PLAN, SIMULATE, tmp_path / "s", n_workers=0)
    other = SweepPlan("other", tuple(replace(config, seed=9) for config in PLAN.configs))
    with pytest.raises(InputError, match="holds another sweep"):
        run_sweep(other, SIMULATE, tmp_path / "s", n_workers=0)
    with hold_folder(tmp_path / "s"), pytest.raises(InputError, match="in use by another runner"):
        run_sweep(PLAN, SIMULATE, tmp_path / "s", n_workers=0)
    (tmp_path / "s" / "plan.json").write_text("{")
    with pytest.raises(InputError, match=r"plan\.json: damaged"):
        run_sweep(PLAN, SIMULATE, tmp_path / "s", n_workers=0)


def test_the_estimate_orders_the_runs_and_is_corrected_by_what_they_took(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run_sweep(
        PLAN,
        SleepyTrainer(tmp_path / "log", 0.05),
        tmp_path / "s",
        n_workers=0,
        estimate_seconds=lambda configs: [IDS.index(config.run_id) + 1.0 for config in configs],
        on_progress=seen.append,
    )
    assert logged(tmp_path) == IDS[::-1]
    assert seen[0].seconds_left == 21
    assert seen[1].seconds_left == pytest.approx(15 * 0.05 / 6)
    with pytest.raises(InputError, match="n_workers is -1"):
        run_sweep(PLAN, SIMULATE, tmp_path / "s", n_workers=-1)


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2]])
def test_shards_together_make_the_undisturbed_tables(
    tmp_path: Path, order: list[int], undisturbed: tuple[bytes, bytes]
) -> None:
    parts = [run_sweep(PLAN, SIMULATE, tmp_path, n_workers=0, shard=Shard(i, 3)) for i in order]
    assert [len(records) for records in parts] == [2, 4, 6], "each returns what the folder holds by then"
    assert tables(tmp_path) == undisturbed


@pytest.mark.fault_selection
def test_a_full_disk_loses_no_finished_run(
    tmp_path: Path, undisturbed: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish_two(progress: Progress) -> None:
        if progress.n_done == 2:
            monkeypatch.setattr(os, "fsync", refuse)

    def refuse(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SweepError, match=r"No space left on device.*2 finished runs are kept\. Free some"):
        run_sweep(PLAN, SIMULATE, tmp_path, n_workers=0, on_progress=finish_two)
    assert len(SweepFolder(tmp_path).load_records()) == 2
    assert not list(tmp_path.rglob("*.partial"))
    monkeypatch.undo()
    run_sweep(PLAN, SIMULATE, tmp_path, n_workers=0)
    assert tables(tmp_path) == undisturbed


def test_tables_are_not_written_anew_after_every_run(
    tmp_path: Path, undisturbed: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = 0.0, 0

    def write(self: SweepFolder, *arguments: object) -> None:
        nonlocal now, written
        now, written = now + 10, written + 1
        slow(self, *arguments)  # type: ignore[arg-type]

    def train(config: RunConfig) -> RunRecord:
        nonlocal now
        now += 50
        return SIMULATE(config)

    slow = SweepFolder.write_tables
    monkeypatch.setattr(SweepFolder, "write_tables", write)
    monkeypatch.setattr("chinchilla_lib.sweeps.runner.time.monotonic", lambda: now)
    run_sweep(PLAN, train, tmp_path, n_workers=0)
    # 10 s each, so once in 200 s: at the start, after the fourth run and at the end.
    assert written == 3
    assert tables(tmp_path) == undisturbed


@pytest.mark.fault_selection
def test_the_clock_may_be_set_during_a_sweep(
    tmp_path: Path, undisturbed: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def jump(progress: Progress) -> None:
        if progress.n_done == 3:
            monkeypatch.setattr("time.time", lambda: -math.pi * 1e7)
            for path in tmp_path.rglob("*.json"):
                os.utime(path, (4e9, 4e9))

    run_sweep(PLAN, SIMULATE, tmp_path, n_workers=0, on_progress=jump)
    assert tables(tmp_path) == undisturbed
