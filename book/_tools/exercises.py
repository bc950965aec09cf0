"""Exercises of the chapters: one cell is both exercise and solution, so that the two cannot drift.

A cell tagged ``exercise`` is a whole solution with its checks. What stands between ``# BEGIN SOLUTION`` and
``# END SOLUTION`` is the reader's to find: the page shows the rest as a starter, and the solution folded.
"""

from __future__ import annotations

from typing import Any

import nbformat

from book._tools.project import BuildError, Project

TAG = "exercise"
TITLE = "# @title Solution"
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
FOLDED = {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}
TRIED = "exercise-starter"
TRY = """\
def _starter_passes():
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec({starter!r}, dict(globals()))
        except Exception:
            return False
    return True

assert not _starter_passes(), "the checks of this exercise pass on a blank answer"
del _starter_passes"""


def has(cell: Any, tag: str) -> bool:
    """Whether a cell bears a tag."""
    return tag in cell.metadata.get("tags", [])


def starter(source: str, where: str) -> str:
    """What a reader begins with: each solution as ``...``, the rest as it is.

    Raises
    ------
    BuildError
        If the marks do not stand in pairs, or there are none.
    """
    lines: list[str] = []
    inside, found = False, 0
    for line in source.removeprefix(f"{TITLE}\n").splitlines():
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise BuildError(f"{where}: {mark!r} without its other half")
            inside = mark == BEGIN
            found += inside
            if inside:
                lines.append(line[: len(line) - len(line.lstrip())] + "...")
        elif not inside:
            lines.append(line)
    if inside or not found:
        raise BuildError(f"{where}: an exercise needs {BEGIN!r} and {END!r} around what is to be found")
    return "\n".join(lines)


def solution(source: str) -> str:
    """The cell without its title and its marks."""
    lines = source.removeprefix(f"{TITLE}\n").splitlines()
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END))


def pairs(document: Any, name: str) -> list[tuple[Any, Any, str]]:
    """Task, exercise cell and starter of each exercise of a chapter."""
    found = []
    for before, cell in zip([None, *document.cells], document.cells, strict=False):
        if has(cell, TAG):
            where = f"{name}.ipynb, cell {cell.get('id', '?')}"
            if before is None or before.cell_type != "markdown":
                raise BuildError(f"{where}: an exercise follows a markdown cell with its task")
            if not cell.source.startswith(f"{TITLE}\n"):
                raise BuildError(f"{where}: an exercise begins with the line {TITLE!r}")
            found.append((before, cell, starter(cell.source, where)))
    return found


def told_apart(document: Any, name: str) -> list[Any]:
    """Put each starter below its task, and leave the solution to its cell; the cells of solutions."""
    cells = []
    for task, cell, begun in pairs(document, name):
        task.source += f"\n\n```python\n{begun}\n```"
        cell.source = solution(cell.source)
        cells.append(cell)
    return cells


def folded(executed: bytes, name: str) -> bytes:
    """An executed chapter as the book shows it: starters in the text, solutions folded below."""
    document: Any = nbformat.reads(executed.decode(), as_version=4)
    for cell in told_apart(document, name):
        cell.metadata["tags"] = [*cell.metadata["tags"], "hide-cell"]
        cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), **FOLDED}
    return f"{nbformat.writes(document)}\n".encode()


def with_tries(document: Any, name: str) -> Any:
    """A chapter to execute: before each solution its starter is tried, which must fail."""
    for _, cell, begun in pairs(document, name):
        tried = nbformat.v4.new_code_cell(TRY.format(starter=begun), metadata={"tags": [TRIED]})
        document.cells.insert(document.cells.index(cell), tried)
    return document


def without_tries(document: Any) -> None:
    """Take the tries out of an executed chapter."""
    document.cells = [cell for cell in document.cells if not has(cell, TRIED)]


def sheet(text: str, name: str) -> str:
    """A chapter to hand out: starters to fill in, and no solution."""
    document: Any = nbformat.reads(text, as_version=4)
    for _, cell, begun in pairs(document, name):
        cell.source = begun
        cell.metadata = nbformat.from_dict({})
    written: str = nbformat.writes(document)
    return written + "\n"


def write_sheets(project: Project) -> list[str]:
    """Write every chapter's sheet below ``_build/exercises``; the names."""
    folder = project.build / "exercises"
    folder.mkdir(parents=True, exist_ok=True)
    names = project.notebook_names()
    for name in names:
        text = (project.notebooks / f"{name}.ipynb").read_text(encoding="utf-8")
        (folder / f"{name}.ipynb").write_text(sheet(text, name), encoding="utf-8")
    return names
