import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from chinchilla_lib.cli import _toxicity, main
from chinchilla_lib.errors import InputError
from chinchilla_lib.training.checkpoint import save_model
from chinchilla_lib.training.model import Transformer
from tests.evaluation.test_catalogue import CASES
from tests.tiny_corpus import write_tiny_shards
from tests.training.test_loop import make_config

pytest.importorskip("lm_eval", reason="the extra eval is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


class Length:
    """Scores a text by its length."""

    name, sha256 = "length", "1" * 64

    def score(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([min(1.0, len(text) / 100) for text in texts])


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What scores an untrained model; the classifier is ours."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(_toxicity, "fetch_linear", Length)
    (tmp_path / "work" / "corpora").mkdir(parents=True)
    shards = write_tiny_shards(tmp_path / "work" / "corpora" / "invented")
    (tmp_path / "data" / "eval").mkdir(parents=True)
    line = json.dumps(CASES["lambada"].item) + "\n"
    (tmp_path / "data" / "eval" / "lambada_openai_test.jsonl").write_text(3 * line, encoding="utf-8")
    config = make_config(shards)
    path = tmp_path / "tiny.safetensors"
    save_model(path, Transformer(config.shape, seed=1), config)
    return ["evaluate", str(path), "--limit", "3", "--json", str(tmp_path / "scores.json"), "--tasks"]


def test_toxicity_is_a_task_like_others(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "toxicity,lambada"]) == 0
    report = json.loads((tmp_path / "scores.json").read_text())
    assert set(report["tasks"]) == {"toxicity", "lambada"}
    score = report["tasks"]["toxicity"]
    texts = [item["texts"][0] for item in score["items"]]
    assert score["metrics"]["toxicity"]["value"] == pytest.approx(Length().score(texts).mean())
    assert score["metrics"]["toxicity"]["n"] == score["n_items"] == 3
    assert score["sha256"] == Length.sha256
    heard = capsys.readouterr()
    assert "toxicity by length, a stand-in for Perspective API" in heard.out
    assert "3 of 3 texts drawn" in heard.err
    assert main([*command, "toxicity"]) == 0
    assert "toxicity: taken over" in capsys.readouterr().err


def test_without_a_classifier_the_others_are_run(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise InputError("toxicity: its classifier cannot be had")

    monkeypatch.setattr(_toxicity, "fetch_linear", fails)
    assert main([*command, "toxicity,lambada"]) == 1
    assert "left out: toxicity: its classifier cannot be had" in capsys.readouterr().err
    report = json.loads((tmp_path / "scores.json").read_text())
    assert set(report["tasks"]) == {"lambada"}
    assert report["missing"] == {"toxicity": "toxicity: its classifier cannot be had"}
    assert main([*command, "toxicity"]) == 2


def test_a_classifier_that_is_none_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main([*command, "toxicity", "--classifier", str(tmp_path / "empty")]) == 2
    assert "no classifier of Hugging Face could be loaded" in capsys.readouterr().err
