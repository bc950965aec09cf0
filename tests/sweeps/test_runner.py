import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.runner import Progress, SweepError, load_records, run_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.sweeps.killable import SleepyTrainer, tiny_plan

ROOT = Path(__file__).resolve().parents[2]
PLAN = tiny_plan()
IDS = [config.run_id for config in PLAN.configs]


def tables(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "runs.csv").read_bytes(), (folder / "curves.csv").read_bytes()


@pytest.mark.parametrize("n_workers", [0, 1, 2])
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
    run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "t", n_workers=0)
    assert tables(tmp_path / "s") == tables(tmp_path / "t")
    timings = (tmp_path / "s" / "timings.csv").read_text().splitlines()
    assert timings[0].startswith("run_id,seconds") and len(timings) == 7


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    trainer = SleepyTrainer(tmp_path / "log", 0)
    first = run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0)
    before = tables(tmp_path / "s")
    assert run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0) == first
    assert (tmp_path / "log").read_text().split() == sorted(IDS, key=(tmp_path / "log").read_text().index)
    assert len((tmp_path / "log").read_text().split()) == 6
    assert tables(tmp_path / "s") == before


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.sweeps.killable", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def count_records(folder: Path) -> int:
    return len(list((folder / "records").glob("*.json")))


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_sweep_loses_nothing_and_repeats_nothing(tmp_path: Path, kill: signal.Signals) -> None:
    folder, log = tmp_path / "s", tmp_path / "log"
    runner = start(folder, log, 0.4)
    wait_until(lambda: count_records(folder) >= 2)
    runner.send_signal(kill)
    assert runner.wait(30) != 0
    kept = {path.stem for path in (folder / "records").glob("*.json")}
    assert 2 <= len(kept) < 6
    time.sleep(1.5)  # orphaned workers notice within half a second and stop
    at_rest = log.read_text().split()
    assert start(folder, log, 0.0).wait(60) == 0
    redone = log.read_text().split()[len(at_rest) :]
    assert set(redone) == set(IDS) - kept
    assert len(redone) == len(set(redone))
    run_sweep(PLAN, SleepyTrainer(tmp_path / "other-log", 0), tmp_path / "undisturbed", n_workers=0)
    assert tables(folder) == tables(tmp_path / "undisturbed")


def test_a_killed_training_sweep_ends_in_the_undisturbed_tables(tmp_path: Path, shards: Shards) -> None:
    runner = start(tmp_path / "s", "-", 0, shards.folder)
    wait_until(lambda: count_records(tmp_path / "s") >= 1, 120)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait(30)
    assert 1 <= count_records(tmp_path / "s") < 6
    assert start(tmp_path / "s", "-", 0, shards.folder).wait(240) == 0
    assert start(tmp_path / "undisturbed", "-", 0, shards.folder).wait(240) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


@dataclass(frozen=True)
class Faulty:
    """Fails or dies on some runs."""

    marks: Path
    bad: tuple[str, ...]
    how: str

    def __call__(self, config: RunConfig) -> RunRecord:
        if config.run_id in self.bad:
            tried = self.marks / config.run_id
            if self.how == "raise":
                raise RuntimeError("a loss of nan")
            if self.how == "die always" or not tried.exists():
                tried.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return SleepyTrainer(self.marks / "log", 0)(config)


def test_a_worker_that_dies_is_replaced_and_its_run_tried_again(tmp_path: Path) -> None:
    records = run_sweep(PLAN, Faulty(tmp_path, (IDS[0], IDS[3]), "die once"), tmp_path / "s")
    assert [record.config.run_id for record in records] == IDS
    assert sorted((tmp_path / "log").read_text().split()) == sorted(IDS)


@pytest.mark.parametrize(
    ("how", "reason"), [("raise", "RuntimeError: a loss of nan"), ("die always", "died")]
)
def test_a_run_that_keeps_failing_is_named_and_the_others_kept(tmp_path: Path, how: str, reason: str) -> None:
    with pytest.raises(SweepError, match=rf"1 of 6 runs failed.*{IDS[2]}: .*{reason}"):
        run_sweep(PLAN, Faulty(tmp_path, (IDS[2],), how), tmp_path / "s", n_workers=1)
    assert list(SweepTable.from_csv(tmp_path / "s" / "runs.csv").run_id) == IDS[:2] + IDS[3:]
    healed = run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=0)
    assert len(healed) == 6
    assert len((tmp_path / "log").read_text().split()) == 6


@pytest.mark.parametrize("harm", ["truncate", "alter", "empty"])
def test_a_damaged_record_is_named(tmp_path: Path, harm: str) -> None:
    run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=0)
    path = tmp_path / "s" / "records" / f"{IDS[0]}.json"
    text = path.read_text()
    if harm == "alter":
        data = json.loads(text)
        data["record"]["loss"] += 0.01
        text = json.dumps(data)
    path.write_text({"truncate": text[:-9], "alter": text, "empty": ""}[harm])
    with pytest.raises(InputError, match=rf"{IDS[0]}\.json: damaged record"):
        load_records(tmp_path / "s")


def test_a_folder_belongs_to_one_plan_and_one_runner(tmp_path: Path) -> None:
    trainer = SleepyTrainer(tmp_path / "log", 0)
    run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0)
    other = SweepPlan("other", tuple(replace(config, seed=9) for config in PLAN.configs))
    with pytest.raises(InputError, match="holds another sweep"):
        run_sweep(other, trainer, tmp_path / "s", n_workers=0)
    (tmp_path / "s" / "plan.json").write_text("{")
    with pytest.raises(InputError, match=r"plan\.json: damaged"):
        run_sweep(PLAN, trainer, tmp_path / "s", n_workers=0)
    runner = start(tmp_path / "t", tmp_path / "log", 5.0)
    wait_until(lambda: (tmp_path / "t" / "plan.json").exists())
    with pytest.raises(InputError, match="in use by another runner"):
        run_sweep(PLAN, trainer, tmp_path / "t", n_workers=0)
    runner.kill()
    runner.wait()
    run_sweep(PLAN, trainer, tmp_path / "t", n_workers=0)


def test_the_estimate_orders_the_runs_and_is_corrected_by_what_they_took(tmp_path: Path) -> None:
    seen: list[Progress] = []
    expected = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    run_sweep(
        PLAN,
        SleepyTrainer(tmp_path / "log", 0.05),
        tmp_path / "s",
        n_workers=0,
        expected_seconds=expected,
        on_progress=seen.append,
    )
    assert (tmp_path / "log").read_text().split() == IDS[::-1]
    assert seen[0].seconds_left == 21
    assert seen[1].seconds_left == pytest.approx(15 * seen[1].record.seconds / 6)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="n_workers is -1"):
        run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=-1)
