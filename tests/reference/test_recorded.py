import csv
import json
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.experiments.tables import curves_table, runs_table
from chinchilla_lib.reference.recorded import (
    Recorded,
    attach_scores,
    checkout_commit,
    describe_computation,
    load_recorded,
    record_computation,
    write_recorded,
)
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no experiment 'nothing' is recorded; choose one of .*rates-ci"):
        load_recorded("nothing")


def test_a_record_without_its_provenance_is_refused(tmp_path: Path) -> None:
    whole = dict(load_recorded("rates-ci").provenance)
    del whole["commit"], whole["seeds"]
    with pytest.raises(InputError, match="the provenance lacks commit, seeds"):
        write_recorded(tmp_path / "x", "run_id\n", whole)
    assert not (tmp_path / "x").exists()


def test_what_is_written_is_what_ships(tmp_path: Path) -> None:
    recorded = load_recorded("rates-ci")
    write_recorded(tmp_path / "rates-ci", "a,b\n1,2\n", recorded.provenance)
    shipped = Path(__file__).parents[2] / "chinchilla_lib/reference/recorded/rates-ci/provenance.json"
    assert (tmp_path / "rates-ci/provenance.json").read_text() == shipped.read_text()


def test_a_computation_is_described_whole(tmp_path: Path) -> None:
    about = describe_computation("a command", commit=checkout_commit(), seed=3, n_runs=5, seconds=1.26)
    write_recorded(tmp_path / "x", "a\n1\n", about)
    assert (about["seeds"], about["n_runs"], about["run_seconds"]) == ([3], 5, 1.3)
    assert {"python", "numpy", "scipy"} == set(about["versions"][0])


def test_what_is_computed_is_written_with_the_commit_it_began_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter(["before", "after"])
    monkeypatch.setattr("chinchilla_lib.reference.recorded.checkout_commit", lambda: next(commits))
    clock = [10.0]
    monkeypatch.setattr("time.process_time", lambda: clock[0])

    def compute() -> list[dict[str, object]]:
        clock[0] += 7.25
        next(commits)
        return [{"a": 1}, {"a": 2, "b": 3}]

    record_computation(tmp_path / "x", "a command", compute, n_runs=5, corpus="some runs", seed=3)
    assert (tmp_path / "x" / "runs.csv").read_text() == "a,b\n1,\n2,3\n"
    about = json.loads((tmp_path / "x" / "provenance.json").read_text())
    assert about["commit"] == "before"
    assert (about["command"], about["corpus"]) == ("a command", "some runs")
    assert (about["seeds"], about["n_runs"], about["run_seconds"]) == ([3], 5, 7.2)


def test_an_installed_copy_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(checkout_commit().rstrip("+")) in (40, len("unknown"))
    copy = tmp_path / "chinchilla_lib" / "reference" / "recorded.py"
    copy.parent.mkdir(parents=True)
    copy.touch()
    monkeypatch.setattr("chinchilla_lib.reference.recorded.__file__", str(copy))
    assert checkout_commit() == "unknown"


def test_points_of_thinned_curves_have_the_steps_they_were_taken_at() -> None:
    (part,) = MAIN.parts_of("ci")
    records = [simulate_run(config, LAW) for config in part.plan("c").configs]
    tables = (csv.DictReader(make({"x": records}).splitlines()) for make in (runs_table, curves_table))
    rows, curve_rows = map(tuple, tables)
    recorded = Recorded("main-ci", rows, {}, curve_rows)
    curves = recorded.curves()
    steps = {record.config.run_id: record.config.n_steps for record in records}
    np.testing.assert_array_equal(curves.step[curves.last], [steps[run_id] for run_id in curves.run_id])
    without = [{k: v for k, v in row.items() if k != "batch_size_tokens"} for row in rows]
    assert Recorded("x", tuple(without), {}, curve_rows).curves().step.max() < 30
    # The main sweep has one part, which has no column; its judge reads it whatever its name.
    assert MAIN.judge(recorded.parts(), None).numbers == MAIN.judge({"english": rows}, None).numbers


def test_scores_are_columns_of_their_runs(tmp_path: Path) -> None:
    about = load_recorded("rates-ci").provenance
    score = {"run_id": "a", "task": "cloze", "part": "", "metric": "acc", "value": "0.5"}
    rows = [score | {"standard_error": "0.1", "n": "25"}, score | {"part": "verbs", "value": "0.9"}]
    (found, other) = attach_scores([{"run_id": "a", "loss": "3"}, {"run_id": "b"}], rows)
    assert found == {
        "run_id": "a",
        "loss": "3",
        "cloze acc": "0.5",
        "cloze acc se": "0.1",
        "cloze acc n": "25",
    }
    assert other == {"run_id": "b"}
    recorded = Recorded("x", ({"run_id": "a"},), {}, score_rows=tuple(rows))
    assert recorded.parts() == {"x": [{"run_id": "a"} | {k: v for k, v in found.items() if k != "loss"}]}
    write_recorded(tmp_path / "x", "run_id\na\n", about, scores="s\n1\n", answers="t\n2\n")
    assert (tmp_path / "x" / "scores.csv").read_text() == "s\n1\n"
    assert (tmp_path / "x" / "answers.csv").read_text() == "t\n2\n"
    assert not (tmp_path / "x" / "curves.csv").exists()
