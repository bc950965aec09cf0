"""The campaigns: what is finished is kept, a stop loses one data set at most, and the record is complete."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import coverage

CALLS: list[tuple[str, int, int]] = []


def found(kind: str, seed: int, number: int) -> dict[str, Any]:
    CALLS.append((kind, seed, number))
    return {"value": number + seed}


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    toy = coverage.Campaign(
        kinds=("x", "y"),
        fit=found,
        summarise=lambda results: [
            {"kind": kind, "total": float(sum(entry["value"] for entry in sets)), "n": len(sets)}
            for kind, sets in results.items()
        ],
        columns=("kind", "total", "n"),
        n_sets=3,
    )
    monkeypatch.setattr(coverage, "CAMPAIGNS", {"toy": toy})


def recorded(folder: Path) -> str:
    return (folder / "toy" / "runs.csv").read_text()


@pytest.mark.usefixtures("campaign")
def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--state", str(tmp_path / "state"), "--record", str(tmp_path), "--seed", "4"]
    assert coverage.main(options) == 0
    assert [(kind, 4, k) for k in range(3) for kind in ("x", "y")] == CALLS
    assert recorded(tmp_path) == "kind,total,n\nx,15,3\ny,15,3\n"
    assert "toy: 2 of 6 data sets" in capsys.readouterr().out

    state = tmp_path / "state" / "toy-4.jsonl"
    whole = state.read_text()
    state.write_text(whole[:-20])  # stopped within the last line
    CALLS.clear()
    assert coverage.main([*options, "--sets", "4"]) == 0
    assert CALLS == [("y", 4, 2), ("x", 4, 3), ("y", 4, 3)]
    assert recorded(tmp_path) == "kind,total,n\nx,22,4\ny,22,4\n"
    assert "--only toy --sets 4 --seed 4" in (tmp_path / "toy" / "provenance.json").read_text()


@pytest.mark.usefixtures("campaign")
def test_the_record_names_every_commit_that_it_was_fitted_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for commit, sets in (("first", "1"), ("second", "2")):
        monkeypatch.setattr(coverage, "checkout_commit", lambda commit=commit: commit)
        assert coverage.main(["--state", str(tmp_path), "--record", str(tmp_path), "--sets", sets]) == 0
    provenance = json.loads((tmp_path / "toy" / "provenance.json").read_text())
    assert provenance["commit"] == "first, second"
    assert provenance["n_runs"] == 4


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="the toy is known to forks only")
@pytest.mark.usefixtures("campaign")
def test_two_processes_record_what_one_does(tmp_path: Path) -> None:
    for workers in ("1", "2"):
        folder = str(tmp_path / workers)
        assert coverage.main(["--state", folder, "--record", folder, "--workers", workers]) == 0
    assert recorded(tmp_path / "1") == recorded(tmp_path / "2")


def test_the_campaigns_are_those_of_the_experiments() -> None:
    assert set(coverage.CAMPAIGNS) == {"coverage", "verdicts", "spans"}
    assert coverage.CAMPAIGNS["coverage"].n_sets == 1000
    assert len(coverage.CAMPAIGNS["coverage"].kinds) == 6
