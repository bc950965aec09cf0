"""Notebooks as committed, as executed, and what happens when one goes wrong."""

import json
import sys
from pathlib import Path

import nbformat
import pytest

from book._tools import notebooks
from book._tools.address import COLAB_TAG
from book._tools.project import BuildError, Project

PROJECT = Project(Path(__file__).resolve().parents[2])
NAMES = PROJECT.notebook_names()


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(PROJECT.notebooks / f"{name}.ipynb", as_version=4)


def tagged(document: nbformat.NotebookNode, tag: str) -> list[int]:
    return [n for n, cell in enumerate(document.cells) if tag in cell.metadata.get("tags", [])]


def test_every_notebook_is_in_the_book() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in PROJECT.notebooks.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_committed_without_results(name: str) -> None:
    document = read(name)
    nbformat.validate(document)
    for cell in document.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert not {"execution", "papermill"} & set(cell.metadata)
    assert document.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", NAMES)
def test_notebook_opens_with_label_title_colab_cell_parameters_and_their_check(name: str) -> None:
    document = read(name)
    assert document.cells[0].cell_type == "markdown"
    assert document.cells[0].source.startswith(f"(chapter-{name})=\n# ")
    assert tagged(document, COLAB_TAG) == [1]
    assert tagged(document, "parameters") == [2]
    assert "check_parameters()" in document.cells[3].source.splitlines()
    checks = [cell for cell in document.cells if "check_parameters()" in cell.source]
    assert len(checks) == 1


@pytest.mark.book
@pytest.mark.parametrize("name", NAMES)
def test_executed_notebook_ran_clean_and_describes_its_figures(name: str, executed: Path) -> None:
    document = nbformat.read(executed / f"{name}.ipynb", as_version=4)
    for number, cell in enumerate(document.cells):
        for output in cell.get("outputs", []):
            where = f"{name}, cell {number}"
            assert output.output_type != "error", where
            assert output.get("name") != "stderr", f"{where}: {output.text}"
            data = output.get("data", {})
            assert "application/vnd.jupyter.widget-view+json" not in data, (
                f"{where}: a widget needs other hosts"
            )
            if any(kind.startswith("image/") for kind in data):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) > 20, f"{where}: a figure without alternative text"
    assert "papermill" not in document.metadata
    assert str(PROJECT.root) not in nbformat.writes(document), "a path of the machine that built the book"


@pytest.mark.book
def test_live_curve_leaves_one_figure(executed: Path) -> None:
    (cell,) = (
        cell
        for cell in nbformat.read(executed / "one-training-run.ipynb", as_version=4).cells
        if "LiveCurve(config)" in cell.source
    )
    assert [output.output_type for output in cell.outputs] == ["display_data"]


@pytest.mark.book
@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameter_is_refused_before_anything_runs(name: str, tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    with pytest.raises(BuildError, match=f"{name}.ipynb has no parameter no_such_name; it has: \\w+"):
        notebooks.execute(PROJECT, PROJECT.notebooks / f"{name}.ipynb", target, {"no_such_name": 1})
    assert not target.exists()


def write(folder: Path, *cells: str) -> Path:
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    document.cells[0].metadata["tags"] = ["parameters"]
    document.metadata["kernelspec"] = {"name": "elsewhere", "display_name": "Elsewhere", "language": "python"}
    path = folder / "example.ipynb"
    nbformat.write(document, path)
    return path


def test_kernel_is_this_python_in_a_folder_with_the_workspace_only(tmp_path: Path) -> None:
    (tmp_path / "_build" / "work" / "sweeps").mkdir(parents=True)
    facts = "[sys.executable, os.listdir(), os.listdir(os.environ['CHINCHILLA_WORK']), n]"
    code = f"import json, os, sys\nprint(json.dumps({facts}))"
    target = tmp_path / "done" / "example.ipynb"
    notebooks.execute(Project(tmp_path), write(tmp_path, "n = 1", code), target, {"n": 7})
    cells = nbformat.read(target, as_version=4).cells
    answer = json.loads(cells[-1].outputs[0].text)
    assert answer == [sys.executable, ["chinchilla-work"], ["sweeps"], 7]


def test_published_runs_are_found_from_any_folder_and_their_coming_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHINCHILLA_DATA", "data")
    found = notebooks.kernel_environment(tmp_path / "scratch")["CHINCHILLA_DATA"]
    assert Path(found) == (tmp_path / "data").resolve()
    assert notebooks.published_files() == []
    file = tmp_path / "data" / "published" / "runs.csv"
    file.parent.mkdir(parents=True)
    file.write_text("loss\n")
    assert [path.resolve() for path in notebooks.published_files()] == [file.resolve()]


def test_failing_cell_is_shown_and_leaves_no_notebook_behind(tmp_path: Path) -> None:
    target = tmp_path / "done" / "example.ipynb"
    source = write(tmp_path, "n = 1", "total = 0", "# the third\ntotal / 0")
    target.parent.mkdir()
    with pytest.raises(BuildError) as caught:
        notebooks.execute(Project(tmp_path), source, target, {"n": 2})
    message = str(caught.value)
    assert message.startswith("example.ipynb, cell 3 of 3: ZeroDivisionError: division by zero")
    assert "| total / 0" in message and "\x1b" not in message
    assert list(target.parent.iterdir()) == []
