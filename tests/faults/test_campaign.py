"""The long campaign (``make test-faults``): whatever happens, the tables are those of the undisturbed sweep.

The faults that can be brought about in a moment are tested beside the modules they meet; here are those that
need processes to kill, real training, or many runs.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import SweepError, run_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.tiers import TIERS
from tests.sweeps.killable import TINY, SleepyTrainer, logged, tables, tiny_plan
from tests.test_laws import PUBLISHED
from tests.tiny_corpus import write_tiny_shards

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
PLAN = tiny_plan()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Tables of the sweep of sleepy runs when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(PLAN, SleepyTrainer(folder / "log", 0), folder / "s", n_workers=0)
    return tables(folder / "s")


def start(folder: Path, seconds: float, shard: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.sweeps.killable", folder / "s", folder / "log", str(seconds)]
    return subprocess.Popen([*command, *([shard] if shard else [])], cwd=ROOT, start_new_session=True)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def finished(folder: Path) -> int:
    return len(SweepFolder(folder / "s").finished())


def workers_of(runner: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text().split()
    return [pid for pid in map(int, children) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_runner_killed_again_and_again(
    tmp_path: Path, kill: signal.Signals, undisturbed: tuple[bytes, bytes]
) -> None:
    records = SweepFolder(tmp_path / "s")
    for target in (1, 3):
        runner = start(tmp_path, 0.4)
        wait_until(lambda n=target: finished(tmp_path) >= n)  # type: ignore[misc]
        runner.send_signal(kill)
        assert runner.wait(30) != 0
        kept = records.finished()
        time.sleep(1.5)  # orphaned workers notice within half a second and stop
        at_rest = len(logged(tmp_path))
        assert kept == records.finished() and len(kept) < 6
    assert start(tmp_path, 0.0).wait(60) == 0
    redone = logged(tmp_path)[at_rest:]
    assert sorted(redone) == sorted(set(PLAN.run_ids) - kept)
    assert tables(tmp_path / "s") == undisturbed


def test_workers_killed_at_random(tmp_path: Path, undisturbed: tuple[bytes, bytes]) -> None:
    runner = start(tmp_path, 0.5)
    chance = random.Random(0)
    for _ in range(4):
        wait_until(lambda: len(workers_of(runner)) > 0)
        time.sleep(chance.random())
        for pid in workers_of(runner)[:1]:
            os.kill(pid, signal.SIGKILL)
    assert runner.wait(120) == 0
    assert tables(tmp_path / "s") == undisturbed


def test_shards_of_which_one_is_killed(tmp_path: Path, undisturbed: tuple[bytes, bytes]) -> None:
    first, second = start(tmp_path, 0.4, "1/2"), start(tmp_path, 0.4, "2/2")
    wait_until(lambda: finished(tmp_path) >= 2)
    first.kill()
    first.wait()
    assert second.wait(60) == 0
    assert start(tmp_path, 0.0, "1/2").wait(60) == 0
    assert tables(tmp_path / "s") == undisturbed


def test_every_pair_of_runners_on_one_folder(tmp_path: Path) -> None:
    for number, (first, second) in enumerate(itertools.product(("", "1/2"), ("", "1/2", "2/3"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        runner = start(folder, 5.0, first)
        wait_until(lambda f=folder: (f / "s" / "plan.json").exists())  # type: ignore[misc]
        assert start(folder, 0.0, second).wait(60) == 1
        runner.kill()
        runner.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mounts")
    try:
        train = partial(simulate_run, law=PUBLISHED)
        with pytest.raises(SweepError, match=r"No space left on device.*finished runs are kept"):
            run_sweep(PLAN, train, disk / "s", n_workers=0)
        kept = SweepFolder(disk / "s").finished()
        assert 1 <= len(kept) < 6
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        run_sweep(PLAN, train, disk / "s", n_workers=0)
        assert len(SweepFolder(disk / "s").load_records()) == 6
        run_sweep(PLAN, train, tmp_path / "undisturbed", n_workers=0)
        assert tables(disk / "s") == tables(tmp_path / "undisturbed")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_damaged_record_is_done_again_once_it_is_removed(
    tmp_path: Path, undisturbed: tuple[bytes, bytes]
) -> None:
    train = SleepyTrainer(tmp_path / "log", 0)
    run_sweep(PLAN, train, tmp_path / "s", n_workers=0)
    chance = random.Random(1)
    for run_id in PLAN.run_ids:
        path = tmp_path / "s" / "records" / f"{run_id}.json"
        whole = path.read_bytes()
        path.write_bytes(whole[: chance.randrange(len(whole) - 1)])
        with pytest.raises(InputError, match=rf"{path.name}: damaged record"):
            run_sweep(PLAN, train, tmp_path / "s", n_workers=0)
        path.unlink()
    run_sweep(PLAN, train, tmp_path / "s", n_workers=0)
    assert tables(tmp_path / "s") == undisturbed


def test_ten_thousand_runs(tmp_path: Path) -> None:
    widths = tuple(range(8, 88, 4))
    budgets = [1e11, 1.1e11, 1.2e11, 1.3e11, 1.4e11]
    tier = replace(TIERS["ci"], widths=dict.fromkeys(budgets, widths))
    plan = plan_isoflop_sweep(tier, corpus="none", seeds=range(100))
    assert len(plan.configs) == 10_000
    started = time.monotonic()
    run_sweep(plan, partial(simulate_run, law=PUBLISHED, noise=0.01), tmp_path, n_workers=0)
    assert time.monotonic() - started < 300
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 10_001


def trained(tmp_path: Path, name: str, shards: Path, plan: SweepPlan) -> subprocess.Popen[bytes]:
    """A sweep with the real trainer, in a process of its own."""
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(plan.to_dict()))
    options = ["--plan", str(file), "--corpus-dir", str(shards), "--out", str(tmp_path / name)]
    command = [sys.executable, "-m", "chinchilla_lib", "sweep", "run", *options]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def test_a_killed_sweep_of_real_training(tmp_path: Path) -> None:
    shards = write_tiny_shards(tmp_path / "shards")
    tier = replace(TINY, schedule="wsd", horizons=(0.5, 1.0), corpus="invented")
    plan = plan_isoflop_sweep(tier, corpus=shards.identity)
    assert trained(tmp_path, "undisturbed", shards.folder, plan).wait(300) == 0
    for target in (1, 5):
        runner = trained(tmp_path, "s", shards.folder, plan)
        wait_until(lambda n=target: finished(tmp_path) >= n)  # type: ignore[misc]
        os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    assert trained(tmp_path, "s", shards.folder, plan).wait(300) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


def test_damaged_shards_stop_a_sweep_before_it_begins(tmp_path: Path) -> None:
    shards = write_tiny_shards(tmp_path / "shards")
    plan = plan_isoflop_sweep(TINY, corpus=shards.identity)
    file = max(shards.folder.rglob("*.bin"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match=file.name):
        open_shards(shards.folder)
    assert trained(tmp_path, "s", shards.folder, plan).wait(120) == 2
    assert not (tmp_path / "s").exists()
