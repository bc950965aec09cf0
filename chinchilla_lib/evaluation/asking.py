"""The models that an experiment kept, asked tasks beside each other; what each answered is kept as JSON."""

import json
import logging
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.catalogue import find_task
from chinchilla_lib.evaluation.scores import summarise_metric
from chinchilla_lib.evaluation.suite.probes import CLOZE, cloze_task
from chinchilla_lib.evaluation.tasks import BenchmarkTask, load_task

__all__ = ["BITS", "Question", "answer_bits", "answer_rows", "ask_models", "prepare_questions", "score_rows"]

BITS: Final = "answer_bits_per_byte"
"""Metric: bits per byte of the right answer, mean over items; what Bhagia et al. (2024) call task loss."""

_KEPT: Final = ("acc", "gain_bits_per_byte", BITS)


@dataclass(frozen=True)
class Question:
    """A task with the file of its items, as it is sent to other processes.

    Attributes
    ----------
    task : str
    path : pathlib.Path
    n_items : int or None
        The first of them; None for all.
    """

    task: str
    path: Path
    n_items: int | None = None


def prepare_questions(
    tasks: Mapping[str, int | None], corpus: Path, *, on_missing: Callable[[str], None]
) -> list[Question]:
    """Find or make the items of tasks.

    Parameters
    ----------
    tasks : mapping of str to (int or None)
        Names, and how many items of each are asked.
    corpus : pathlib.Path
        Folder of the corpus that ``cloze`` is made from.
    on_missing : callable
        Called with a message for each task whose items are not here; it is left out.
    """
    questions = []
    for name, n_items in tasks.items():
        try:
            task = _task(name, corpus)
            questions.append(Question(name, task.source.find(name), n_items))
        except InputError as error:
            on_missing(str(error))
    return questions


def ask_models(
    files: Sequence[Path],
    questions: Sequence[Question],
    *,
    corpus: Path,
    folder: Path,
    n_workers: int,
    on_progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Ask checkpoints of one corpus; what was answered before is read, not asked again.

    Parameters
    ----------
    files : sequence of pathlib.Path
        Checkpoints.
    questions : sequence of Question
    corpus : pathlib.Path
        Folder of the corpus they were trained on.
    folder : pathlib.Path
        Where answers are kept, a file for each model.
    n_workers : int
        Processes; 0 asks in this one.
    on_progress : callable
        Called with the name of each model that has answered.

    Returns
    -------
    dict
        By name of the model: by task ``version``, ``sha256``, ``n_items``, ``n_shots``, ``example_prompt``,
        ``scores`` (part, metric, value, standard error, n) and ``items`` (values by metric).

    Raises
    ------
    InputError
        If a checkpoint or the items of a task cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(file, tuple(questions), corpus, folder / f"{file.stem}.json") for file in files]
    answers = {}
    for file, found in zip(files, _map(jobs, n_workers), strict=True):
        answers[file.stem] = found
        on_progress(file.stem)
    return answers


_Job = tuple[Path, tuple[Question, ...], Path, Path]


def _map(jobs: Sequence[_Job], n_workers: int) -> Iterator[dict[str, Any]]:
    if not n_workers:
        yield from map(_ask, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(_ask, jobs)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _task(name: str, corpus: Path) -> BenchmarkTask:
    return cloze_task(corpus) if name == CLOZE else find_task(name)


def _ask(job: _Job) -> dict[str, Any]:
    file, questions, corpus, path = job
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    answers: dict[str, Any] = {}
    model = None
    for question in questions:
        loaded = load_task(_task(question.task, corpus), question.path)
        n_items = min(len(loaded.items), question.n_items or len(loaded.items))
        asked = {"version": loaded.task.version, "sha256": loaded.sha256, "n_items": n_items}
        found = known.get(question.task, {})
        if not asked.items() <= found.items():
            from chinchilla_lib.evaluation.harness import run_task  # lm_eval, only when something is asked
            from chinchilla_lib.evaluation.models import OwnModel

            logging.getLogger("lm_eval").setLevel(logging.ERROR)
            model = model or OwnModel(file, corpus / "tokenizer.json")
            score = run_task(model, loaded, n_items=n_items, n_shots=0)
            found = {
                **asked,
                "n_shots": 0,
                "example_prompt": score.example,
                **_summary(loaded.task, score.samples),
            }
        answers[question.task] = found
    with open_whole(path) as known_file:
        json.dump(answers, known_file)
    return answers


def answer_bits(sample: Mapping[str, Any]) -> float:
    """Bits per byte of the right answer of an item; of a task without choices, of its one answer.

    Parameters
    ----------
    sample : mapping
        Of a `TaskScore`; where its item has a ``label``, that is the right one.
    """
    right = int(sample["doc"].get("label", 0))
    n_bytes = len(str(sample["arguments"][right][1]).encode())
    return -float(sample["resps"][right][0][0]) / (math.log(2) * n_bytes)


def _summary(task: BenchmarkTask, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    aggregations = {m["metric"]: str(m["aggregation"]) for m in task.config["metric_list"]} | {BITS: "mean"}
    scored = [{**sample, BITS: answer_bits(sample)} for sample in samples]
    parts: dict[str, list[dict[str, Any]]] = {"": scored}
    if task.group:
        for sample in scored:
            parts.setdefault(str(sample["doc"][task.group]), []).append(sample)
    scores = []
    for part, held in parts.items():
        for metric, aggregation in aggregations.items():
            found = summarise_metric(aggregation, [sample[metric] for sample in held])
            scores.append(
                {
                    "part": part,
                    "metric": metric,
                    "value": found.value,
                    "se": found.standard_error,
                    "n": found.n,
                }
            )
    items = {
        metric: [round(float(sample[metric]), 4) for sample in scored]
        for metric in _KEPT
        if metric in aggregations
    }
    return {"scores": scores, "items": items}


def score_rows(answers: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row for each model, task, part and metric."""
    for run_id, tasks in answers.items():
        for task, found in tasks.items():
            for score in found["scores"]:
                yield {
                    "run_id": run_id,
                    "task": task,
                    "part": score["part"],
                    "metric": score["metric"],
                    "value": f"{score['value']:.6g}",
                    "standard_error": "" if score["se"] is None else f"{score['se']:.3g}",
                    "n": score["n"],
                    "version": found["version"],
                    "sha256": found["sha256"],
                }


def answer_rows(answers: Mapping[str, Mapping[str, Any]], run_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """For each of some models, task and metric what every item scored, in one cell."""
    for run_id in run_ids:
        for task, found in answers[run_id].items():
            for metric, values in found["items"].items():
                yield {
                    "run_id": run_id,
                    "task": task,
                    "metric": metric,
                    "values": " ".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values),
                }
