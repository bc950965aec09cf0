"""From an instructor's master to what a student gets, and to what the grader needs.

The master is one text file with solutions and hidden tests; otter-grader makes the two versions of it. What
students get needs no otter: the tests that they may see stand in the notebook as plain code.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from book._tools.address import Address
from book._tools.project import Project

ROOT = Path(__file__).resolve().parents[2]
MASTERS = ROOT / "coursework" / "masters"
BUILT = ROOT / "_build" / "coursework"

CONFIG = """\
# ASSIGNMENT CONFIG
name: {name}
init_cell: false
export_cell: false
solutions_pdf: false
generate:
    show_hidden: false
tests:
    files: false
    ok_format: false
"""
VARIANT_LINE = re.compile(r"^(\s*)variant = 0$", re.MULTILINE)
CHECK_CELL = '''\
# @title The function that shows the checks (leave this cell as it is)
ASSIGNMENT = "{name}"


def check(question, *tests):
    """Run the tests of a question that students can see, and say what each found."""
    for test in tests:
        arguments = test.__code__.co_varnames[: test.__code__.co_argcount]
        try:
            test(**{{name: globals().get(name) for name in arguments}})
            print(f"{{question}}: {{test.__name__}}: passed")
        except Exception as error:
            print(f"{{question}}: {{test.__name__}}: NOT passed ({{type(error).__name__}}: {{error}})")'''
CHECKED = "# Question {question}: checks that you can see; others follow when it is graded."
HIDDEN_INPUT = {"cellView": "form", "jupyter": {"source_hidden": True}}


class CourseworkError(Exception):
    """Something the instructor can mend; the message says how."""


@dataclass(frozen=True)
class Case:
    """One test of a question."""

    name: str
    points: float
    hidden: bool
    message: str


@dataclass(frozen=True)
class Question:
    """One question: its tests, or none if a person grades it."""

    name: str
    points: float
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Assignment:
    """A built assignment: where its files lie, its questions, and the limits of grading."""

    name: str
    title: str
    variant: int
    seconds: float
    memory_mb: int
    digest: str
    questions: tuple[Question, ...]
    folder: Path

    @property
    def student(self) -> Path:
        """The notebook that students get."""
        return self.folder / "student" / f"{self.name}.ipynb"

    @property
    def solved(self) -> Path:
        """The notebook with all solutions."""
        return self.folder / "instructor" / f"{self.name}.ipynb"

    @property
    def autograder(self) -> Path:
        """otter's archive of all tests."""
        return self.folder / "instructor" / f"{self.name}-autograder.zip"

    @property
    def tested(self) -> tuple[Question, ...]:
        """Questions with tests."""
        return tuple(question for question in self.questions if question.cases)

    @property
    def written(self) -> tuple[Question, ...]:
        """Questions that a person grades."""
        return tuple(question for question in self.questions if not question.cases)


def names() -> list[str]:
    """Assignments that have a master, in order."""
    return sorted(path.parent.name for path in MASTERS.glob("*/master.py"))


def build(name: str, variant: int = 0, *, run_tests: bool = False) -> Assignment:
    """Make an assignment's two versions, unless they are there and up to date.

    Raises CourseworkError where the master, or with ``run_tests`` its own solution, fails.
    """
    source = MASTERS / name
    if not (source / "master.py").exists():
        raise CourseworkError(f"no assignment {name!r}; there are: {', '.join(names())}")
    folder = BUILT / f"variant-{variant}" / name
    digest = _digest(source, variant)
    stamp = folder / "instructor" / "assignment.json"
    built = json.loads(stamp.read_text()) if stamp.exists() else {}
    if built.get("digest") != digest or (run_tests and not built.get("tested")):
        built = _make(name, source, variant, folder, run_tests) | {"digest": digest, "tested": run_tests}
        stamp.write_text(json.dumps(built, indent=1) + "\n")
    questions = tuple(
        Question(q["name"], q["points"], tuple(Case(**case) for case in q["cases"]))
        for q in built["questions"]
    )
    settings = _settings(source)
    return Assignment(
        name=name,
        title=settings["title"],
        variant=variant,
        seconds=settings["seconds"],
        memory_mb=settings["memory_mb"],
        digest=digest,
        questions=questions,
        folder=folder,
    )


def _settings(source: Path) -> dict[str, Any]:
    settings = tomllib.loads((source / "assignment.toml").read_text())
    wanted = {"title", "hours", "points", "extras", "seconds", "memory_mb"}
    if set(settings) != wanted:
        raise CourseworkError(f"{source / 'assignment.toml'}: has {sorted(settings)}, needs {sorted(wanted)}")
    return settings


def _digest(source: Path, variant: int) -> str:
    """Hash of everything that grading depends on, besides the submission."""
    digest = hashlib.sha256(f"{variant}".encode())
    tools = Path(__file__).parent
    for path in (source / "master.py", source / "assignment.toml", Path(__file__), tools / "judge.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make(name: str, source: Path, variant: int, folder: Path, run_tests: bool) -> dict[str, Any]:
    settings = _settings(source)
    text = VARIANT_LINE.sub(rf"\1variant = {variant}", (source / "master.py").read_text())
    master: Any = jupytext.reads(text, fmt="py:percent")
    master.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    master.cells.insert(0, nbformat.v4.new_raw_cell(CONFIG.format(name=name)))
    for number, cell in enumerate(master.cells):
        cell.id = f"{name}-{number:03d}"
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        nbformat.write(master, work / f"{name}.ipynb")
        command = [sys.executable, "-m", "otter", "assign", f"{name}.ipynb", "dist", "--no-pdfs"]
        if not run_tests:
            command.append("--no-run-tests")
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        archives = list(work.glob("dist/autograder/*.zip"))
        if done.returncode or len(archives) != 1:
            last = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-6:])
            raise CourseworkError(f"{source / 'master.py'}: otter assign failed, and ended with\n{last}")
        tests = _tests(archives[0])
        questions = _questions(master, tests)
        total = sum(question["points"] for question in questions)
        if total != settings["points"]:
            raise CourseworkError(
                f"{name}: its questions add up to {total} points, not to {settings['points']}"
            )
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("student", "instructor"):
            (folder / part).mkdir(parents=True)
        setup = _setup_cells(name, settings["extras"])
        for made, kept in (("student", "student"), ("autograder", "instructor")):
            notebook: Any = nbformat.read(work / "dist" / made / f"{name}.ipynb", as_version=4)
            _plain(notebook, tests, setup)
            nbformat.write(notebook, folder / kept / f"{name}.ipynb")
        shutil.copy(archives[0], folder / "instructor" / f"{name}-autograder.zip")
    return {"questions": questions}


def _tests(archive: Path) -> dict[str, list[tuple[ast.FunctionDef, dict[str, Any], str]]]:
    """Test functions of each question in otter's archive, with their settings and source."""
    found = {}
    with zipfile.ZipFile(archive) as members:
        for member in members.namelist():
            if not re.fullmatch(r"tests/\w[\w.-]*\.py", member):
                continue
            source = members.read(member).decode()
            functions = []
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef) and node.decorator_list:
                    call = node.decorator_list[0]
                    assert isinstance(call, ast.Call)
                    options = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
                    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
                    functions.append((node, options, "\n".join(lines)))
            found[Path(member).stem] = functions
    return found


def _questions(master: Any, tests: dict[str, Any]) -> list[dict[str, Any]]:
    """Questions of a master, in order; their tests' points must add up."""
    questions = []
    for cell in master.cells:
        if cell.cell_type != "raw" or not cell.source.startswith("# BEGIN QUESTION"):
            continue
        name = _option(cell.source, "name")
        points = float(_option(cell.source, "points"))
        cases = [
            {
                "name": node.name,
                "points": float(options["points"]),
                "hidden": bool(options.get("hidden", False)),
                "message": options.get("failure_message", ""),
            }
            for node, options, _ in tests.get(name, [])
        ]
        manual = re.search(r"^manual: true$", cell.source, re.MULTILINE) is not None
        if manual == bool(cases) or (cases and sum(case["points"] for case in cases) != points):
            raise CourseworkError(
                f"question {name}: {points:g} points and {len(cases)} tests with "
                f"{sum(case['points'] for case in cases):g}; tests must add up, and a manual one has none"
            )
        questions.append({"name": name, "points": points, "cases": cases})
    return questions


def _option(text: str, key: str) -> str:
    match = re.search(rf"^{key}: (\S+)$", text, re.MULTILINE)
    if match is None:
        raise CourseworkError(f"a question has no {key}: {text!r}")
    return match.group(1)


def _setup_cells(name: str, extras: str) -> list[Any]:
    """Cells below a student notebook's opening: the install on Colab, and what shows the checks."""
    install = Address.read(Project(ROOT)).colab_cell(extras)
    cells = [] if not extras else [nbformat.v4.new_code_cell(install, id="install")]
    cells.append(nbformat.v4.new_code_cell(CHECK_CELL.format(name=name), id="check"))
    for cell in cells:
        cell.metadata = nbformat.from_dict(HIDDEN_INPUT)
    return cells


def _plain(notebook: Any, tests: dict[str, Any], setup: list[Any]) -> None:
    """Make a notebook that needs no otter: visible tests as code, nothing of otter's in its metadata."""
    for cell in notebook.cells:
        cell.metadata.pop("deletable", None)
        cell.metadata.pop("editable", None)
        match = re.fullmatch(r'grader\.check\("([\w.-]+)"\)', cell.source)
        if match is None:
            continue
        question = match.group(1)
        shown = [
            (node.name, source)
            for node, options, source in tests[question]
            if not options.get("hidden", False)
        ]
        lines = [CHECKED.format(question=question)]
        lines += [source + "\n\n" for _, source in shown]
        called = ", ".join([f'"{question}"', *(function for function, _ in shown)])
        cell.source = "\n".join([*lines, f"check({called})"])
        cell.metadata = nbformat.from_dict({})
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "markdown") + 1
    notebook.cells[first:first] = [nbformat.from_dict(cell) for cell in setup]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03d}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
