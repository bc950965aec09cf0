"""Every assignment: its master passes, blank gets nothing, wrong answers lose their due, harm does none.

`make test` runs this for the first assignment, `make test-coursework` for all.
"""

import tomllib
from pathlib import Path

import pytest
from hostile import CELLS, Hostile
from test_grading import check_attack

from coursework._tools import assignments, matrix, sandbox
from coursework._tools.assignments import Assignment, CourseworkError, build, names
from coursework._tools.grading import grade, read_submission
from coursework._tools.matrix import differs, examples, replace_once

REAL = names()
FIRST = REAL[0]


def marked(name: str, *more: object) -> object:
    """A case of an assignment; all but the first one's are left to `make test-coursework`."""
    marks = () if name == FIRST else (pytest.mark.all_assignments,)
    return pytest.param(name, *more, marks=marks)


def example_names(name: str) -> list[str]:
    entries = tomllib.loads((assignments.MASTERS / name / "wrong.toml").read_text())["wrong"]
    return ["master", "blank", *(entry["name"] for entry in entries)]


@pytest.mark.parametrize(("name", "example"), [marked(n, e) for n in REAL for e in example_names(n)])
def test_an_example_gets_the_points_it_must(name: str, example: str) -> None:
    assignment = build(name)
    [one] = [one for one in examples(assignment) if one.name == example]

    result = grade(one.notebook, assignment, Path(f"{example}.ipynb"), kind=sandbox.isolation())
    assert differs(one, result) == ""


@pytest.mark.parametrize("name", REAL)
def test_there_are_four_wrong_answers_that_lose_points_and_keep_others(name: str) -> None:
    known = examples(build(name))
    most = sum(known[0].points.values())
    lost = [most - sum(one.points.values()) for one in known[2:]]
    assert len(lost) >= 4 and all(0 < points < most for points in lost)


@pytest.mark.parametrize("hostile", CELLS, ids=lambda hostile: hostile.name)
@pytest.mark.parametrize("name", [marked(name) for name in REAL])
def test_a_hostile_cell_in_a_blank_assignment_gets_nothing(name: str, hostile: Hostile) -> None:
    """The solved version, which keeps its points, is tried on the tiny assignment, where it takes seconds."""
    seconds = 30 if hostile.name == "loops-for-ever" else 120
    blank_only = Hostile(hostile.name, hostile.cell, False, hostile.statuses)
    check_attack(build(name), blank_only, sandbox.isolation(), seconds=seconds, cell_seconds=6)


def test_a_wrong_answer_must_name_one_place_and_known_questions(tiny: Assignment) -> None:
    notebook = read_submission(tiny.solved)[1]
    for find in ("nowhere", "double"):
        with pytest.raises(CourseworkError, match="must occur once"):
            replace_once(notebook, find, "", "label")
    assert [one.name for one in examples(tiny)] == ["master", "blank", "squares"]


def test_a_difference_is_told(tiny: Assignment) -> None:

    right, blank, _ = examples(tiny)
    result = grade(blank.notebook, tiny, Path("x.ipynb"), kind=sandbox.isolation())
    assert "q1 0 for 4 (failed: test_one, test_negative)" in differs(right, result)
    proof = matrix.prove("tiny", 0, 2, sandbox.isolation(), lambda _: None)
    assert proof.wrong == 0 and set(proof.seconds) == {"master", "blank", "squares"}
