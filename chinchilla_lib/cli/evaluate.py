"""``chinchilla-lib evaluate``: score a model on tasks of the paper's suite, run by lm-eval."""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.catalogue import TASKS, find_task
from chinchilla_lib.evaluation.scores import Score
from chinchilla_lib.evaluation.tasks import LoadedTask, load_task

__all__ = ["register", "run"]

_EPILOG: Final = f"""\
examples:
  chinchilla-lib evaluate models/tiny.safetensors --tasks lambada,hellaswag --limit 200 --json out.json
  chinchilla-lib evaluate HuggingFaceTB/SmolLM2-135M --tasks piqa --limit 100

tasks: {", ".join(TASKS)}. Their items are files in the folder 'eval' of the one that CHINCHILLA_DATA names.
A task whose file is missing is left out, with a message, and the others are run; the exit status is then 1.
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help=COMMANDS["evaluate"],
        description="Score a model on tasks: value, standard error, number of items, the first prompt.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a checkpoint of ours, or a folder or name of Hugging Face")
    add("--tasks", required=True, metavar="A,B", help="names, parted by commas")
    add("--limit", type=int, metavar="N", help="first N items of each task, of its parts in turn (all)")
    add("--shots", type=int, metavar="K", help="examples before each item (as the paper has it)")
    add(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="tokenizer.json of a checkpoint of ours (beside it, or in the workspace's corpus)",
    )
    add("--json", type=Path, metavar="FILE", help="write scores and what each item was answered")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    for name, value, least in (("--limit", options.limit, 1), ("--shots", options.shots, 0)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}; give {least} or more")
    check_json(options.json, {"MODEL": options.model})
    names = list(dict.fromkeys(name.strip() for name in options.tasks.split(",") if name.strip()))
    if not names:
        raise InputError(f"--tasks names none; choose of {', '.join(TASKS)}")
    loaded, missing = _load(names)
    if not loaded:
        raise InputError("; ".join(missing.values()))
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from chinchilla_lib.evaluation.harness import run_task  # torch and lm_eval, only when they are needed
    from chinchilla_lib.evaluation.models import open_model

    model = open_model(
        options.model, tokenizer=options.tokenizer, corpora=workspace.folder("corpora").glob("*")
    )
    report: dict[str, Any] = {"model": model.name, "tasks": {}, "missing": missing}
    for task in loaded:
        score = run_task(
            model, task, n_items=options.limit, n_shots=options.shots, on_progress=_Progress(task.task.name)
        )
        sys.stderr.write("\n")
        print(
            f"{score.task} (version {score.version}, {score.n_items} items, {score.n_shots} examples before "
            f"each, {score.seconds:.1f} s)"
        )
        for metric, found in score.metrics.items():
            error = "" if found.standard_error is None else f" +- {found.standard_error:.4f}"
            print(f"  {metric:16}{found.value:10.4f}{error}")
        report["tasks"][score.task] = {
            "version": score.version,
            "n_items": score.n_items,
            "n_shots": score.n_shots,
            "metrics": _metrics(score.metrics),
            "parts": {part: _metrics(metrics) for part, metrics in score.parts.items()},
            "sha256": score.sha256,
            "example_prompt": score.example,
            "seconds": round(score.seconds, 2),
            "items": [_item(sample, score.metrics) for sample in score.samples],
        }
    write_json(options.json, report)
    return 1 if missing else 0


def _load(names: list[str]) -> tuple[list[LoadedTask], dict[str, str]]:
    """Tasks that are there; of the others, what is missing."""
    loaded, missing = [], {}
    for task in [find_task(name) for name in names]:
        try:
            loaded.append(load_task(task))
        except InputError as error:
            missing[task.name] = str(error)
            sys.stderr.write(f"left out: {error}\n")
    return loaded, missing


def _metrics(metrics: dict[str, Score]) -> dict[str, Any]:
    return {
        name: {"value": score.value, "standard_error": score.standard_error, "n": score.n}
        for name, score in metrics.items()
    }


def _item(sample: dict[str, Any], metrics: dict[str, Score]) -> dict[str, Any]:
    """What a comparison item by item needs."""
    answers = [response[0] for response in sample["resps"]]
    if all(isinstance(answer, str) for answer in answers):
        answered: dict[str, Any] = {"texts": answers}
    else:
        answered = {"log_likelihoods": [float(a[0] if isinstance(a, tuple | list) else a) for a in answers]}
    return {
        "index": sample["item_index"],
        **answered,
        "metrics": {name: sample[name] for name in metrics},
    }


class _Progress:
    """Requests done and their pace, on one line."""

    def __init__(self, name: str) -> None:
        self._name, self._n_done, self._started = name, 0, time.monotonic()

    def __call__(self, n_more: int) -> None:
        self._n_done += n_more
        pace = self._n_done / max(1e-9, time.monotonic() - self._started)
        sys.stderr.write(f"\r{self._name}: {self._n_done} answers scored, {pace:.0f} a second ")
        sys.stderr.flush()
