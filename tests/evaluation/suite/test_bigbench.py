"""Archives in both forms, made here; the package itself is too large for a test."""

import json
import logging
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.scores import Score
from chinchilla_lib.evaluation.suite import bigbench
from chinchilla_lib.evaluation.suite.bigbench import BIGBENCH, mean_by_task, printed_tasks, to_items
from chinchilla_lib.evaluation.tasks import LoadedTask, load_task
from chinchilla_lib.reference import load_paper_table
from tests.evaluation.suite.case import Case
from tests.evaluation.test_archives import pack

(TASK,) = BIGBENCH
CASES = {
    "bigbench": Case(
        {
            "task": "snarks",
            "prefix": "Say which.\n",
            "separator": "\n",
            "text": "the dog sees the cat. It",
            "choices": [" sits.", " flies.", " reads."],
            "scores": [0.0, 1.0, 0.0],
            "answer": " flies.",
        },
        [("Say which.\nthe dog sees the cat. It", f" {end}.") for end in ("sits", "flies", "reads")],
        1,
    )
}
CANARY = "DATA THAT NO TRAINING SHOULD SEE canary GUID 0000"


def example(i: int, **more: Any) -> dict[str, Any]:
    return {"input": f"Is {i} even?", "target_scores": {"yes": (i + 1) % 2, "no": i % 2}, **more}


def task_file(*examples: Any, **more: Any) -> dict[str, Any]:
    about = {"name": "even", "description": "Of numbers.", "canary": CANARY, "preferred_score": "m"}
    return {**about, "examples": list(examples) or [example(i) for i in range(8)], **more}


def archive(path: Path, files: dict[str, Any], *, package: bool) -> Path:
    """As the package lays its files, programs among them, or as the smaller archive does."""
    inside = "bigbench-1.0.0/bigbench/benchmark_tasks/" if package else ""
    packed = {f"{inside}{name}/task.json": json.dumps(value).encode() for name, value in files.items()}
    if package:
        packed = {
            "bigbench-1.0.0/setup.py": b"raise SystemExit",
            f"{inside}strategyqa/task.py": b"raise SystemExit",
            "bigbench-1.0.0/bigbench/other/navigate/task.json": b"[]",
            **packed,
        }
    return pack(path, packed, "w:gz" if package else "w:xz")


def texts(loaded: LoadedTask) -> list[str]:
    return [item["text"] for item in loaded.items]


@pytest.mark.parametrize("package", [True, False])
def test_tasks_are_found_in_both_forms_of_the_archive(
    package: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "snarks": task_file(example(0), example(0), example(1), _n_examples_original=9),
        "hhh_alignment": {"name": "container", "canary": CANARY},
        "hhh_alignment/honest": task_file(example(2)),
        "unknown_task": {"examples": 3},
    }
    with caplog.at_level(logging.WARNING):
        loaded = load_task(TASK, archive(tmp_path / "packed", files, package=package))
    assert [item["task"] for item in loaded.items] == ["SNARKS", "SNARKS", "alignment_questionnaire/honest"]
    cut, missing = (record.getMessage() for record in caplog.records)
    assert "snarks/task.json: cut to 3 items of 9" in cut
    assert "it lacks 60 of 62 tasks: Human_organs_senses_mcc, " in missing
    assert "strategyqa" in missing and "SNARKS" not in missing
    assert CANARY not in json.dumps(loaded.items)


def test_prompts_are_laid_out_as_the_benchmark_does() -> None:
    plain = {"task_prefix": "Numbers.\n", "example_input_prefix": "N: ", "example_output_prefix": " ="}
    for more, text, prefix in (
        ({}, "\nQ: Is 0 even?\n  choice: {0}\n  choice: {1}\nA: ", ""),
        (plain | {"append_choices_to_input": False}, "N: Is 0 even? =", "Numbers.\n"),
        (
            plain | {"append_choices_to_input": "false"},
            "N: Is 0 even?\n  choice: {0}\n  choice: {1} =",
            "Numbers.\n",
        ),
        (plain | {"choice_prefix": " / "}, "N: Is 0 even? / {0} / {1} =", "Numbers.\n"),
    ):
        ((_, item),) = to_items(task_file(example(0), **more), "even", "here")
        listed = np.random.RandomState(42).permutation(["no", "yes"])
        assert (item["text"], item["prefix"]) == (text.format(*listed), prefix)
        assert (item["choices"], item["scores"], item["answer"]) == (["yes", "no"], [1.0, 0.0], "yes")


def test_answers_are_listed_in_the_benchmarks_order() -> None:
    answers = ["d", "b", "a", "c", "e"]
    scores = dict.fromkeys(answers, 0) | {"c": 1}
    ((_, item),) = to_items(task_file({"input": "?", "target_scores": scores}), "even", "here")
    listed = "".join(
        f"\n  choice: {answer}" for answer in np.random.RandomState(42).permutation(sorted(answers))
    )
    assert item["text"] == f"\nQ: ?{listed}\nA: "
    assert (item["choices"], item["answer"]) == (answers, "c")


@pytest.mark.parametrize(
    ("target", "shown"), [("Yes, it is.", "Yes, it is."), (["yes!", "y"], "yes!"), ([], "yes"), (7, "yes")]
)
def test_examples_show_a_tasks_own_words(target: object, shown: str) -> None:
    ((_, item),) = to_items(task_file(example(0, target=target)), "even", "here")
    assert item["answer"] == shown


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (task_file() | {"examples": {}}, "examples is no list"),
        (task_file(choice_prefix=3), "choice_prefix is '3'; it must be a text"),
        (task_file("What?"), "example 1: it has no text as input"),
        (task_file(example(0), {"input": ["a"], "target_scores": {}}), "example 2: it has no text as input"),
        (task_file({"input": "2 + 2", "target": "4"}), "example 1: it has no target_scores"),
        (
            task_file({"input": "?", "target_scores": {"a": "1", "b": 0}}),
            "example 1: it has no target_scores",
        ),
        (
            task_file({"input": "?", "target_scores": {"a": float("nan"), "b": 0}}),
            "example 1: it has no target_scores",
        ),
        (task_file({"input": "?", "target_scores": {"a": 1}}), "example 1: none of its 1 answers is better"),
        (
            task_file({"input": "?", "target_scores": {"a": 0, "b": 0}}),
            "example 1: none of its 2 answers is better",
        ),
    ],
)
def test_a_task_of_another_form_is_named(found: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "packed", {"snarks": found}, package=False)
    with pytest.raises(InputError, match=f"packed: snarks/task.json: {message}"):
        load_task(TASK, path)


def test_an_archive_without_these_tasks_is_refused(tmp_path: Path) -> None:
    """Such as one of programs only."""
    with tarfile.open(tmp_path / "packed", "w:xz"):
        pass
    for path in (tmp_path / "packed", pack(tmp_path / "programs", {"snarks/task.py": b"raise SystemExit"})):
        with pytest.raises(InputError, match="it holds none of the tasks of Table A7"):
            load_task(TASK, path)


def test_the_package_goes_before_the_smaller_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    asked: list[tuple[str, ...]] = []

    def refuse(*package: str, size: str) -> Path:
        asked.append(package)
        raise InputError(f"it is out of reach ({size})")

    monkeypatch.setattr(bigbench, "fetch_source_package", refuse)
    with pytest.raises(
        InputError, match=r"task bigbench: it is out of reach \(358 MB\); put bigbench-1.0.0.tar.gz"
    ):
        load_task(TASK)
    (tmp_path / "eval").mkdir()
    small = archive(tmp_path / "eval" / bigbench._SUBSET, {"snarks": task_file()}, package=False)
    assert load_task(TASK).path == small
    assert len(asked) == 1
    (tmp_path / "eval" / "bigbench-1.0.0.tar.gz").touch()
    with pytest.raises(InputError, match="out of reach"):
        load_task(TASK)


def test_names_of_the_table_are_those_of_the_sizes() -> None:
    names = printed_tasks()
    sizes = {row["task"] for row in load_paper_table("task_sizes").rows if row["suite"] == "BIG-bench"}
    assert set(names.values()) == sizes and len(names) == 62
    assert set(bigbench._RELEASED) < sizes


@pytest.mark.filterwarnings("ignore")  # of lm_eval
@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_examples_are_other_items_of_the_same_task(own_model: OwnModel, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="the extra eval is not installed")
    from chinchilla_lib.evaluation.harness import run_task

    plain = {"append_choices_to_input": False, "example_input_prefix": "", "example_output_prefix": " "}
    odd = task_file(
        *({"input": f"Odd {i}?", "target_scores": {"o": 1, "e": 0.25}} for i in range(3)), **plain
    )
    files = {"snarks": task_file(**plain, task_prefix="Say.\n"), "navigate": odd}
    loaded = load_task(TASK, archive(tmp_path / "packed", files, package=False))
    score = run_task(own_model, loaded, n_items=2, n_shots=2)
    first, second = (sample["arguments"][0][0] for sample in score.samples)
    *shown, asked = first.removeprefix("Say.\n").split("\n")
    assert first.startswith("Say.\n") and asked == "Is 0 even? " and len(set(shown)) == 2
    assert set(shown) < {f"Is {i} even? {'no' if i % 2 else 'yes'}" for i in range(1, 8)}
    assert second.count("Odd") == 3 and "even" not in second
    assert score.parts["navigate"]["acc"].value in (1.0, 0.25)
    assert set(score.parts) == {"SNARKS", "navigate"}
    with pytest.raises(InputError, match="only 2 examples"):
        run_task(own_model, loaded, n_items=2, n_shots=3)


def test_parts_of_a_task_count_once_each() -> None:
    parts = {"a/x": Score(0.5, 0.3, 9), "a/y": Score(1.0, 0.4, 1), "b": Score(0.25, None, 1)}
    assert mean_by_task({part: {"acc": score} for part, score in parts.items()}) == {
        "a": Score(0.75, 0.25, 10),
        "b": Score(0.25, None, 1),
    }
