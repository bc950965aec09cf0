"""What an evaluation found, as plain values: written, taken up again, recorded."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.paired import ItemScores, PairedScores, compare_items
from chinchilla_lib.evaluation.scores import Score, TaskScore

__all__ = ["compare_reports", "read_report", "score_rows", "task_report"]


def task_report(score: TaskScore, limit: int | None) -> dict[str, Any]:
    """A task's scores, and what a comparison item by item needs."""
    return {
        "version": score.version,
        "n_items": score.n_items,
        "n_shots": score.n_shots,
        "limit": limit,
        "metrics": _metrics(score.metrics),
        "chance": _chance(score.samples),
        "parts": {part: _metrics(metrics) for part, metrics in score.parts.items()},
        "sha256": score.sha256,
        "examples_from": score.examples_from,
        "example_prompt": score.example,
        "seconds": round(score.seconds, 2),
        "items": [_item(sample, score.metrics) for sample in score.samples],
    }


def _chance(samples: Sequence[Mapping[str, Any]]) -> float | None:
    """Share of right answers by guessing; None where answers are not chosen from several."""
    n_choices = [len(sample["resps"]) for sample in samples]
    return None if min(n_choices) < 2 else sum(1 / n for n in n_choices) / len(n_choices)


def _metrics(metrics: Mapping[str, Score]) -> dict[str, Any]:
    return {
        name: {"value": score.value, "standard_error": score.standard_error, "n": score.n}
        for name, score in metrics.items()
    }


def _item(sample: Mapping[str, Any], metrics: Mapping[str, Score]) -> dict[str, Any]:
    answers = [response[0] for response in sample["resps"]]
    if all(isinstance(answer, str) for answer in answers):
        answered: dict[str, Any] = {"texts": answers}
    else:
        answered = {"log_likelihoods": [float(a[0] if isinstance(a, tuple | list) else a) for a in answers]}
    return {"index": sample["item_index"], **answered, "metrics": {name: sample[name] for name in metrics}}


def read_report(path: Path) -> dict[str, Any]:
    """Read what ``chinchilla-lib evaluate --json`` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is something else.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a report of an evaluation ({error})") from None
    if not isinstance(report, dict) or not isinstance(report.get("tasks"), dict) or "model" not in report:
        raise InputError(f"{path}: not a report of an evaluation; it holds no model and tasks")
    return report


def score_rows(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each task, part and metric, for a table; prompts are quoted as JSON, so in one line."""
    for task, found in report["tasks"].items():
        for part, metrics in {"": found["metrics"], **found["parts"]}.items():
            for metric, score in metrics.items():
                yield {
                    "model": report["model"],
                    "task": task,
                    "part": part,
                    "metric": metric,
                    "value": score["value"],
                    "standard_error": score["standard_error"],
                    "chance": "" if part else found["chance"],
                    "n": score["n"],
                    "n_shots": found["n_shots"],
                    "version": found["version"],
                    "sha256": found["sha256"],
                    "examples_from": found["examples_from"],
                    "seconds": "" if part else found["seconds"],
                    "example_prompt": "" if part else json.dumps(found["example_prompt"], ensure_ascii=False),
                }


def compare_reports(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[PairedScores]:
    """Two models on the tasks that both reports hold, item by item.

    A log-likelihood that is spread over words or bytes is compared for each word or byte of an item.

    Raises
    ------
    InputError
        If they share no task, or were not asked the same items with the same number of examples.
    """
    shared = [task for task in first["tasks"] if task in second["tasks"]]
    if not shared:
        raise InputError(f"{first['model']} and {second['model']} share no task")
    compared = []
    for task in shared:
        for field in ("n_shots", "examples_from"):
            a, b = (report["tasks"][task][field] for report in (first, second))
            if a != b:
                raise InputError(f"{task}: {field} is {a!r} and {b!r}; ask both alike")
        compared += [
            compare_items(_of_items(first, task, metric), _of_items(second, task, metric))
            for metric in first["tasks"][task]["metrics"]
        ]
    return compared


def _of_items(report: Mapping[str, Any], task: str, metric: str) -> ItemScores:
    found = report["tasks"][task]
    values = [item["metrics"][metric] for item in found["items"]]
    return ItemScores(
        model=report["model"],
        task=task,
        version=found["version"],
        sha256=found["sha256"],
        metric=metric,
        index=tuple(item["index"] for item in found["items"]),
        values=tuple(v[0] / v[1] if isinstance(v, list | tuple) else float(v) for v in values),
    )
