import csv
import io
import math
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="the extra eval is not installed")

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.evaluation import asking, harness
from chinchilla_lib.evaluation.asking import BITS, answer_bits, answer_rows, prepare_questions, score_rows
from chinchilla_lib.evaluation.paired import ItemScores
from chinchilla_lib.evaluation.suite.probes import cloze_task
from chinchilla_lib.evaluation.tasks import load_task
from chinchilla_lib.experiments.tables import rows_table
from chinchilla_lib.training.checkpoint import save_model
from chinchilla_lib.training.model import Transformer
from tests.training.test_loop import make_config

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


def test_bits_by_hand() -> None:
    """Two bytes at a log-likelihood of -4 ln 2 are two bits a byte; without label the first answer counts."""
    sample = {
        "doc": {"label": 1},
        "arguments": [("x", " no"), ("x", " y")],
        "resps": [[(-1.0, False)], [(-4 * math.log(2), False)]],
    }
    assert answer_bits(sample) == pytest.approx(2)
    assert answer_bits({**sample, "doc": {}}) == pytest.approx(1 / (3 * math.log(2)))


def test_models_are_asked_once_and_answers_become_tables(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(shards)
    file = tmp_path / "model.safetensors"
    save_model(file, Transformer(config.shape, seed=1), config)
    missing: list[str] = []
    tasks = {"minimal_pairs": 5, "cloze": 8, "social_iqa": None}
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    questions = prepare_questions(tasks, shards.folder, on_missing=missing.append)
    assert [question.task for question in questions] == ["minimal_pairs", "cloze"]
    assert len(missing) == 1
    assert "social_iqa" in missing[0]

    asked: list[str] = []
    real = harness.run_task

    def count(*args: object, **kwargs: object) -> object:
        asked.append(args[1].task.name)  # type: ignore[attr-defined]
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(harness, "run_task", count)

    def ask() -> dict[str, dict[str, object]]:
        return asking.ask_models(
            [file], questions, corpus=shards.folder, folder=tmp_path / "answers", n_workers=0,
            on_progress=lambda model: None,
        )  # fmt: skip

    answers = ask()
    assert ask() == answers
    assert asked == ["minimal_pairs", "cloze"]

    rows = list(csv.DictReader(io.StringIO(rows_table(score_rows(answers)))))
    whole = {(row["task"], row["metric"]): row for row in rows if not row["part"]}
    assert whole["cloze", "acc"]["n"] == "8"
    assert {row["part"] for row in rows if row["task"] == "minimal_pairs" and row["part"]} == {
        "agreement", "attraction", "demonstrative", "reflexive", "word order",
    }  # fmt: skip
    sha256 = load_task(cloze_task(shards.folder)).sha256
    assert whole["cloze", BITS]["sha256"] == sha256

    kept = list(csv.DictReader(io.StringIO(rows_table(answer_rows(answers, ["model"])))))
    scores = [ItemScores.from_row(row, answers["model"]) for row in kept]
    for score in scores:
        mean = sum(score.values) / len(score.values)
        assert mean == pytest.approx(float(whole[score.task, score.metric]["value"]), abs=1e-3)
