from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.locks import Runner, Shard, hold_folder
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import Progress, run_sweep
from chinchilla_lib.sweeps.status import read_status, rebuild_tables, runs_left
from tests.sweeps.killable import TINY, Faulty, SleepyTrainer, tables, tiny_plan

PLAN = tiny_plan()


def test_a_sweep_under_way_is_seen_from_its_folder(tmp_path: Path) -> None:
    bad = PLAN.run_ids[-1]
    run_sweep(PLAN, Faulty(tmp_path, (bad,), "diverge"), tmp_path / "s", n_workers=0, shard=Shard(1, 2))
    run_sweep(PLAN, Faulty(tmp_path, (bad,), "diverge"), tmp_path / "s", n_workers=0, shard=Shard(2, 2))
    for run_id in PLAN.run_ids[:2]:
        (tmp_path / "s" / "records" / f"{run_id}.json").unlink()
    with (
        hold_folder(tmp_path / "s", Shard(1, 2), n_workers=3),
        hold_folder(tmp_path / "s", Shard(2, 2), n_workers=1),
    ):
        status = read_status(tmp_path / "s")
    assert (status.name, status.n_done, status.n_left) == ("ci", 3, 2)
    assert [failure.config.run_id for failure in status.quarantined] == [bad]
    assert status.runners == (Runner(Shard(1, 2), 3), Runner(Shard(2, 2), 1))
    done, left = PLAN.configs[2:5], PLAN.configs[:2]
    per_flop = 3 * 0.01 / sum(config.flops for config in done)
    assert status.seconds_left == pytest.approx(per_flop * sum(config.flops for config in left) / 4)
    assert read_status(tmp_path / "s").runners == ()


def test_runs_of_later_stages_are_left_as_expected_until_they_are_planned(tmp_path: Path) -> None:
    plan = plan_isoflop_sweep(replace(TINY, staged=True), corpus="none")
    folder = SweepFolder(tmp_path / "s")
    assert runs_left(plan, folder) == list(plan.preview().configs)

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.n_done == 4:
            raise Stop

    with pytest.raises(Stop):
        run_sweep(plan, SleepyTrainer(tmp_path / "log", 0), folder.path, n_workers=0, on_progress=stop)
    [stage] = folder.load_stages()
    left = [config.to_dict() for config in runs_left(plan, folder)]
    assert len(left) == 2 and all(config in stage.to_dict()["configs"] for config in left)
    assert read_status(folder.path).n_left == 2


def test_tables_are_rebuilt_from_the_records(tmp_path: Path) -> None:
    run_sweep(PLAN, SleepyTrainer(tmp_path / "log", 0), tmp_path / "s", n_workers=0)
    before = tables(tmp_path / "s")
    for name in ("runs.csv", "curves.csv"):
        (tmp_path / "s" / name).write_text("lost")
    assert rebuild_tables(tmp_path / "s") == 6
    assert tables(tmp_path / "s") == before


@pytest.mark.parametrize("call", [read_status, rebuild_tables])
def test_a_folder_without_a_sweep_is_refused(tmp_path: Path, call: partial[object]) -> None:
    with pytest.raises(InputError, match="holds no sweep"):
        call(tmp_path)
