"""Prove an assignment: its master passes, its blank version gets nothing, wrong answers lose their due."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from coursework._tools.assignments import MASTERS, Assignment, CourseworkError, build
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


def prove(name: str, variant: int, jobs: int, kind: str, say: Callable[[str], None]) -> int:
    """Grade all examples of an assignment; the number of those that got other points than they should."""
    assignment = build(name, variant)
    known = examples(assignment)
    wrong = 0
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(
                grade, nbformat.from_dict(one.notebook), assignment, Path(f"{one.name}.ipynb"), kind=kind
            ): one
            for one in known
        }
        for future in as_completed(futures):
            example, result = futures[future], future.result()
            trouble = differs(example, result)
            wrong += bool(trouble)
            say(f"{name}, {example.name}: {result.total:g} points, {result.seconds:.1f} s{trouble}")
    say(f"{name}: {len(known)} examples, {wrong} of them wrong")
    return wrong


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
