"""Exercise and solution from one cell: what the page, the sheet and the build make of it."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from book._tools import exercises, notebooks
from book._tools.exercises import folded, pairs, sheet
from book._tools.project import BuildError, Project

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = Project(ROOT).notebook_names()
CELL = """\
# @title Solution
def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


assert double(2) == 4"""


def chapter(cell: str = CELL, task: bool = True) -> Any:
    """A notebook with one exercise."""
    cells = [nbformat.v4.new_markdown_cell("### Exercise: twice\n\nDouble it.")] * task
    made = nbformat.v4.new_code_cell(cell, metadata={"tags": ["exercise"]})
    document = nbformat.v4.new_notebook(cells=[*cells, made])
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return document


def test_the_page_shows_the_starter_and_folds_the_solution() -> None:
    staged = nbformat.reads(folded(nbformat.writes(chapter()).encode(), "x").decode(), as_version=4)
    task, cell = staged.cells
    assert task.source.endswith("```python\ndef double(x):\n    ...\n\n\nassert double(2) == 4\n```")
    assert cell.source == "def double(x):\n    return 2 * x\n\n\nassert double(2) == 4"
    assert "hide-cell" in cell.metadata.tags
    assert cell.metadata.mystnb.code_prompt_show == "Show the solution"


def test_a_sheet_has_gaps_and_no_solution() -> None:
    text = sheet(nbformat.writes(chapter()), "x")
    assert "2 * x" not in text and "SOLUTION" not in text and "@title" not in text and "    ..." in text


@pytest.mark.parametrize(
    ("cell", "task", "message"),
    [
        (CELL.replace("    # END SOLUTION\n", ""), True, r"x.ipynb, cell .*needs '# BEGIN SOLUTION'"),
        (CELL.replace("# BEGIN SOLUTION", "#"), True, "without its other half"),
        (CELL.replace("# END", "# BEGIN"), True, "without its other half"),
        ("# @title Solution\n1", True, "needs"),
        (CELL.removeprefix("# @title Solution\n"), True, "begins with the line"),
        (CELL, False, "follows a markdown cell"),
    ],
)
def test_a_malformed_exercise_is_named(cell: str, task: bool, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        pairs(chapter(cell, task), "x")


@pytest.mark.parametrize("checks", ["assert double(2) == 4", "print(1)"])
def test_an_exercise_whose_checks_pass_on_a_blank_answer_stops_the_build(checks: str, tmp_path: Path) -> None:
    source, target = tmp_path / "x.ipynb", tmp_path / "out" / "x.ipynb"
    nbformat.write(chapter(CELL.replace("assert double(2) == 4", checks)), source)
    if checks.startswith("print"):
        with pytest.raises(BuildError, match="pass on a blank answer"):
            notebooks.execute(Project(tmp_path), source, target)
        return
    notebooks.execute(Project(tmp_path), source, target)
    assert [cell.source for cell in nbformat.read(target, as_version=4).cells][1] == CELL


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_an_exercise(name: str) -> None:
    document = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    found = pairs(document, name)
    assert found
    text = sheet(nbformat.writes(document), name)
    for task, cell, begun in found:
        assert task.source.lstrip().startswith(("### Exercise", "## Exercise")), task.source[:40]
        assert "assert" in begun
        solved = set(exercises.solution(cell.source).splitlines()) - set(begun.splitlines())
        assert [line for line in solved if len(line.strip()) > 25 and line in text] == []


def test_nothing_else_in_a_chapter_bears_the_marks() -> None:
    for name in CHAPTERS:
        document = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        others = [cell.source for cell in document.cells if not exercises.has(cell, exercises.TAG)]
        assert not re.search(r"(BEGIN|END) SOLUTION", "\n".join(others)), name


@pytest.mark.book
def test_built_pages_fold_their_solutions(site: Path) -> None:
    for name in CHAPTERS:
        page = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert "Show the solution" in page, name
        assert "SOLUTION" not in page and "_starter_passes" not in page, name
