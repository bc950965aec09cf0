"""The command around the experiments; their plans and verdicts are tested in their room."""

import json
import math
from pathlib import Path

import pytest

from chinchilla_lib.cli import experiment, main
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError
from chinchilla_lib.runs import LossCurve, RunConfig, RunRecord
from chinchilla_lib.sweeps import runner
from chinchilla_lib.sweeps.executors import InProcess
from chinchilla_lib.training import trainer
from tests.tiny_corpus import write_tiny_shards


class Parabola:
    """Loses 0.04 nats for each halving or doubling of a rate of 0.01; the fixed rates tell runs apart."""

    def __init__(self, folder: Path) -> None:
        assert folder.is_dir()

    def __call__(self, config: RunConfig) -> RunRecord:
        loss = 3 + 0.04 * abs(math.log2(config.learning_rate / 0.01))
        return RunRecord(
            config=config, loss=loss, loss_se=0.01, bits_per_byte=2.0, seconds=1.0,
            curve=LossCurve((config.n_steps,), (4.0,)), environment={"device": "none", "torch": "0"},
        )  # fmt: skip


class Steep(Parabola):
    def __call__(self, config: RunConfig) -> RunRecord:
        if config.learning_rate > 0.02:
            raise DivergedError(f"run {config.run_id}: the loss is nan")
        return super().__call__(config)


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def prepare(name: str, folder: Path, *, vocab_size: int) -> Shards:
        return write_tiny_shards(folder)

    def in_process(
        plan: object, trainer: object, folder: Path, *, n_workers: int, on_progress: object
    ) -> object:
        return runner.run_sweep(plan, trainer, folder, executor=InProcess(), on_progress=on_progress)  # type: ignore[arg-type]

    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(experiment, "prepare_corpus", prepare)
    monkeypatch.setattr(experiment, "run_sweep", in_process)
    monkeypatch.setattr(trainer, "ShardTrainer", Parabola)


def test_it_trains_judges_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["experiment", "rates-ci", "--out", str(tmp_path / "runs"), "--record", str(tmp_path / "kept")]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["width  20", "width  32", "width  64"]
    kept = tmp_path / "kept" / "rates-ci"
    assert (kept / "runs.csv").read_text() == (tmp_path / "runs" / "runs.csv").read_text()
    provenance = json.loads((kept / "provenance.json").read_text())
    assert provenance["n_runs"] == 9
    assert provenance["run_seconds"] == 9.0
    assert provenance["device"] == ["none"]
    assert len(provenance["commit"].rstrip("+")) in (40, len("unknown"))


def test_schedules_are_judged_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "schedules-ci", "--out", str(tmp_path / "runs")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "mean |difference| 0.0000" in last
    assert "cosine costs 1.52 times as many FLOPs" in last


def test_without_all_runs_there_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "ShardTrainer", Steep)
    command = ["experiment", "rates-ci", "--out", str(tmp_path / "runs"), "--record", str(tmp_path / "kept")]
    assert main(command) == 1
    told = capsys.readouterr()
    assert "diverged, so there is no verdict" in told.err
    assert told.out == ""
    assert not (tmp_path / "kept").exists()


def test_no_processes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "rates-ci", "--out", str(tmp_path), "--workers", "0"]) == 2
    assert "--workers is 0; give 1 or more" in capsys.readouterr().err
