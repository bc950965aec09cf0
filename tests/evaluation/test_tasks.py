import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.tasks import TASKS, find_task, load_task

ITEMS: dict[str, dict[str, Any]] = {
    "lambada": {"text": "the dog sees the cat"},
    "hellaswag": {"ctx": "A dog", "endings": ["sits.", "flies.", "reads."], "label": 0},
    "piqa": {"goal": "Cut bread.", "sol1": "Use a knife.", "sol2": "Use a spoon.", "label": 0},
    "winogrande": {
        "sentence": "The dog saw the cat and _ ran.",
        "option1": "dog",
        "option2": "cat",
        "label": 1,
    },
    "social_iqa": {"question": "Ann cried. Why?", "choices": ["sad", "rich", "tall"], "label": 0},
}
"""An item of each task, made here."""


def write(path: Path, *lines: str) -> Path:
    text = "".join(line + "\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def test_every_task_has_an_item_here() -> None:
    assert set(ITEMS) == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_items_are_read_from_the_data_folder(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    (tmp_path / "eval").mkdir()
    task = find_task(name)
    with pytest.raises(InputError, match=f"task {name}: {task.file} is missing; put it"):
        load_task(task)
    path = write(
        tmp_path / "eval" / f"{task.file}{suffix}", json.dumps(ITEMS[name]), "", json.dumps(ITEMS[name])
    )
    loaded = load_task(task)
    assert loaded.items == (ITEMS[name], ITEMS[name])
    assert loaded.path == path
    assert len(loaded.sha256) == 64


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="there is no task 'chess'; choose of lambada, "):
        find_task("chess")


@pytest.mark.parametrize("name", TASKS)
def test_every_field_is_asked_for(name: str, tmp_path: Path) -> None:
    task = find_task(name)
    for wanted in task.fields:
        for wrong in (None, "", [], 3.5, -1, True):
            line = json.dumps({**ITEMS[name], wanted: wrong})
            path = write(tmp_path / "items.jsonl", json.dumps(ITEMS[name]), line)
            with pytest.raises(InputError, match=f"line 2, field '{wanted}': found .*; it must be"):
                load_task(task, path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"ctx": "A dog", "endi', "line 1: not JSON .* cut short"),
        ("[1, 2]", "line 1: found list; an item is an object"),
        (json.dumps({**ITEMS["hellaswag"], "label": 3}), "field 'label': found 3; there are 3 answers"),
        ("", "the file is empty; hellaswag needs beginnings with four ends"),
    ],
)
def test_a_broken_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_task(find_task("hellaswag"), write(tmp_path / "items.jsonl", line))


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    task = find_task("lambada")
    whole = write(tmp_path / "items.jsonl.gz", *[json.dumps(ITEMS["lambada"])] * 99).read_bytes()
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"cut.jsonl.gz: the file is damaged"):
        load_task(task, cut)
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="damaged"):
        load_task(task, other)
    with pytest.raises(InputError, match="there is no such file; give the passages of lambada"):
        load_task(task, tmp_path / "none.jsonl")
