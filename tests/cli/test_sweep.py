import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.corpus import sources
from chinchilla_lib.sweeps import plan
from tests.sweeps.killable import TINY
from tests.tiny_corpus import invented_documents

ROOT = Path(__file__).resolve().parents[2]


def use_tiny_tier() -> None:
    """Make ``sotu`` a corpus of invented words and ``ci`` a tier of six runs of a second each."""
    source = replace(
        sources.SOURCES["sotu"], documents=lambda: iter(invented_documents()), validation_share=0.2
    )
    sources.SOURCES["sotu"] = source
    plan.TIERS["ci"] = TINY


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setitem(sources.SOURCES, "sotu", sources.SOURCES["sotu"])
    monkeypatch.setitem(plan.TIERS, "ci", plan.TIERS["ci"])
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    handler = signal.getsignal(signal.SIGTERM)
    use_tiny_tier()
    yield
    signal.signal(signal.SIGTERM, handler)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_contract_of_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "run", "--tier", "ci", "--out", str(tmp_path / "s")]) == 0
    runs, curves = rows(tmp_path / "s" / "runs.csv"), rows(tmp_path / "s" / "curves.csv")
    assert len(runs) == 6
    first = "run_id seed n_params n_params_non_embedding n_tokens flops flops_convention flops_budget"
    assert list(runs[0])[:10] == [*first.split(), "loss", "loss_se"]
    assert list(curves[0]) == ["run_id", "step", "n_tokens", "horizon_tokens", "flops", "train_loss"]
    assert {row["flops_budget"] for row in runs} == {"400000000.0", "1000000000.0"}
    for run in runs:
        curve = [row for row in curves if row["run_id"] == run["run_id"]]
        assert 1 <= len(curve) <= 200
        assert curve[-1]["n_tokens"] == curve[-1]["horizon_tokens"] == run["n_tokens"]
        assert curve[-1]["flops"] == run["flops"]
        steps = [int(row["step"]) for row in curve]
        assert steps == sorted(set(steps))
    heard = capsys.readouterr()
    assert "6 runs" in heard.out
    assert "about" in heard.err and "[ 6/6]" in heard.err
    # The next command of the contract reads the table as it is.
    out = tmp_path / "fit.json"
    assert main(["fit", str(tmp_path / "s" / "runs.csv"), "--method", "isoflop", "--json", str(out)]) in (
        0,
        2,
    )


def test_two_sweeps_of_one_seed_are_equal_bit_for_bit_and_another_seed_is_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert main(["sweep", "run", "--tier", "ci", "--seed", str(seed), "--out", str(tmp_path / name)]) == 0
    for table in ("runs.csv", "curves.csv"):
        a, b, c = ((tmp_path / name / table).read_bytes() for name in "abc")
        assert a == b != c


def test_plan_prices_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "plan", "--tier", "ci"]) == 0
    heard = capsys.readouterr()
    assert len(heard.out.splitlines()) == 7
    assert "6 runs" in heard.err and "epochs" in heard.err and "about" in heard.err
    assert not (tmp_path / "work" / "sweeps").exists()


def test_an_interrupt_ends_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    script = (
        "import sys; from tests.cli.test_sweep import use_tiny_tier; use_tiny_tier();"
        "from chinchilla_lib.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "sweep", "run", "--tier", "ci", "--out", str(tmp_path / "s")]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        end = time.monotonic() + 120
        while not list((tmp_path / "s" / "records").glob("*.json")):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the runner and its workers
        heard = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "the same command goes on" in heard
    assert "Traceback" not in heard
    kept = {path.name for path in (tmp_path / "s" / "records").iterdir() if path.suffix == ".json"}
    assert 1 <= len(kept) < 6
    assert main(["sweep", "run", "--tier", "ci", "--out", str(tmp_path / "s")]) == 0
    assert main(["sweep", "run", "--tier", "ci", "--out", str(tmp_path / "whole")]) == 0
    for table in ("runs.csv", "curves.csv"):
        assert (tmp_path / "s" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()


def test_a_failed_run_exits_with_one_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plan.TIERS, "ci", replace(TINY, max_learning_rate=1e30, batch_factor=1e30))
    monkeypatch.setattr(plan, "batch_size_rule", lambda *args, **kwargs: 1)
    monkeypatch.setattr(plan, "learning_rate_rule", lambda *args, **kwargs: 1e30)
    assert main(["sweep", "run", "--tier", "ci", "--out", str(tmp_path / "s")]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "6 of 6 runs failed" in error and "DivergedError" in error


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--tier", "ci"], "--out"),
        (["run", "--tier", "huge", "--out", "s"], "huge"),
        (["run", "--out", "s"], "--tier"),
        (["plan", "--tier", "ci", "--workers", "0"], "--workers is 0"),
        (["plan", "--tier", "ci", "--seed", "-1"], "--seed is -1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *arguments]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("chinchilla-lib: error:") and named in error


def test_a_folder_of_another_plan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps({"name": "x", "configs": []}))
    assert main(["sweep", "run", "--tier", "ci", "--out", str(folder)]) == 2
    assert "choose another folder" in capsys.readouterr().err.splitlines()[-1]
