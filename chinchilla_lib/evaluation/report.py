"""What an evaluation found, as plain values: written, taken up again, recorded."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._outside import parse_json
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
        report = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, InputError) as error:
        raise InputError(f"{path}: not a report of an evaluation ({error})") from None
    if not (
        isinstance(report, dict)
        and isinstance(report.get("tasks"), dict)
        and isinstance(report.get("model"), str)
    ):
        raise InputError(f"{path}: not a report of an evaluation; it holds no model and tasks")
    for task, found in report["tasks"].items():
        if (wrong := _wrong_field(found)) is not None:
            raise InputError(
                f"{path}: no report of an evaluation; in {task[:60]!r}, {wrong} is missing or of another form"
            )
    return report


def _wrong_field(found: Any) -> str | None:
    """First field of a task that is not as `task_report` writes it."""
    if not isinstance(found, dict):
        return "its fields"
    for name, good in _FIELDS.items():
        if name not in found or not good(found[name]):
            return name
    named = found["metrics"].keys()
    whole = all(item["metrics"].keys() >= named for item in found["items"])
    return None if whole else "a metric of an item"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_score(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_number(value.get("value"))
        and (value.get("standard_error", "") is None or _is_number(value.get("standard_error")))
        and _is_count(value.get("n"))
    )


def _are_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_score, value.values()))


def _is_metric(value: Any) -> bool:
    """A number, or a sum and over how many words or bytes it is spread."""
    if isinstance(value, list):
        return len(value) == 2 and all(map(_is_number, value)) and abs(value[1]) >= 1
    return isinstance(value, bool) or _is_number(value)


def _are_items(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and _is_count(item.get("index"))
        and isinstance(item.get("metrics"), dict)
        and all(map(_is_metric, item["metrics"].values()))
        for item in value
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_FIELDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "version": _is_count,
    "n_items": _is_count,
    "n_shots": _is_count,
    "metrics": _are_scores,
    "chance": lambda value: value is None or _is_number(value),
    "parts": lambda value: isinstance(value, dict) and all(map(_are_scores, value.values())),
    "sha256": _is_text,
    "examples_from": _is_text,
    "example_prompt": _is_text,
    "seconds": _is_number,
    "items": _are_items,
}


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
        metrics, others = (list(report["tasks"][task]["metrics"]) for report in (first, second))
        if set(metrics) != set(others):
            raise InputError(
                f"{task}: its metrics are {', '.join(metrics)} and {', '.join(others)}; ask both alike"
            )
        compared += [
            compare_items(_of_items(first, task, metric), _of_items(second, task, metric))
            for metric in metrics
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
