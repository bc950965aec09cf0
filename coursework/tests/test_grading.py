"""Grading one submission and a folder of them, some of which mean harm."""

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hostile import CELLS, Hostile

from coursework._tools import assignments, grading, sandbox
from coursework._tools.assignments import Assignment, CourseworkError
from coursework._tools.grading import (
    GRADED,
    UNREADABLE,
    Result,
    feedback,
    grade,
    grade_folder,
    read_submission,
)


def attacked(path: Path, assignment: Assignment, hostile: Hostile) -> Any:
    """A notebook with a hostile cell before its first answer."""
    notebook = read_submission(path)[1]
    questions = {question.name: len(question.cases) for question in assignment.tested}
    code = hostile.cell
    if "{" in code:
        code = code.format(root=sandbox.ROOT, questions=questions)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(code))
    return notebook


def check_attack(
    assignment: Assignment, hostile: Hostile, kind: str, seconds: float, cell_seconds: int
) -> None:
    """A blank notebook with the cell gets nothing; a solved one all, if the cell harms only itself."""
    full = sum(question.points for question in assignment.tested)
    versions = [(assignment.student, 0.0)] + [(assignment.solved, full)] * hostile.keeps_points
    for path, points in versions:
        notebook = attacked(path, assignment, hostile)
        limits: dict[str, Any] = {"seconds": seconds, "cell_seconds": cell_seconds}
        result = grade(notebook, assignment, Path("x.ipynb"), kind=kind, **limits)
        assert result.status in hostile.statuses and result.total == points, result
    if kind == sandbox.BUBBLEWRAP:
        places = ("{root}/escaped", "{root}/chinchilla_lib/escaped", "/escaped", "/usr/escaped")
        assert [p for p in places if Path(p.format(root=sandbox.ROOT)).exists()] == []


@pytest.mark.parametrize("hostile", CELLS, ids=lambda hostile: hostile.name)
def test_hostile_cells_get_no_point_that_is_not_earned(tiny: Assignment, hostile: Hostile) -> None:
    if sandbox.isolation() != sandbox.BUBBLEWRAP and hostile.name == "writes-outside":
        pytest.skip("bubblewrap does not work here")
    check_attack(tiny, hostile, sandbox.isolation(), seconds=tiny.seconds, cell_seconds=3)


def put(path: Path, source: Path, change: tuple[str, str] | None = None) -> None:
    """Hand in a notebook, with one text of it changed."""
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if change and change[0] in cell.source:
            cell.source = cell.source.replace(*change)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def with_outputs(notebook: Any) -> Any:
    """A notebook as an editor writes it: metadata gone, cells with outputs."""
    for cell in notebook.cells:
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="4 of 4 points")]
    notebook.metadata = nbformat.from_dict({})
    return notebook


WRONG = ("= 2 * x", "= x * x + x")


@pytest.fixture
def handed_in(tiny: Assignment, tmp_path: Path) -> Path:
    """A class: right, blank, wrong, in folders and not, and files that are no submissions."""
    folder = tmp_path / "class"
    put(folder / "ada.ipynb", tiny.solved)
    put(folder / "bob" / "homework (1).ipynb", tiny.student)
    put(folder / "=cmd|x.ipynb", tiny.solved, WRONG)
    put(folder / "dan" / "tiny.ipynb", tiny.solved, ("ASSIGNMENT =", "ASSIGNMENT_ ="))
    put(folder / "eve" / "tiny.ipynb", tiny.solved, ('ASSIGNMENT = "tiny"', 'ASSIGNMENT = "other-course"'))
    (folder / "fay.ipynb").write_bytes(b"\x00\xff not json")
    (folder / "gus.ipynb").write_text('{"cells": [{"cell_type": "code", "source": 5}], "metadata": []}')
    (folder / "hal.ipynb").symlink_to("/etc/passwd")
    (folder / "ivy.ipynb").write_text("[" * 100_000)
    return folder


def test_a_class_is_graded_to_tables_and_feedback(handed_in: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    out = tmp_path / "out"
    results = grade_folder(handed_in, out, variant=0, jobs=2, kind=sandbox.isolation(), say=lines.append)
    points = {result.student: (result.status, result.total) for result in results}
    assert points == {
        "ada": (GRADED, 4),
        "bob": (GRADED, 0),
        "=cmd|x": (GRADED, 1),
        **dict.fromkeys(("dan", "eve", "fay", "gus", "hal", "ivy"), (UNREADABLE, 0)),
    }
    with (out / "tiny.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["ada"]["points"] == "4" and rows["ada"]["q1"] == "4" and rows["ada"]["q2 (written)"] == ""
    assert rows["'=cmd|x"]["points"] == "1"  # no formula for a spreadsheet
    with (out / "unreadable.csv").open() as file:
        reasons = {row["student"]: row["reason"] for row in csv.DictReader(file)}
    assert "'other-course'; there are: tiny" in reasons["eve"] and "is a link" in reasons["hal"]
    assert "ASSIGNMENT" in reasons["dan"]
    text = (out / "feedback" / "=cmd|x.md").read_text()
    assert "**1 of 4 points**" in text and "negative numbers are doubled, too" in text
    assert "a sentence of a hidden test" not in text and "def " not in text
    assert "q2 (5)" in text
    assert len(list((out / "feedback").rglob("*.md"))) == 9
    record = json.loads((out / "results" / "ada.json").read_text())
    assert record["points"] == {"q1": 4.0} and record["seconds"] > 0


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were graded, by a grader that gives everyone a point at once."""
    files: list[str] = []

    def graded(_: Any, assignment: Assignment, file: Path, *, kind: str, key: str) -> Result:
        files.append(str(file))
        points = {"q1": 1.0}
        return Result(
            file.stem, str(file), assignment.name, GRADED, "", points, {"q1": []}, [], 0.1, kind, key
        )

    monkeypatch.setattr(grading, "grade", graded)
    return files


def test_graded_ones_are_taken_over_and_changed_ones_are_not(
    handed_in: Path, tiny: Assignment, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = handed_in / "graded"

    def once() -> list[str]:
        ran.clear()
        grade_folder(handed_in, out, variant=0, jobs=2, kind=sandbox.isolation(), say=lambda _: None)
        return sorted(ran)

    everyone = ["=cmd|x.ipynb", "ada.ipynb", "bob/homework (1).ipynb"]
    assert once() == everyone
    before = (out / "tiny.csv").read_bytes()
    assert once() == [] and (out / "tiny.csv").read_bytes() == before
    put(handed_in / "ada.ipynb", tiny.solved, WRONG)
    assert once() == ["ada.ipynb"] and (out / "tiny.csv").read_bytes() == before
    (out / "results" / "bob" / "homework (1).json").write_text("{")
    assert once() == ["bob/homework (1).ipynb"]
    monkeypatch.setattr(assignments, "_digest", lambda *_: "the tests have changed")
    assert once() == everyone


def test_an_interrupted_batch_keeps_what_it_has(handed_in: Path, tmp_path: Path, ran: list[str]) -> None:
    def interrupted(line: str) -> None:
        if line.startswith("2 of"):
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        grade_folder(handed_in, out, variant=0, jobs=1, kind=sandbox.isolation(), say=interrupted)
    kept = len(list((out / "results").rglob("*.json")))
    assert kept >= 2
    lines: list[str] = []
    grade_folder(handed_in, out, variant=0, jobs=1, kind=sandbox.isolation(), say=lines.append)
    assert f"{kept} graded before, taken over" in lines


def test_a_fault_of_the_grader_is_one_students_row_and_is_tried_again(
    handed_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = grading.sandbox.run
    broken = True

    def run(*arguments: Any, **options: Any) -> sandbox.Ended:
        if broken and "chinchilla-grade" in str(arguments[2]):
            raise OSError("no space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(grading.sandbox, "run", run)
    options: dict[str, Any] = {"variant": 0, "jobs": 2, "kind": sandbox.isolation(), "say": lambda _: None}
    results = grade_folder(handed_in, tmp_path / "out", **options)
    assert "no space left" in next(r.reason for r in results if r.student == "ada")
    broken = False
    again = grade_folder(handed_in, tmp_path / "out", **options)
    assert {r.student: r.total for r in again}["ada"] == 4


def test_a_folder_without_notebooks_is_named(tiny: Assignment, tmp_path: Path) -> None:
    for folder, words in ((tmp_path, r"holds no \.ipynb"), (tmp_path / "none", "no such folder")):
        with pytest.raises(CourseworkError, match=words):
            grade_folder(folder, tmp_path / "o", variant=0, jobs=1, kind=sandbox.LIMITS, say=lambda _: None)


def test_harm_does_not_stop_a_batch(tiny: Assignment, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    put(folder / "ada.ipynb", tiny.solved)
    harm = [hostile for hostile in CELLS if hostile.name not in ("raises", "exits", "loops")]
    for hostile in harm:
        nbformat.write(with_outputs(attacked(tiny.student, tiny, hostile)), folder / f"{hostile.name}.ipynb")
    results = grade_folder(
        folder, tmp_path / "out", variant=0, jobs=3, kind=sandbox.isolation(), say=lambda _: None
    )
    points = {result.student: result.total for result in results}
    assert points == {"ada": 4, **dict.fromkeys([hostile.name for hostile in harm], 0)}


def test_feedback_gives_names_of_errors_only(tiny: Assignment) -> None:
    notebook = read_submission(tiny.student)[1]
    secret = "raise type('E' + chr(10) + '# injected', (Exception,), {})('the hidden tests say ...')"
    notebook.cells.append(nbformat.v4.new_code_cell(secret))
    result = grade(notebook, tiny, Path("x.ipynb"), kind=sandbox.isolation())
    text = feedback(result, tiny)
    assert "ended with Einjected" in text and "hidden tests say" not in text


def test_the_same_points_with_limits_alone(tiny: Assignment) -> None:
    result = grade(read_submission(tiny.solved)[1], tiny, Path("x.ipynb"), kind=sandbox.LIMITS)
    assert result.status == GRADED and result.total == 4 and result.isolation == "limits"
