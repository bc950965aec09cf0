import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunFailure
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.stages import Stage
from tests.sweeps.killable import SleepyTrainer, tiny_plan

PLAN = tiny_plan()
ID = PLAN.run_ids[0]
STAGE = Stage(number=2, budget=1e9, n_opt=2e4, table="of these rows", configs=PLAN.configs[3:])


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """A folder with one finished run and one in quarantine."""
    folder = SweepFolder(tmp_path)
    folder.claim(PLAN)
    folder.write_record(SleepyTrainer(tmp_path / "log", 0)(PLAN.configs[0]))
    folder.quarantine(RunFailure(PLAN.configs[1], "the loss is nan", "diverged"))
    folder.write_stage(STAGE)
    return folder


@pytest.mark.fault_selection
@pytest.mark.parametrize("harm", ["truncate", "alter", "empty", "not text"])
@pytest.mark.parametrize(
    ("kind", "name", "load"),
    [
        ("record", f"records/{ID}.json", "load_records"),
        ("failure", f"quarantine/{PLAN.run_ids[1]}.json", "load_quarantine"),
        ("stage", "stages/02.json", "load_stages"),
    ],
)
def test_a_damaged_file_is_named(folder: SweepFolder, kind: str, name: str, load: str, harm: str) -> None:
    assert len(getattr(folder, load)()) == 1
    path = folder.path / name
    data = path.read_bytes()
    harmed = {
        "truncate": data[:-9],
        "alter": data.replace(b"2", b"3", 1) if b"2" in data[80:] else data,
        "empty": b"",
        "not text": b"\xff" + data,
    }
    path.write_bytes(harmed[harm])
    with pytest.raises(InputError, match=rf"{path.name}: damaged {kind} .*remove the file"):
        getattr(folder, load)()


@pytest.mark.fault_selection
def test_every_flipped_bit_of_a_record_is_seen(folder: SweepFolder) -> None:
    path = folder.path / "records" / f"{ID}.json"
    whole = path.read_bytes()
    record = folder.load_records()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert folder.load_records() == record, "only space may change without being seen"
        except InputError as error:
            assert path.name in str(error)


def test_a_record_that_does_not_fit_its_name_is_named(folder: SweepFolder) -> None:
    path = folder.path / "records" / f"{ID}.json"
    path.rename(path.with_name("another.json"))
    with pytest.raises(InputError, match=rf"another\.json: holds run {ID}"):
        folder.load_records()


def test_a_record_of_another_format_is_named(folder: SweepFolder) -> None:
    path = folder.path / "records" / f"{ID}.json"
    data = json.loads(path.read_text())
    folder_of = SweepFolder(folder.path)
    del data["record"]["config"]["seed"]
    from chinchilla_lib.sweeps import folder as module

    data["sha256"] = module._digest(data["record"])
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=rf"{ID}\.json: damaged record \(not the config of a run"):
        folder_of.load_records()


def test_a_record_ends_the_quarantine(folder: SweepFolder) -> None:
    assert folder.quarantined() == {PLAN.run_ids[1]}
    folder.write_record(SleepyTrainer(folder.path / "log", 0)(PLAN.configs[1]))
    assert folder.quarantined() == set()
    assert folder.finished() == set(PLAN.run_ids[:2])


def test_the_first_to_write_a_stage_decides(folder: SweepFolder) -> None:
    folder.write_stage(replace(STAGE, n_opt=3e4))
    assert folder.load_stages() == [STAGE]


def test_a_stage_that_is_missing_before_another_is_named(folder: SweepFolder) -> None:
    folder.write_stage(replace(STAGE, number=3))
    assert [stage.number for stage in folder.load_stages()] == [2, 3]
    (folder.path / "stages" / "02.json").unlink()
    with pytest.raises(InputError, match=r"03\.json: holds stage 3 where 02\.json should stand"):
        folder.load_stages()


def test_timings_of_different_machines_share_a_table(folder: SweepFolder) -> None:
    [first] = folder.load_records()
    second = replace(first, config=PLAN.configs[1], environment={"device": "another"})
    folder.write_tables(PLAN, {ID: first, PLAN.run_ids[1]: second})
    header, *rows = (folder.path / "timings.csv").read_text().splitlines()
    assert header == "run_id,seconds,device"
    assert [row.split(",")[2] for row in rows] == ["", "another"]


def test_runs_that_set_younger_fields_share_a_table_with_those_that_do_not(folder: SweepFolder) -> None:
    [first] = folder.load_records()
    repeating = replace(PLAN.configs[1], unique_tokens=4096)
    plan = replace(PLAN, configs=(PLAN.configs[0], repeating))
    records = {ID: first, repeating.run_id: replace(first, config=repeating)}
    folder.write_tables(plan, records)
    with (folder.path / "runs.csv").open() as file:
        assert [row["unique_tokens"] for row in csv.DictReader(file)] == ["", "4096"]


def test_half_written_files_are_not_read_and_can_be_removed(folder: SweepFolder) -> None:
    partial = folder.path / "records" / f".{PLAN.run_ids[2]}.json.host-1.partial"
    partial.write_text("{")
    assert folder.finished() == {ID}
    folder.remove_partial_files()
    assert not partial.exists()


@pytest.mark.fault_selection
def test_every_flipped_bit_of_a_plan_is_seen_or_changes_no_run(folder: SweepFolder) -> None:
    path = folder.path / "plan.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 7
        path.write_bytes(flipped)
        try:
            assert folder.load_plan().identity == PLAN.identity
        except InputError as error:
            assert "plan.json: damaged plan" in str(error) and "remove the file" in str(error)
    path.unlink()
    folder.claim(PLAN)
    assert path.read_bytes() == whole


def test_a_plan_changed_on_purpose_is_read_without_its_identity() -> None:
    told = {**PLAN.to_dict(), "identity": PLAN.identity}
    assert SweepPlan.from_dict(told) == PLAN
    fewer = {**told, "configs": told["configs"][1:]}
    with pytest.raises(InputError, match="remove the field 'identity'"):
        SweepPlan.from_dict(fewer)
    del fewer["identity"]
    assert len(SweepPlan.from_dict(fewer).configs) == 5
