import csv
import json
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.training.checkpoint import load_model, save_model
from chinchilla_lib.training.model import Transformer
from tests.evaluation.test_catalogue import CASES
from tests.tiny_corpus import write_tiny_shards
from tests.training.test_loop import make_config

pytest.importorskip("lm_eval", reason="the extra eval is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lm_eval and what it imports


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint, its corpus in the workspace, and a file of items of two tasks."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the hub is out of reach
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "work"))
    (tmp_path / "work" / "corpora").mkdir(parents=True)
    shards: Shards = write_tiny_shards(tmp_path / "work" / "corpora" / "invented")
    (tmp_path / "data" / "eval").mkdir(parents=True)
    for name, file, field in (
        ("hellaswag", "hellaswag_val.jsonl", "ctx"),
        ("lambada", "lambada_openai_test.jsonl", "text"),
    ):
        item = CASES[name].item
        lines = [json.dumps({**item, field: before + item[field]}) + "\n" for before in ("", "so ", "and ")]
        (tmp_path / "data" / "eval" / file).write_text("".join(lines), encoding="utf-8")
    config = make_config(shards)
    path = tmp_path / "models" / "tiny.safetensors"
    save_model(path, Transformer(config.shape, seed=1), config)
    return path


def test_the_contract_of_the_json(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scores.json"
    command = [
        "evaluate",
        str(model.parent),
        "--tasks",
        "lambada,hellaswag",
        "--limit",
        "2",
        "--json",
        str(out),
    ]
    assert main(command) == 0
    report = json.loads(out.read_text())
    assert set(report["tasks"]) == {"lambada", "hellaswag"}
    score = report["tasks"]["hellaswag"]
    assert score["n_items"] == len(score["items"]) == 2
    assert set(score["metrics"]) == {"acc", "acc_norm"}
    assert set(score["metrics"]["acc"]) == {"value", "standard_error", "n"}
    assert score["example_prompt"] == "Rest: A dog turns. It"
    assert len(score["sha256"]) == 64
    assert [len(item["log_likelihoods"]) for item in score["items"]] == [3, 3]
    heard = capsys.readouterr()
    assert heard.out.startswith("tiny\n")  # what was scored, which for a quantised model says so
    assert "hellaswag (version 1, 2 items, 0 examples before each" in heard.out
    assert "answers, about" in heard.err


def test_a_missing_task_is_named_and_the_others_run(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    assert main(["evaluate", str(model), "--tasks", "piqa,lambada", "--json", str(out)]) == 1
    report = json.loads(out.read_text())
    assert set(report["tasks"]) == {"lambada"}
    assert "put piqa_valid.jsonl, or piqa_valid.jsonl.gz, into" in report["missing"]["piqa"]
    assert "left out: task piqa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "chess"], "there is no task 'chess'"),
        (["--tasks", "piqa"], "put piqa_valid.jsonl, or piqa_valid.jsonl.gz, into"),
        (["--tasks", " , "], "--tasks names none"),
        (["--tasks", "lambada", "--limit", "0"], "--limit is 0; give 1 or more"),
        (["--tasks", "lambada", "--tokenizer", "nowhere.json"], "nowhere.json: there is no such file"),
    ],
)
def test_bad_input_is_one_line(
    model: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), *arguments]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("chinchilla-lib: error: ")
    assert message in last


def test_a_model_that_is_not_one_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(path: Path) -> str:
        assert main(["evaluate", str(path), "--tasks", "lambada"]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    (model.parent / "other.safetensors").write_bytes(model.read_bytes())
    assert "it holds 2 checkpoints; name one" in fails(model.parent)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.read_bytes()[:-40])
    assert "damaged checkpoint" in fails(broken)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the hub is out of reach
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path / "elsewhere"))
    assert "is not prepared here; give --tokenizer FILE" in fails(model)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no causal model of Hugging Face" in fails(empty)


def test_finished_tasks_are_taken_over(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    command = ["evaluate", str(model), "--json", str(out), "--limit", "2", "--tasks"]
    assert main([*command, "lambada"]) == 0
    first = json.loads(out.read_text())
    assert first["provenance"]["commit"]
    assert len(first["model_sha256"]) == 64
    capsys.readouterr()
    assert main([*command, "hellaswag,lambada"]) == 0
    assert f"lambada: taken over from {out}" in capsys.readouterr().err
    again = json.loads(out.read_text())
    assert list(again["tasks"]) == ["hellaswag", "lambada"]
    assert again["tasks"]["lambada"] == first["tasks"]["lambada"]
    # Another number of items, other examples before each, other items or weights: nothing is taken over.
    for change in (["--limit", "1"], ["--shots", "1"]):
        assert main([*command, "lambada", *change]) == 0
        assert "taken over" not in capsys.readouterr().err
    file = tmp_path / "data" / "eval" / "lambada_openai_test.jsonl"
    file.write_text(2 * file.read_text(), encoding="utf-8")
    assert main([*command, "lambada", "--shots", "1"]) == 0
    assert "taken over" not in capsys.readouterr().err
    config = load_model(model)[1]
    save_model(model, Transformer(config.shape, seed=2), config)
    assert main([*command, "lambada", "--shots", "1"]) == 0
    assert "taken over" not in capsys.readouterr().err


def test_scores_are_recorded_with_their_provenance(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recorded" / "tiny"
    assert main(["evaluate", str(model), "--tasks", "lambada,hellaswag", "--record", str(folder)]) == 0
    rows = list(csv.DictReader((folder / "runs.csv").read_text().splitlines()))
    assert [(row["task"], row["metric"]) for row in rows] == [
        ("lambada", "perplexity"),
        ("lambada", "acc"),
        ("hellaswag", "acc"),
        ("hellaswag", "acc_norm"),
    ]
    assert {"torch", "lm_eval"} < set(json.loads((folder / "provenance.json").read_text())["versions"][0])


def test_two_models_are_compared_on_the_same_items(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_model(model)[1]
    other = tmp_path / "other" / "second.safetensors"
    save_model(other, Transformer(config.shape, seed=2), config)
    first, out = tmp_path / "first.json", tmp_path / "both.json"
    asked = ["--tasks", "lambada", "--limit"]
    assert main(["evaluate", str(other), *asked, "2", "--json", str(first)]) == 0
    command = ["evaluate", str(model), *asked, "2", "--json", str(out), "--against", str(first)]
    assert main(command) == 0
    assert "less second, item by item" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert report["against"]["model"] == "second"
    perplexity, accuracy = report["against"]["compared"]
    ours, theirs = (
        [item["log_likelihoods"][0] for item in json.loads(path.read_text())["tasks"]["lambada"]["items"]]
        for path in (out, first)
    )
    assert perplexity["difference"] == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert accuracy["n"] == 2
    # One item has no standard error, and JSON no infinity; other items are not compared.
    assert main(["evaluate", str(other), *asked, "1", "--json", str(first)]) == 0
    assert main(["evaluate", str(model), *asked, "1", *command[6:]]) == 0
    assert json.loads(out.read_text())["against"]["compared"][0]["standard_error"] is None
    assert main(command) == 2
    assert "ask both the same" in capsys.readouterr().err


def test_a_file_of_something_else_is_not_written_over(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    for text, reason in (("words", "not a report of an evaluation"), ("{}", "it holds no model and tasks")):
        out.write_text(text)
        assert main(["evaluate", str(model), "--tasks", "lambada", "--json", str(out)]) == 2
        assert reason in capsys.readouterr().err
        assert out.read_text() == text


def test_probes_of_our_own(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made when they are asked for; the last words of passages need a corpus to be taken from."""
    out = tmp_path / "scores.json"
    command = ["evaluate", str(model), "--tasks", "induction,cloze", "--limit", "3", "--json", str(out)]
    assert main(command) == 1
    assert "task cloze: give --corpus DIR" in capsys.readouterr().err
    assert main([*command, "--corpus", str(tmp_path / "work" / "corpora" / "invented")]) == 0
    tasks = json.loads(out.read_text())["tasks"]
    assert set(tasks["induction"]["metrics"]) == {"acc", "exact", "gain_bits_per_byte"}
    assert [len(item["log_likelihoods"]) for item in tasks["cloze"]["items"]] == [4, 4, 4]
