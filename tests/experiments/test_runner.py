"""Parts, runs taken over, forecasts written down; the command around them is tested in tests/cli."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.catalogue import find_experiment
from chinchilla_lib.experiments.experiment import Part
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.experiments.runner import Sitting, read_commits, run_parts, take_over, write_forecast
from chinchilla_lib.runs import RunConfig, RunFailure
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.jobs import Trainer
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.runner import SweepError
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW, simulate

(PART,) = MAIN.parts_of("ci")
PLAN = PART.plan("corpus")
SMALL = SweepPlan("small", PLAN.configs[:4], "english")


def sitting(asked: list[str], *, diverge: bool = False) -> Sitting:
    def train(config: RunConfig) -> object:
        asked.append(config.run_id)
        return RunFailure(config, "nan", "diverged") if diverge else simulate_run(config, LAW)

    def prepare(part: Part) -> tuple[str, Trainer]:
        return "corpus", Single(train)

    return Sitting(
        prepare=prepare,
        n_workers=0,
        estimate_seconds=lambda configs: [1.0] * len(configs),
        on_part=lambda part, plan: None,
        on_progress=lambda progress: None,
    )


class Single:
    """A trainer of single runs that may end in a failure."""

    def __init__(self, train: object) -> None:
        self._train = train

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        return [(config,) for config in configs]

    def train(self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None) -> object:
        for config in job:
            yield self._train(config)  # type: ignore[operator]


def part_of(plan: SweepPlan, *, keeps_models: bool = False) -> Part:
    return Part("english", "english", 512, lambda identity: plan, keeps_models)


def test_what_is_finished_is_not_done_again_and_commits_are_kept(tmp_path: Path) -> None:
    asked: list[str] = []
    first = run_parts([part_of(SMALL)], tmp_path / "a", sitting(asked))
    assert sorted(asked) == sorted(SMALL.run_ids)
    assert [record.config.run_id for record in first["english"]] == list(SMALL.run_ids)
    (commit,) = read_commits(tmp_path / "a" / "english")
    assert len(commit.rstrip("+")) in (40, len("unknown"))
    run_parts([part_of(SMALL)], tmp_path / "a", sitting(asked))
    assert len(asked) == 4
    assert read_commits(tmp_path / "a" / "english") == [commit]


def test_runs_of_a_neighbour_are_taken_over_with_their_commits(tmp_path: Path) -> None:
    asked: list[str] = []
    run_parts([part_of(SMALL)], tmp_path / "a", sitting(asked))
    neighbour = tmp_path / "a" / "english"
    (neighbour / "commits.txt").write_text("0123\n")
    records = run_parts([part_of(PLAN)], tmp_path / "b", sitting(asked), neighbours=[neighbour])
    assert len(records["english"]) == len(PLAN.configs)
    assert sorted(asked) == sorted(PLAN.run_ids), "each run was trained once"
    assert read_commits(tmp_path / "b" / "english")[0] == "0123"
    assert take_over(PLAN, tmp_path / "b" / "english", [neighbour]) == 0


def test_models_that_are_to_be_kept_are_trained_here(tmp_path: Path) -> None:
    asked: list[str] = []
    run_parts([part_of(SMALL)], tmp_path / "a", sitting(asked))
    keeping = part_of(SMALL, keeps_models=True)
    run_parts([keeping], tmp_path / "b", sitting(asked), neighbours=[tmp_path / "a" / "english"])
    assert len(asked) == 8


def test_a_damaged_neighbour_is_named(tmp_path: Path) -> None:
    run_parts([part_of(SMALL)], tmp_path / "a", sitting([]))
    record = next((tmp_path / "a" / "english" / "records").iterdir())
    record.write_text(record.read_text().replace("loss", "lost", 1))
    with pytest.raises(InputError, match=f"{record.name}: damaged record"):
        take_over(PLAN, tmp_path / "b", [tmp_path / "a" / "english"])
    assert SweepFolder(tmp_path / "b").finished() <= set(SMALL.run_ids)


def test_diverged_runs_leave_no_result(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="diverged"):
        run_parts([part_of(SMALL)], tmp_path / "a", sitting([], diverge=True))


def test_a_forecast_is_kept_with_date_and_commit(tmp_path: Path) -> None:
    little = find_experiment("little-chinchilla")
    path = tmp_path / "deep" / "forecast.json"
    said = write_forecast(little, "ci", simulate(little.parts_of("ci")), path)
    assert json.loads(path.read_text()) == said
    assert said["made"].endswith("UTC")
    assert said["flops"] == 3e11
    with pytest.raises(InputError, match="experiment main foretells nothing"):
        write_forecast(MAIN, "ci", {}, path)


def test_runs_are_taken_over_with_their_weights(tmp_path: Path) -> None:
    """Where weights are kept, only runs whose weights lie beside the neighbour come along."""
    asked: list[str] = []
    run_parts([part_of(SMALL)], tmp_path / "a", sitting(asked))
    first = SMALL.run_ids[0]
    (tmp_path / "a" / "models").mkdir()
    (tmp_path / "a" / "models" / f"{first}.safetensors").write_bytes(b"weights")
    keeping = part_of(SMALL, keeps_models=True)
    run_parts([keeping], tmp_path / "b", sitting(asked), neighbours=[tmp_path / "a" / "english"])
    assert asked.count(first) == 1
    assert len(asked) == 2 * len(SMALL.run_ids) - 1
    assert [path.read_bytes() for path in (tmp_path / "b" / "models").iterdir()] == [b"weights"]
