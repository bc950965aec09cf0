"""The command around the experiments; their plans and verdicts are tested in their room."""

import csv
import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.cli import experiment, main
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.experiments import runner
from chinchilla_lib.experiments.catalogue import EXPERIMENTS
from chinchilla_lib.runs import LossCurve, RunConfig, RunRecord
from chinchilla_lib.sweeps import plan
from chinchilla_lib.sweeps.executors import InProcess
from chinchilla_lib.sweeps.runner import run_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.training import trainer
from tests.experiments.small_truth import LAW
from tests.tiny_corpus import write_tiny_shards


class Parabola:
    """Loses 0.04 nats for each halving or doubling of a rate of 0.01; the fixed rates tell runs apart."""

    def __init__(self, folder: Path, models_folder: Path | None = None) -> None:
        assert folder.is_dir()
        self.models_folder = models_folder

    def __call__(self, config: RunConfig) -> RunRecord:
        loss = 3 + 0.04 * abs(math.log2(config.learning_rate / 0.01))
        return RunRecord(
            config=config, loss=loss, loss_se=0.01, bits_per_byte=2.0, seconds=1.0,
            curve=LossCurve((1, config.n_steps), (5.0, 4.0)), environment={"device": "none", "torch": "0"},
        )  # fmt: skip


class Steep(Parabola):
    def __call__(self, config: RunConfig) -> RunRecord:
        if config.learning_rate > 0.02:
            raise DivergedError(f"run {config.run_id}: the loss is nan")
        return super().__call__(config)


class Lawful(Parabola):
    """Runs of a known law; counts what it is asked for, and keeps empty models."""

    asked: list[str] = []  # noqa: RUF012

    def __call__(self, config: RunConfig) -> RunRecord:
        self.asked.append(config.run_id)
        if self.models_folder:
            self.models_folder.mkdir(parents=True, exist_ok=True)
            (self.models_folder / f"{config.run_id}.safetensors").touch()
        return simulate_run(config, LAW, noise=0.003)


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def prepare(name: str, folder: Path, *, vocab_size: int) -> Shards:
        return write_tiny_shards(folder)

    def in_process(*args: Any, n_workers: int, **kwargs: Any) -> list[RunRecord]:
        return run_sweep(*args, executor=InProcess(), **kwargs)

    def estimate(configs: Sequence[RunConfig]) -> list[float]:
        return [config.flops / 1e11 for config in configs]

    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(experiment, "prepare_corpus", prepare)
    monkeypatch.setattr(plan, "MAX_EPOCHS", math.inf)
    monkeypatch.setattr(runner, "run_sweep", in_process)
    monkeypatch.setattr(trainer, "ShardTrainer", Parabola)
    monkeypatch.setattr(trainer, "estimate_seconds", estimate)
    monkeypatch.setattr(Lawful, "asked", [])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository in which forecasts are committed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def commit(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "forecast"], check=True)


def test_it_trains_judges_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["experiment", "run", "rates", "--tier", "ci", "--record", str(tmp_path / "kept")]
    assert main(command) == 0
    verdict, again = capsys.readouterr().out.splitlines()
    assert verdict.startswith("rates-ci: ")
    assert again.startswith("rates-ci: none of the 9 runs is in the record")  # another corpus
    kept, folder = tmp_path / "kept" / "rates-ci", tmp_path / "work" / "experiments" / "rates-ci" / "runs"
    assert (kept / "runs.csv").read_text() == (folder / "runs.csv").read_text()
    assert len((kept / "curves.csv").read_text().splitlines()) == 1 + 2 * 9
    provenance = json.loads((kept / "provenance.json").read_text())
    assert provenance["n_runs"] == 9
    assert provenance["run_seconds"] == 9.0
    assert provenance["device"] == ["none"]
    assert len(provenance["commit"].rstrip("+")) in (40, len("unknown"))
    assert provenance["command"] == "chinchilla-lib experiment run rates --tier ci"
    corpus = provenance["corpora"][provenance["corpus"]]
    assert corpus["train_tokens"] > corpus["validation_tokens"] > 0


def test_without_all_runs_there_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "ShardTrainer", Steep)
    assert main(["experiment", "run", "rates", "--tier", "ci", "--record", str(tmp_path / "kept")]) == 1
    told = capsys.readouterr()
    assert "diverged, so there is no verdict" in told.err
    assert told.out == ""
    assert not (tmp_path / "kept").exists()


def test_a_forecast_is_committed_before_it_is_tested(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "ShardTrainer", Lawful)
    monkeypatch.setattr(experiment, "load_forecast", lambda name: None)
    command = ["experiment", "run", "forecast", "--tier", "cpu-20", "--record", str(checkout)]
    assert main(command) == 0
    first = capsys.readouterr()
    assert "commit it, then run the same command again" in first.err
    told = json.loads(first.out)
    assert told["highest"] == 3e11
    assert max(float(run_id.split("-")[0]) for run_id in Lawful.asked) == 3e11
    n_fit = len(Lawful.asked)

    assert main(command) == 2
    assert "is not committed; commit the forecast, then run again" in capsys.readouterr().err
    assert len(Lawful.asked) == n_fit

    commit(checkout)
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("forecast-cpu-20: ")
    assert {float(run_id.split("-")[0]) for run_id in Lawful.asked[n_fit:]} == {3e12}
    rows = (checkout / "forecast-cpu-20" / "runs.csv").read_text().splitlines()
    assert rows[0].startswith("part,")
    assert {row.split(",")[0] for row in rows[1:]} == {"fit", "test"}


def test_a_damaged_forecast_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "load_forecast", lambda name: None)
    path = tmp_path / experiment.FORECAST
    path.write_text('{"made": "2026-01-01", "made": "2026-02-02"}')
    with pytest.raises(
        InputError, match=r"'made' stands twice in one object; bring it back as it was written"
    ):
        experiment._find_forecast(EXPERIMENTS["forecast"], "cpu-20", tmp_path, None, {})
    assert "2026-02-02" in path.read_text()


def test_finished_runs_of_other_experiments_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "ShardTrainer", Lawful)
    monkeypatch.setattr(experiment, "load_forecast", lambda name: None)
    assert main(["experiment", "run", "main", "--tier", "ci"]) == 0
    n_main = len(Lawful.asked)
    assert main(["experiment", "run", "little-chinchilla", "--tier", "ci"]) == 0
    assert "little-chinchilla-ci: " in capsys.readouterr().out
    later = Lawful.asked[n_main:]
    assert later
    assert all(run_id.startswith("3e11-") for run_id in later), "smaller budgets were there"
    models = tmp_path / "work" / "experiments" / "little-chinchilla-ci" / "models"
    assert sorted(path.stem for path in models.iterdir()) == sorted(later)


def test_the_tier_for_a_gpu_goes_on_in_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "ShardTrainer", Lawful)
    command = ["experiment", "run", "main", "--tier", "gpu", "--record", str(tmp_path)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("main-gpu: ")
    with (tmp_path / "main-gpu" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {float(row["flops_budget"]) for row in rows} == {1e15, 3e15, 1e16, 3e16}
    n_asked = len(Lawful.asked)
    assert main(command) == 0
    assert len(Lawful.asked) == n_asked


def test_a_list_names_tiers_and_what_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in entries} == set(EXPERIMENTS)
    rates = next(entry for entry in entries if (entry["name"], entry["tier"]) == ("rates", "ci"))
    assert rates["recorded"]
    assert rates["runs"] == 9
    assert rates["run_seconds"] > 0
    assert main(["experiment", "list"]) == 0
    assert "--tier cpu-20" in capsys.readouterr().out


def test_a_plan_is_priced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "plan", "main", "--tier", "ci", "--workers", "2", "--json"]) == 0
    price = json.loads(capsys.readouterr().out)
    (part,) = price["parts"]
    assert (part["corpus"], part["runs"]) == ("english", 42)
    assert price["seconds"] == pytest.approx(part["flops"] / 1e11 / 2)
    assert main(["experiment", "plan", "main", "--tier", "ci"]) == 0
    text = capsys.readouterr().out
    assert "rule: holds if" in text
    assert "42 runs" in text


def test_all_that_a_tier_affords_is_run_and_the_rest_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[tuple[str, str]] = []

    def note(chosen: Any, tier: str, options: object, prices: object) -> int:
        done.append((chosen.name, tier))
        return 0

    monkeypatch.setattr(experiment, "_run_one", note)
    assert main(["experiment", "run", "--all", "--tier", "ci"]) == 0
    err = capsys.readouterr().err
    assert ("rates", "ci") in done
    assert len(done) + err.count("left out: ") == len(EXPERIMENTS)


def test_one_that_cannot_be_done_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def lack(chosen: Any, *_: object) -> int:
        if chosen.name == "rates":
            raise InputError("its corpus cannot be had")
        done.append(chosen.name)
        return 0

    monkeypatch.setattr(experiment, "_run_one", lack)
    assert main(["experiment", "run", "--all", "--tier", "ci"]) == 2
    assert "error: rates: its corpus cannot be had" in capsys.readouterr().err
    assert done


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rates", "--tier", "ci", "--workers", "0"], "--workers is 0; give 1 or more"),
        (["--tier", "ci"], "give the NAME of an experiment, or --all"),
        (["rates", "--all", "--tier", "ci"], "give the NAME of an experiment, or --all"),
        (["--all", "--tier", "gpu"], "--tier is 'gpu'; --all knows ci, cpu-20"),
        (["--all", "--tier", "ci", "--out", "x"], "--out is given with --all"),
        (["rates", "--tier", "huge"], "experiment rates has no tier 'huge'; it has ci, cpu-20"),
    ],
)
def test_wrong_options_are_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", "run", *arguments]) == 2
    assert told in capsys.readouterr().err
