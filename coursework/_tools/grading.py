"""Grade a folder of submissions: side by side, resumable, each on its own, into tables and feedback."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from chinchilla_lib._files import open_whole
from coursework._tools import sandbox
from coursework._tools.assignments import CHECKED, Assignment, CourseworkError, build, names

GRADED, CRASHED, TIME, MEMORY, FORGED, UNREADABLE = (
    "graded",
    "crashed",
    "out of time",
    "out of memory",
    "forged",
    "unreadable",
)
EXPLAINED = {
    GRADED: "Your notebook ran from top to bottom, and the tests after it.",
    CRASHED: "Your notebook ended Python itself, so no test could run.",
    TIME: "Your notebook and its tests did not end within the time limit.",
    MEMORY: "Your notebook took more memory than it may.",
    FORGED: "The result did not come from the tests.",
    UNREADABLE: "This is not a notebook of one of the assignments.",
}
NAMED = re.compile(r'^ASSIGNMENT = "([a-z0-9-]+)"$', re.MULTILINE)
CANARIES = 8
LARGEST_NOTEBOOK_MB = 20
CELL_SHARE = 3  # one cell may take this part of the time limit
JUDGE = Path(__file__).with_name("judge.py")


@dataclass(frozen=True)
class Result:
    """What one submission got: points of each tested question, and why if it got none."""

    student: str
    file: str
    assignment: str
    status: str
    reason: str
    points: dict[str, float]
    failed: dict[str, list[str]]
    errors: list[dict[str, Any]]
    seconds: float
    isolation: str
    key: str = field(default="")

    @property
    def total(self) -> float:
        """Points of all tested questions together."""
        return sum(self.points.values())


def submissions(folder: Path, out: Path) -> Iterator[Path]:
    """Notebooks below a folder, in order; what the grader itself wrote is left out."""
    for path in sorted(folder.rglob("*.ipynb")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and out not in path.parents:
            yield path


def grade_folder(
    folder: Path, out: Path, *, variant: int, jobs: int, kind: str, say: Callable[[str], None]
) -> list[Result]:
    """Grade every notebook below ``folder`` and write tables and feedback to ``out``.

    What was graded already, with the same tests, is taken over. Raises CourseworkError if there is nothing.
    """
    folder, out = folder.resolve(), out.resolve()
    if not folder.is_dir():
        raise CourseworkError(f"SUBMISSIONS={folder}: no such folder; name one that holds the notebooks")
    found = list(submissions(folder, out))
    if not found:
        raise CourseworkError(f"SUBMISSIONS={folder}: holds no .ipynb; name the folder of the notebooks")
    assignments = {name: build(name, variant) for name in names()}
    say(f"{len(found)} notebooks, {jobs} at a time, isolation: {kind}")
    done: dict[Path, Result] = {}
    todo = []
    for path in found:
        known = _recorded(out, path.relative_to(folder), assignments)
        if known is not None and known.key == _key(path, assignments.get(known.assignment)):
            done[path] = known
        else:
            todo.append(path)
    if done:
        say(f"{len(done)} graded before, taken over")
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_grade_safely, path, folder, assignments, kind): path for path in todo}
        try:
            for count, future in enumerate(as_completed(futures), start=1):
                result = future.result()
                done[futures[future]] = result
                _write(_record_path(out, Path(result.file)), json.dumps(asdict(result), indent=1) + "\n")
                say(
                    f"{count} of {len(todo)}: {result.file}: {result.status}, "
                    f"{result.total:g} points, {result.seconds:.0f} s"
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    results = [done[path] for path in found]
    write_tables(results, assignments, out)
    return results


def _grade_safely(path: Path, folder: Path, assignments: dict[str, Assignment], kind: str) -> Result:
    """Grade one submission; whatever goes wrong with it is its result."""
    relative = path.relative_to(folder)
    try:
        name, notebook = read_submission(path)
        if name not in assignments:
            raise CourseworkError(f"is of assignment {name!r}; there are: {', '.join(assignments)}")
    except CourseworkError as error:
        return _nothing(relative, None, UNREADABLE, str(error), kind, _key(path, None))
    assignment = assignments[name]
    try:
        return grade(notebook, assignment, relative, kind=kind, key=_key(path, assignment))
    except Exception as error:
        reason = f"the grader itself failed: {type(error).__name__}: {error}"
        return _nothing(relative, assignment, CRASHED, reason, kind, "")  # no key: tried again next time


def read_submission(path: Path) -> tuple[str, Any]:
    """The assignment's name and the notebook, with nothing in it but the sources of its code.

    Editors may drop metadata, so the name stands in the code. Raises CourseworkError for what is no notebook
    of ours.
    """
    if path.is_symlink() or not path.is_file():
        raise CourseworkError("is a link or no file")
    if path.stat().st_size > LARGEST_NOTEBOOK_MB << 20:
        raise CourseworkError(f"is larger than {LARGEST_NOTEBOOK_MB} MB")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        notebook = nbformat.v4.new_notebook()
        for cell in given["cells"]:
            if cell["cell_type"] == "code":
                source = cell["source"]
                text = source if isinstance(source, str) else "".join(source)
                notebook.cells.append(nbformat.v4.new_code_cell(text))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CourseworkError(f"cannot be read as a notebook of an assignment: {error!r}"[:300]) from error
    found = [match for cell in notebook.cells for match in NAMED.findall(cell.source)]
    if not found:
        raise CourseworkError("names no assignment: its cell with the line ASSIGNMENT = ... is gone")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["otter"] = {"assignment_name": found[0]}
    return found[0], notebook


def grade(
    notebook: Any,
    assignment: Assignment,
    file: Path,
    *,
    kind: str,
    key: str = "",
    seconds: float | None = None,
    cell_seconds: int | None = None,
) -> Result:
    """Run a notebook and its tests in a folder of its own, and count the points."""
    limit = assignment.seconds if seconds is None else seconds
    cells = {CHECKED.format(question=question.name): question.name for question in assignment.tested}
    for cell in notebook.cells:
        checked = cells.get(cell.source.partition("\n")[0].rstrip())
        if checked is not None:  # otter runs the question's tests here, with the names as they are now
            cell.metadata["otter"] = {"tests": [checked]}
    canaries = {f"canary-{secrets.token_hex(4)}": [secrets.choice((True, False)) for _ in range(CANARIES)]}
    with tempfile.TemporaryDirectory(prefix="chinchilla-grade-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        nbformat.write(notebook, folder / f"{assignment.name}.ipynb")
        _with_canaries(assignment.autograder, folder / "autograder.zip", canaries)
        arguments = [f"{assignment.name}.ipynb", "autograder.zip"]
        arguments += [str(cell_seconds or max(1, int(limit / CELL_SHARE))), str(assignment.memory_mb)]
        ended = sandbox.run(
            JUDGE, arguments, folder, seconds=limit, memory_mb=assignment.memory_mb, kind=kind
        )
    if ended.limit:
        status = TIME if ended.limit == "time" else MEMORY
        return _nothing(file, assignment, status, EXPLAINED[status], kind, key, ended.seconds)
    answer = _understood(ended.answer, assignment, canaries)
    if answer is None:
        status = FORGED if ended.answer else CRASHED
        return _nothing(file, assignment, status, EXPLAINED[status], kind, key, ended.seconds)
    points: dict[str, float] = {}
    failed: dict[str, list[str]] = {}
    for question in assignment.tested:
        passed = answer["passed"][question.name]
        points[question.name] = sum(
            case.points for case, one in zip(question.cases, passed, strict=True) if one
        )
        failed[question.name] = [
            case.name for case, one in zip(question.cases, passed, strict=True) if not one
        ]
    return Result(
        student=_student(file),
        file=str(file),
        assignment=assignment.name,
        status=GRADED,
        reason="",
        points=points,
        failed=failed,
        errors=answer["errors"],
        seconds=ended.seconds,
        isolation=kind,
        key=key,
    )


def _with_canaries(source: Path, target: Path, canaries: dict[str, list[bool]]) -> None:
    """Copy otter's archive and add tests that are known to pass or fail: a forger does not know which."""
    shutil.copy(source, target)
    with zipfile.ZipFile(target, "a") as archive:
        for name, bits in canaries.items():
            lines = ["from otter.test_files import test_case", "OK_FORMAT = False", f'name = "{name}"']
            for number, bit in enumerate(bits):
                lines += ["@test_case(points=1, hidden=True)", f"def test_{number}():", f"    assert {bit}"]
            archive.writestr(f"tests/{name}.py", "\n".join(lines) + "\n")


def _understood(text: str, assignment: Assignment, canaries: dict[str, list[bool]]) -> dict[str, Any] | None:
    """The judge's answer, if it is whole: every test of every question, and the canaries as made."""
    try:
        answer: dict[str, Any] = json.loads(text)
        passed = answer["passed"]
        wanted = {question.name: len(question.cases) for question in assignment.tested}
        wanted |= {name: len(bits) for name, bits in canaries.items()}
        whole = {name: len(bits) for name, bits in passed.items()} == wanted
        true = all(passed[name] == bits for name, bits in canaries.items())
        return answer if whole and true else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _nothing(
    file: Path,
    assignment: Assignment | None,
    status: str,
    reason: str,
    kind: str,
    key: str,
    seconds: float = 0.0,
) -> Result:
    tested = () if assignment is None else assignment.tested
    return Result(
        student=_student(file),
        file=str(file),
        assignment="" if assignment is None else assignment.name,
        status=status,
        reason=reason,
        points={question.name: 0.0 for question in tested},
        failed={question.name: [case.name for case in question.cases] for question in tested},
        errors=[],
        seconds=seconds,
        isolation=kind,
        key=key,
    )


def _student(file: Path) -> str:
    """Who handed in: the first folder, or the file's name where there is none."""
    return file.parts[0] if len(file.parts) > 1 else file.stem


def _key(path: Path, assignment: Assignment | None) -> str:
    digest = hashlib.sha256(b"" if assignment is None else assignment.digest.encode())
    with contextlib.suppress(OSError):
        if not path.is_symlink() and path.stat().st_size <= LARGEST_NOTEBOOK_MB << 20:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _record_path(out: Path, file: Path) -> Path:
    return out / "results" / file.with_suffix(".json")


def _recorded(out: Path, file: Path, assignments: dict[str, Assignment]) -> Result | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        result = Result(**json.loads(_record_path(out, file).read_text()))
        if result.assignment in {"", *assignments}:
            return result
    return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(path) as file:
        file.write(text)


def write_tables(results: Iterable[Result], assignments: dict[str, Assignment], out: Path) -> None:
    """Write ``NAME.csv`` for each assignment met, ``unreadable.csv``, and a feedback file for each result."""
    by_name: dict[str, list[Result]] = {}
    for result in results:
        by_name.setdefault(result.assignment, []).append(result)
    for name, group in by_name.items():
        assignment = assignments.get(name)
        tested = [] if assignment is None else [q.name for q in assignment.tested]
        written = [] if assignment is None else [q.name for q in assignment.written]
        path = out / f"{name or 'unreadable'}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            heads = ["student", "file", "status", "points", *tested, *(f"{q} (written)" for q in written)]
            table.writerow([*heads, "reason", "seconds", "isolation"])
            for result in group:
                row: list[object] = [_cell(result.student), _cell(result.file), result.status]
                row += [f"{result.total:g}", *(f"{result.points.get(q, 0):g}" for q in tested)]
                row += [""] * len(written) + [_cell(result.reason), f"{result.seconds:.1f}", result.isolation]
                table.writerow(row)
        for result in group:
            target = out / "feedback" / Path(result.file).with_suffix(".md")
            _write(target, feedback(result, assignment))


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def feedback(result: Result, assignment: Assignment | None) -> str:
    """What a student gets to read: points, the visible checks by name, and hints for the hidden ones."""
    lines = [f"# {assignment.title if assignment else 'Not graded'}", "", EXPLAINED[result.status]]
    if assignment is None:
        return "\n".join([*lines, f"The reason: {result.reason}", ""])
    most = sum(question.points for question in assignment.tested)
    lines += ["", f"**{result.total:g} of {most:g} points** by tests.", ""]
    if assignment.written:
        named = ", ".join(f"{q.name} ({q.points:g})" for q in assignment.written)
        lines += [f"Graded by a person, with these points: {named}.", ""]
    for error in result.errors:
        lines.append(f"- code cell {error['cell'] - 1} ended with {error['error']}")
    for question in assignment.tested:
        lines += ["", f"## {question.name}: {result.points[question.name]:g} of {question.points:g}", ""]
        for case in question.cases:
            if case.name not in result.failed[question.name]:
                continue
            what = case.message or "a hidden test" if case.hidden else f"the visible check {case.name}"
            lines.append(f"- not passed ({case.points:g}): {what}")
    return "\n".join(lines) + "\n"
