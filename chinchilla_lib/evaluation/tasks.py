"""A task as lm-eval runs it, from items that are checked before anything is computed.

A task says where its items come from, what their fields must be, and how one becomes a prompt and its
answers. The prompts are those of lm-eval, as the paper prints none.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.downloads import file_sha256
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.examples import examples_sampler
from chinchilla_lib.evaluation.sources import Item, ItemSource

__all__ = [
    "ACCURACY",
    "INDEX",
    "TEXT",
    "TEXTS",
    "BenchmarkTask",
    "LoadedTask",
    "deal_items",
    "load_task",
    "multiple_choice",
]


@dataclass(frozen=True)
class BenchmarkTask:
    """A task.

    Attributes
    ----------
    name, section : str
        Its name here; where the paper uses it.
    source : ItemSource
    items : str
        What its items are, for messages.
    fields : mapping of str to (str, callable)
        What each field of an item must be, in words and as a check.
    config : mapping
        Of lm-eval, but for the name and the items. Each metric names its aggregation.
    shots : tuple of int
        Examples before each item in the paper; the first is taken unless asked otherwise.
    examples : ItemSource, optional
        Where these come from; else from the other items.
    examples_in_order : bool
        Whether these are the first, the same before every item, and not drawn for each.
    others_will_do : bool
        Whether the other items are taken where that source is out of reach.
    group : str, optional
        Field by whose value items make parts of the task, such as subjects: examples are of the same part.
    version : int
        Raised when a prompt or a metric changes.
    """

    name: str
    section: str
    source: ItemSource
    items: str
    fields: Mapping[str, tuple[str, Callable[[Any], bool]]]
    config: Mapping[str, Any]
    shots: tuple[int, ...] = (0,)
    examples: ItemSource | None = None
    examples_in_order: bool = False
    others_will_do: bool = False
    group: str | None = None
    version: int = 1


@dataclass(frozen=True)
class LoadedTask:
    """A task with its items.

    Attributes
    ----------
    task : BenchmarkTask
    items : tuple of mapping
        What is asked.
    sha256 : str
        Of their file.
    path : pathlib.Path
        That file.
    examples : tuple of mapping
        What may stand before an item.
    examples_from : str
        Where these come from: a file and its sha256, or the other items.
    """

    task: BenchmarkTask
    items: tuple[Item, ...] = field(repr=False)
    sha256: str
    path: Path
    examples: tuple[Item, ...] = field(default=(), repr=False)
    examples_from: str = ""

    def to_configs(self, n_items: int | None = None) -> dict[str, dict[str, Any]]:
        """What lm-eval is given, by part of the task; a task without parts is its own.

        Parameters
        ----------
        n_items : int, optional
            The first of them, dealt to the parts in turn; all when not given.
        """
        asked = deal_items(self.items, self.task.group, n_items)
        return {part: self._config(part, items) for part, items in asked.items()}

    def _config(self, part: str, items: list[tuple[int, Item]]) -> dict[str, Any]:
        import datasets

        group = self.task.group
        examples = [item for item in self.examples if not group or item[group] == part]
        asked = datasets.Dataset.from_list([{**item, "item_index": i} for i, item in items])
        sampler = examples_sampler(self.items, examples, in_order=self.task.examples_in_order)
        return {
            "task": f"{self.task.name}_{part}" if group else self.task.name,
            "custom_dataset": lambda **_: {"test": asked},
            "test_split": "test",
            "fewshot_split": "test",  # else lm-eval keeps the item from the sampler
            "fewshot_config": {"sampler": sampler},
            "metadata": {"version": self.task.version},
            **self.task.config,
        }


def deal_items(
    items: tuple[Item, ...], group: str | None, n_items: int | None
) -> dict[str, list[tuple[int, Item]]]:
    """The first items, with their numbers, by part; of several parts, one from each in turn.

    Raises
    ------
    InputError
        If no item is asked for.

    Examples
    --------
    >>> animals = ({"kind": "bird"}, {"kind": "bird"}, {"kind": "cat"})
    >>> {part: [i for i, _ in dealt] for part, dealt in deal_items(animals, "kind", 2).items()}
    {'bird': [0], 'cat': [2]}
    """
    if n_items is not None and n_items < 1:
        raise InputError(f"n_items is {n_items!r}; give 1 or more, or None for all")
    parts: dict[str, list[tuple[int, Item]]] = {}
    for i, item in enumerate(items):
        parts.setdefault(str(item[group]) if group else "", []).append((i, item))
    rounds = itertools.zip_longest(*parts.values())
    dealt = [entry for one_of_each in rounds for entry in one_of_each if entry is not None][:n_items]
    taken = {i for i, _ in dealt}
    kept = {part: [entry for entry in entries if entry[0] in taken] for part, entries in parts.items()}
    return {part: entries for part, entries in kept.items() if entries}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(_is_text, value))


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000


TEXT: Final = "a text that is not empty", _is_text
TEXTS: Final = "a list of two texts or more", _are_texts
INDEX: Final = "the index of the right answer, from 0", _is_index
"""What a field of an item may be, in words and as a check."""

ACCURACY: Final[Mapping[str, Any]] = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
"""Whether the right answer is the likeliest."""
_ACCURACY_PER_BYTE: Final[Mapping[str, Any]] = {**ACCURACY, "metric": "acc_norm"}


def multiple_choice(text: Any, choices: Any, *, target: Any = "label") -> dict[str, Any]:
    """Of lm-eval: the likeliest of some answers, in all and by its length."""
    return {
        "output_type": "multiple_choice",
        "doc_to_text": text,
        "doc_to_choice": choices,
        "doc_to_target": target,
        "metric_list": [dict(ACCURACY), dict(_ACCURACY_PER_BYTE)],
    }


def load_task(task: BenchmarkTask, path: Path | None = None, *, n_shots: int | None = None) -> LoadedTask:
    """Get the items of a task, and examples to put before them, and check each.

    Parameters
    ----------
    task : BenchmarkTask
    path : pathlib.Path, optional
        Their file; looked for in the data folder, and downloaded where it can be, when not given.
    n_shots : int, optional
        Examples before each item, as many as the paper has when not given; with none, none are read.

    Raises
    ------
    InputError
        If the file is missing, empty, cut short, or an item is not as its task asks; the message names file,
        line and field.
    """
    path = path or task.source.find(task.name)
    items = _read(task, task.source, path)
    loaded = LoadedTask(task, items, file_sha256(path), path)
    if not (task.shots[0] if n_shots is None else n_shots):
        return loaded
    if task.examples is not None:
        try:
            found = task.examples.find(task.name)
        except InputError:
            if not task.others_will_do:
                raise
        else:
            examples = _read(task, task.examples, found)
            return replace(loaded, examples=examples, examples_from=f"{found.name}, {file_sha256(found)}")
    return replace(loaded, examples=items, examples_from="the other items")


def _read(task: BenchmarkTask, source: ItemSource, path: Path) -> tuple[Item, ...]:
    items = []
    for where, item in source.read(path):
        _check(task, item, where)
        items.append(item)
    if not items:
        raise InputError(f"{path}: the file is empty; {task.name} needs {task.items}, one a line")
    return tuple(items)


def _check(task: BenchmarkTask, item: Item, where: str) -> None:
    for name, (allowed, good) in task.fields.items():
        if not good(item.get(name)):
            raise InputError(
                f"{where}, field {name!r}: found {str(item.get(name))[:40]!r}; it must be {allowed}"
            )
    choices = item.get("choices") or item.get("endings")
    if "label" in task.fields and choices and item["label"] >= len(choices):
        raise InputError(
            f"{where}, field 'label': found {item['label']}; there are {len(choices)} answers, counted from 0"
        )
