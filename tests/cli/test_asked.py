"""Models are asked between the parts of an experiment that wants it, and only then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")

from chinchilla_lib.cli._asked import Asked
from chinchilla_lib.evaluation import asking
from chinchilla_lib.experiments.loss_to_task import LOSS_TO_TASK
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW

PARTS = LOSS_TO_TASK.parts_of("ci")
RECORDS = {part.name: [simulate_run(c, LAW) for c in part.plan("corpus").configs[:2]] for part in PARTS}
SCORE = {"part": "", "metric": "acc", "value": 0.5, "se": None, "n": 3}
FOUND = {"version": 1, "sha256": "ab", "n_items": 3, "n_shots": 0, "example_prompt": "x", "scores": [SCORE]}


def test_models_are_asked_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Path]] = []

    def answer(files: list[Path], questions: object, **_: object) -> dict[str, Any]:
        asked.append(files)
        return {file.stem: {"cloze": {**FOUND, "items": {"acc": [1.0, 0.0, 0.5]}}} for file in files}

    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path))
    monkeypatch.setattr(asking, "ask_models", answer)
    monkeypatch.setattr(asking, "prepare_questions", lambda *_, **__: [])
    stage = Asked(LOSS_TO_TASK, tmp_path / "own", 1)
    rows = stage.ask(PARTS, RECORDS)
    run_ids = [record.config.run_id for record in RECORDS["fit"]]
    assert asked == [[tmp_path / "own" / "models" / f"{run_id}.safetensors" for run_id in run_ids]]
    assert [(row["run_id"], row["value"], row["standard_error"]) for row in rows] == [
        (run_id, "0.5", "") for run_id in run_ids
    ]
    assert stage.tasks == {"cloze": {k: v for k, v in FOUND.items() if k != "scores"}}
    assert [row["values"] for row in stage.answer_rows(run_ids[:1])] == ["1 0 0.5"]


def test_an_experiment_without_tasks_asks_nothing(tmp_path: Path) -> None:
    assert Asked(replace(LOSS_TO_TASK, tasks=None), tmp_path, 1).ask(PARTS, RECORDS) == []
