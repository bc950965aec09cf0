"""From a master to the two versions of an assignment."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from coursework._tools import assignments
from coursework._tools.assignments import Assignment, CourseworkError, build, names
from coursework._tools.hidden import collapsed, hidden_lines


def sources(path: Path) -> str:
    """All cells of a notebook."""
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_students_get_the_question_its_visible_check_and_nothing_to_copy(tiny: Assignment) -> None:
    text = sources(tiny.student)
    assert "def double(x):" in text and "test_one" in text and "    ..." in text
    assert "test_negative" not in text and "# BEGIN" not in text and "otter" not in text
    assert re.search(r'^ASSIGNMENT = "tiny"$', text, re.MULTILINE)


def test_hidden_lines_are_those_of_solutions_hidden_tests_and_model_answers(masters: Path) -> None:
    assert hidden_lines((masters / "tiny" / "master.py").read_text()) == {
        "the_answer_that_nobody_may_see_before_time = 2 * x",
        "return the_answer_that_nobody_may_see_before_time",
        'assert double(number) == 2 * number, "a sentence of a hidden test, which students must not see"',
        "A model answer of a written question, long enough to be looked for.",
    }


def test_a_course_sets_its_variant_everywhere_and_gets_other_files(masters: Path) -> None:
    first, second = build("tiny"), build("tiny", 7)
    assert "variant = 0" in sources(first.student)
    assert "variant = 7" in sources(second.student) and "variant = 0" not in sources(second.student)
    assert first.digest != second.digest and first.folder != second.folder


def test_a_built_assignment_is_left_alone_until_its_source_changes(
    masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "masters" / "tiny"
    copy.mkdir(parents=True)
    for path in (masters / "tiny").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(assignments, "MASTERS", tmp_path / "masters")
    monkeypatch.setattr(assignments, "BUILT", tmp_path / "built")
    made = build("tiny").autograder.stat().st_mtime_ns
    assert build("tiny").autograder.stat().st_mtime_ns == made
    text = (copy / "master.py").read_text()
    (copy / "master.py").write_text(text.replace("Define `double`", "Write `double`"))
    assert "Write `double`" in sources(build("tiny").student)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("master.py", "# points: 4", "# points: 5", r"question q1: 5 points and 2 tests with 4"),
        ("master.py", "# manual: true", "# manual: false", r"question q2: 5 points and 0 tests"),
        ("assignment.toml", "points = 9", "points = 8", r"add up to 9.0 points, not to 8"),
        ("assignment.toml", 'hours = "1"', "", r"needs .*'hours'"),
        ("master.py", "# # END QUESTION", "", r"otter assign failed"),
    ],
)
def test_mistakes_of_an_instructor_are_named(
    masters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    old: str,
    new: str,
    message: str,
) -> None:
    copy = tmp_path / "masters" / "tiny"
    copy.mkdir(parents=True)
    for path in (masters / "tiny").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(assignments, "MASTERS", tmp_path / "masters")
    monkeypatch.setattr(assignments, "BUILT", tmp_path / "built")
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    with pytest.raises(CourseworkError, match=message):
        build("tiny")


def test_a_master_that_fails_its_own_tests_is_not_handed_out(
    masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "masters" / "tiny"
    copy.mkdir(parents=True)
    for path in (masters / "tiny").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(assignments, "MASTERS", tmp_path / "masters")
    monkeypatch.setattr(assignments, "BUILT", tmp_path / "built")
    text = (copy / "master.py").read_text().replace("= 2 * x\n", "= 3 * x\n")
    (copy / "master.py").write_text(text)
    with pytest.raises(CourseworkError, match="otter assign failed"):
        build("tiny", run_tests=True)


def test_an_unknown_assignment_is_named_with_those_there_are(masters: Path) -> None:
    with pytest.raises(CourseworkError, match=r"no assignment 'large'; there are: tiny"):
        build("large")


REAL = names()


@pytest.mark.parametrize("name", REAL)
def test_student_files_hold_no_solution_and_need_no_grader(name: str) -> None:
    built = build(name)
    secret = hidden_lines((assignments.MASTERS / name / "master.py").read_text())
    shown = collapsed(built.student.read_text().replace("\\n", " ").replace('\\"', '"'))
    assert [line for line in secret if line in shown] == []
    solved = collapsed(sources(built.solved))
    found = [line for line in secret if line in solved]
    assert len(found) > 20  # the search finds them where they are
    assert not re.search(
        r"\botter\b|BEGIN|HIDDEN", sources(built.student).replace("<!-- BEGIN QUESTION -->", "")
    )


@pytest.mark.parametrize("name", REAL)
def test_points_are_80_by_tests_and_20_by_hand_with_a_rubric_for_each(name: str) -> None:
    built = build(name)
    assert sum(question.points for question in built.tested) == 80
    assert sum(question.points for question in built.written) == 20
    rubric = (assignments.MASTERS / name / "rubric.md").read_text()
    numbers = [q.name.removeprefix("q") for q in built.written]
    assert [n for n in numbers if not re.search(rf"\b(q|Question ){n}\b", rubric)] == []
    assert "goal" in rubric.lower()


@pytest.mark.parametrize("name", REAL)
def test_every_hidden_test_tells_students_what_it_was_about(name: str) -> None:
    built = build(name)
    silent = [
        f"{q.name}: {case.name}" for q in built.tested for case in q.cases if case.hidden and not case.message
    ]
    assert silent == []


@pytest.mark.parametrize("name", REAL)
def test_students_import_what_colab_has(name: str) -> None:
    cells = nbformat.read(build(name).student, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    imported = {
        word.split(".")[0] for word in re.findall(r"^\s*(?:import|from) ([\w.]+)", text, re.MULTILINE)
    }
    third = {m for m in imported if m not in __import__("sys").stdlib_module_names}
    assert third <= {"numpy", "scipy", "matplotlib", "pandas", "torch", "chinchilla_lib"}


@pytest.mark.parametrize("name", REAL)
def test_at_least_half_of_the_tested_questions_change_with_the_variant(name: str) -> None:
    stamp = json.loads((build(name).folder / "instructor" / "assignment.json").read_text())
    questions = [q["name"] for q in stamp["questions"] if q["cases"]]
    text = (assignments.MASTERS / name / "master.py").read_text()
    parts = re.split(r"^# # BEGIN QUESTION$", text, flags=re.MULTILINE)[1:]
    varied = [part for part in parts if "# manual: true" not in part and "variant" in part]
    assert len(varied) >= len(questions) / 2
