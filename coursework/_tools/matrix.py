"""Prove an assignment: its master passes, its blank version gets nothing, wrong answers lose their due."""

from __future__ import annotations

import json
import platform
import subprocess
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chinchilla_lib._processor import processor_name
from coursework._tools.assignments import MASTERS, ROOT, Assignment, CourseworkError, build
from coursework._tools.grading import GRADED, Result, grade, read_submission


@dataclass(frozen=True)
class Example:
    """A submission whose points are known before it is graded."""

    name: str
    notebook: Any
    points: dict[str, float]


def examples(assignment: Assignment) -> list[Example]:
    """The master's own solution, the blank notebook, and the typical wrong answers."""
    full = {question.name: question.points for question in assignment.tested}
    found = [
        Example("master", read_submission(assignment.solved)[1], full),
        Example("blank", read_submission(assignment.student)[1], dict.fromkeys(full, 0.0)),
    ]
    text = (MASTERS / assignment.name / "wrong.toml").read_text()
    for entry in tomllib.loads(text)["wrong"]:
        label = f"{assignment.name}: wrong answer {entry['name']!r}"
        if not set(entry["loses"]) <= set(full):
            raise CourseworkError(f"{label}: loses points at {set(entry['loses']) - set(full)}, unknown")
        notebook = read_submission(assignment.solved)[1]
        replace_once(notebook, entry["find"], entry["replace"], label)
        points = {name: full[name] - entry["loses"].get(name, 0) for name in full}
        found.append(Example(entry["name"], notebook, points))
    return found


def replace_once(notebook: Any, find: str, replace: str, label: str) -> None:
    """Change the one place in a notebook's code that reads ``find``."""
    places = [cell for cell in notebook.cells if cell.source.count(find)]
    if sum(cell.source.count(find) for cell in places) != 1:
        raise CourseworkError(f"{label}: its text must occur once in the solved notebook: {find!r}")
    places[0].source = places[0].source.replace(find, replace)


@dataclass(frozen=True)
class Proof:
    """How many examples were graded, how many came out wrong, and what each took."""

    wrong: int
    seconds: dict[str, float]


def prove(name: str, variant: int, jobs: int, kind: str, say: Callable[[str], None]) -> Proof:
    """Grade all examples of an assignment."""
    assignment = build(name, variant)
    known = examples(assignment)
    wrong, seconds = 0, {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(grade, one.notebook, assignment, Path(f"{one.name}.ipynb"), kind=kind): one
            for one in known
        }
        for future in as_completed(futures):
            example, result = futures[future], future.result()
            trouble = differs(example, result)
            wrong += bool(trouble)
            seconds[example.name] = result.seconds
            say(f"{name}, {example.name}: {result.total:g} points, {result.seconds:.1f} s{trouble}")
    say(f"{name}: {len(known)} examples, {wrong} of them wrong")
    return Proof(wrong, seconds)


def record(proofs: dict[str, Proof], jobs: int, kind: str) -> None:
    """Write down what grading took, for the page for lecturers."""
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    measured = {
        "command": f"python -m coursework._tools matrix --jobs {jobs} --record",
        "commit": revision.stdout.strip(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "device": processor_name().split(",")[0],
        "python": platform.python_version(),
        "isolation": kind,
        "jobs": jobs,
        "seconds": {
            name: {
                "solved": round(proof.seconds["master"], 1),
                "blank": round(proof.seconds["blank"], 1),
                "examples": len(proof.seconds),
            }
            for name, proof in proofs.items()
        },
    }
    (ROOT / "coursework" / "measured.json").write_text(json.dumps(measured, indent=1) + "\n")


def differs(example: Example, result: Result) -> str:
    """Where a result is not what the example must get; empty if it is."""
    if result.status != GRADED:
        return f" -- {result.status}: {result.reason}"
    off = [
        f"{name} {result.points[name]:g} for {points:g} (failed: {', '.join(result.failed[name]) or 'none'})"
        for name, points in example.points.items()
        if result.points[name] != points
    ]
    return f" -- WRONG: {'; '.join(off)}" if off else ""
