import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.sources import FileSource
from chinchilla_lib.evaluation.tasks import (
    INDEX,
    TEXT,
    TEXTS,
    BenchmarkTask,
    deal_items,
    load_task,
    multiple_choice,
)

ITEM = {"question": "What barks?", "choices": ["a dog", "a cat"], "label": 0, "kind": "animals"}
TASK = BenchmarkTask(
    "barks",
    "none",
    FileSource("barks.jsonl"),
    "questions",
    {"question": TEXT, "choices": TEXTS, "label": INDEX},
    multiple_choice("{{question}}", "{{choices}}"),
    shots=(2, 0),
    examples=FileSource("barks_before.jsonl"),
    examples_in_order=True,
    group="kind",
)


def item(i: int, kind: str) -> dict[str, Any]:
    return {**ITEM, "question": f"{kind} {i}?", "kind": kind}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Items of two kinds, and examples of both."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    write(tmp_path / "eval" / "barks.jsonl", *(item(i, kind) for kind in ("dogs", "cats") for i in range(4)))
    write(
        tmp_path / "eval" / "barks_before.jsonl",
        *(item(10 + i, kind) for kind in ("dogs", "cats") for i in range(3)),
    )
    return tmp_path / "eval"


def test_items_are_dealt_to_parts_in_turn(folder: Path) -> None:
    loaded = load_task(TASK)
    assert len(loaded.sha256) == 64
    assert loaded.path == folder / "barks.jsonl"
    dealt = deal_items(loaded.items, "kind", 3)
    assert {part: [i for i, _ in entries] for part, entries in dealt.items()} == {"dogs": [0, 1], "cats": [4]}
    assert [i for i, _ in deal_items(loaded.items, None, 3)[""]] == [0, 1, 2]
    assert sum(map(len, deal_items(loaded.items, "kind", None).values())) == 8
    for none in (0, -1):
        with pytest.raises(InputError, match=f"n_items is {none}"):
            deal_items(loaded.items, "kind", none)


def test_what_lm_eval_is_given(folder: Path) -> None:
    pytest.importorskip("datasets", reason="the extra eval is not installed")
    configs = load_task(TASK).to_configs(3)
    assert {part: config["task"] for part, config in configs.items()} == {
        "dogs": "barks_dogs",
        "cats": "barks_cats",
    }
    (asked,) = configs["cats"]["custom_dataset"]()["test"]
    assert (asked["question"], asked["item_index"]) == ("cats 0?", 4)
    sampler = configs["cats"]["fewshot_config"]["sampler"]()
    assert [row["question"] for row in sampler.sample(2, asked)] == ["cats 10?", "cats 11?"]


def test_examples_come_from_their_file_or_the_other_items(folder: Path) -> None:
    path = folder / "barks_before.jsonl"
    loaded = load_task(TASK)
    assert (len(loaded.examples), loaded.examples_from) == (6, f"barks_before.jsonl, {file_sha256(path)}")
    drawn = load_task(replace(TASK, examples=None))
    assert (drawn.examples, drawn.examples_from) == (drawn.items, "the other items")
    path.unlink()
    with pytest.raises(InputError, match=r"task barks: barks_before.jsonl is missing"):
        load_task(TASK)
    drawn = load_task(replace(TASK, others_will_do=True))
    assert (drawn.examples, drawn.examples_from) == (drawn.items, "the other items")
    assert load_task(TASK, n_shots=0).examples == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "line 2, field 'question': found ' '; it must be a text that is not empty"),
        ({"choices": ["one"]}, "field 'choices': found .*; it must be a list of two texts or more"),
        ({"choices": ["one", 2]}, "field 'choices'"),
        ({"label": True}, "field 'label': found 'True'; it must be the index"),
        ({"label": 1.0}, "field 'label'"),
        ({"label": 2}, "field 'label': found 2; there are 2 answers, counted from 0"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str, folder: Path) -> None:
    path = write(folder / "wrong.jsonl", ITEM, {**ITEM, **change})
    with pytest.raises(InputError, match=message):
        load_task(TASK, path)


def test_empty_and_missing_files_are_named(folder: Path) -> None:
    with pytest.raises(InputError, match="the file is empty; barks needs questions, one a line"):
        load_task(TASK, write(folder / "none.jsonl"))
    with pytest.raises(InputError, match=r"gone.jsonl: there is no such file"):
        load_task(TASK, folder / "gone.jsonl")
