"""Tasks of the paper's suite as lm-eval runs them, from files that are checked before anything is computed.

A task is a file of JSON lines, what its fields must be, and how a line becomes a prompt and its answers. The
prompts are those of lm-eval, as the paper prints none.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.downloads import data_folder, file_sha256
from chinchilla_lib.errors import InputError

__all__ = ["TASKS", "BenchmarkTask", "LoadedTask", "find_task", "load_task"]

Item = Mapping[str, Any]
_Check = Callable[[Any], bool]


@dataclass(frozen=True)
class BenchmarkTask:
    """A task.

    Attributes
    ----------
    name, section : str
        Its name here; where the paper uses it.
    file : str
        Looked for in the folder ``eval`` of the data folder, as it is or with ``.gz``.
    items : str
        What its lines are, for messages.
    fields : mapping of str to (str, callable)
        What each field of a line must be, in words and as a check.
    config : mapping
        Of lm-eval, but for the name and the items.
    version : int
        Raised when a prompt or a metric changes.
    """

    name: str
    section: str
    file: str
    items: str
    fields: Mapping[str, tuple[str, _Check]]
    config: Mapping[str, Any]
    version: int = 1


@dataclass(frozen=True)
class LoadedTask:
    """A task with its items.

    Attributes
    ----------
    task : BenchmarkTask
    items : tuple of mapping
    sha256 : str
        Of the file.
    path : pathlib.Path
    """

    task: BenchmarkTask
    items: tuple[Item, ...] = field(repr=False)
    sha256: str
    path: Path

    def to_config(self, n_items: int | None = None) -> dict[str, Any]:
        """What lm-eval is given: the first items, or all of them."""
        import datasets

        items = [dict(item) for item in self.items[:n_items]]
        return {
            "task": self.task.name,
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(items)},
            "test_split": "test",
            "metadata": {"version": self.task.version},
            **self.task.config,
        }


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(_is_text, value))


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 26


_TEXT: Final = "a text that is not empty", _is_text
_TEXTS: Final = "a list of two texts or more", _are_texts
_INDEX: Final = "the index of the right answer, from 0", _is_index
_ACCURACY: Final = tuple(
    {"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")
)


def _choice(text: str, choices: str, *, target: str = "label") -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_text": text,
        "doc_to_choice": choices,
        "doc_to_target": target,
        "metric_list": [dict(metric) for metric in _ACCURACY],
    }


def _halves(item: Item) -> tuple[str, str]:
    before, _, after = item["sentence"].partition("_")
    return before, after.strip()


_LAMBADA: Final = {
    "output_type": "loglikelihood",
    "doc_to_text": lambda item: item["text"].rpartition(" ")[0],
    "doc_to_target": lambda item: " " + item["text"].rpartition(" ")[2],
    "metric_list": [
        {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
    ],
}
_WINOGRANDE: Final = {
    # The sentence up to each candidate is the context, what follows is scored: partial evaluation.
    "output_type": "multiple_choice",
    "doc_to_text": lambda item: item["label"],
    "doc_to_choice": lambda item: [_halves(item)[0] + item[f"option{k}"] for k in (1, 2)],
    "doc_to_target": lambda item: _halves(item)[1],
    "metric_list": [dict(_ACCURACY[0])],
}

TASKS: Final[Mapping[str, BenchmarkTask]] = {
    task.name: task
    for task in (
        BenchmarkTask(
            "lambada",
            "4.2.3, Table 7",
            "lambada_openai_test.jsonl",
            "passages",
            {"text": ("a text of two words or more", lambda x: _is_text(x) and " " in x.strip())},
            _LAMBADA,
        ),
        BenchmarkTask(
            "hellaswag",
            "4.2.5, Table 8",
            "hellaswag_val.jsonl",
            "beginnings with four ends",
            {"ctx": _TEXT, "endings": _TEXTS, "label": _INDEX},
            _choice("{{ctx}}", "{{endings}}"),
        ),
        BenchmarkTask(
            "piqa",
            "4.2.5, Table 8",
            "piqa_valid.jsonl",
            "goals with two solutions",
            {"goal": _TEXT, "sol1": _TEXT, "sol2": _TEXT, "label": _INDEX},
            _choice("Question: {{goal}}\nAnswer:", "{{[sol1, sol2]}}"),
        ),
        BenchmarkTask(
            "winogrande",
            "4.2.5, Table 8",
            "winogrande_xl_val.jsonl",
            "sentences with a gap and two candidates",
            {
                "sentence": ("a text with one gap, _", lambda x: _is_text(x) and x.count("_") == 1),
                "option1": _TEXT,
                "option2": _TEXT,
                "label": _INDEX,
            },
            _WINOGRANDE,
        ),
        BenchmarkTask(
            "social_iqa",
            "4.2.5, Table 8",
            "social_iqa_val.jsonl",
            "questions with three answers",
            {"question": _TEXT, "choices": _TEXTS, "label": _INDEX},
            _choice("Question: {{question}}\nAnswer:", "{{choices}}"),
        ),
    )
}
"""Tasks by name."""


def find_task(name: str) -> BenchmarkTask:
    """The task of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}; choose of {', '.join(TASKS)}")
    return TASKS[name]


def load_task(task: BenchmarkTask, path: Path | None = None) -> LoadedTask:
    """Read the items of a task and check every line.

    Parameters
    ----------
    task : BenchmarkTask
    path : pathlib.Path, optional
        Its file; looked for in the data folder when not given.

    Raises
    ------
    InputError
        If the file is missing, empty, cut short, or a line is not as its task asks; the message names file,
        line and field.
    """
    path = path or _find_file(task)
    try:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; give the {task.items} of {task.name}") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path}: the file is damaged ({error}); get it again") from None
    items = tuple(
        _read_line(line, f"{path}: line {number}", task)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not items:
        raise InputError(f"{path}: the file is empty; {task.name} needs {task.items}, one a line")
    return LoadedTask(task, items, file_sha256(path), path)


def _find_file(task: BenchmarkTask) -> Path:
    folder = data_folder("eval")
    for name in (task.file, f"{task.file}.gz"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"task {task.name}: {task.file} is missing; put it, or {task.file}.gz, into {folder} (the folder "
        "that CHINCHILLA_DATA names, and eval in it)"
    )


def _read_line(line: str, where: str, task: BenchmarkTask) -> Item:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON ({error.msg}); the file may be cut short") from None
    if not isinstance(item, dict):
        raise InputError(f"{where}: found {type(item).__name__}; an item is an object")
    for name, (allowed, good) in task.fields.items():
        if not good(item.get(name)):
            raise InputError(
                f"{where}, field {name!r}: found {str(item.get(name))[:40]!r}; it must be {allowed}"
            )
    choices: Sequence[str] = item.get("endings") or item.get("choices") or ["", ""]
    if "label" in task.fields and item["label"] >= len(choices):
        raise InputError(
            f"{where}, field 'label': found {item['label']}; there are {len(choices)} answers, counted from 0"
        )
    return item
