"""Several notebooks are executed at once; each is recorded as it ends, and a failure stops what waits."""

import subprocess
import time
from pathlib import Path
from threading import Barrier
from typing import Any

import nbformat
import pytest

from book._tools import notebooks
from book._tools.project import BuildError, Project

NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A book of six notebooks, on a machine of two processors."""
    monkeypatch.setattr(notebooks.os, "cpu_count", lambda: 2)
    (tmp_path / "constraints.txt").write_text("")
    sweep = Project(tmp_path).sweep
    sweep.mkdir(parents=True)
    for table in ("runs.csv", "curves.csv"):
        (sweep / table).write_text(table)
    (tmp_path / "notebooks").mkdir()
    chapters = [{"file": f"notebooks/{name}"} for name in NAMES]
    (tmp_path / "_toc.yml").write_text(f"root: book/intro\nparts:\n- chapters: {chapters}\n")
    for name in NAMES:
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(name)
    return Project(tmp_path)


def current(project: Project) -> list[str]:
    """Notebooks that are up to date."""
    return [
        name
        for name in NAMES
        if project.step(f"notebook-{name}").is_current(
            notebooks.inputs_of(project, name), notebooks.outputs_of(project, name)
        )
    ]


def test_two_are_executed_at_once_and_none_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, executed = Barrier(2, timeout=60), []

    def execute(project: Project, notebook: Path, target: Path) -> None:
        pair.wait()  # breaks where one waits for the other's end
        executed.append(notebook.stem)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(notebook.read_text())

    monkeypatch.setattr(notebooks, "execute", execute)
    notebooks.run(project)
    assert sorted(executed) == sorted(NAMES) == sorted(current(project))
    notebooks.run(project)
    assert len(executed) == len(NAMES)


def test_a_failure_is_told_and_what_waits_is_left(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, begun = Barrier(2, timeout=60), []

    def execute(project: Project, notebook: Path, target: Path) -> None:
        begun.append(notebook.stem)
        if notebook.stem in NAMES[:2]:
            pair.wait()
        else:
            time.sleep(1)  # while what is behind it is called off
        raise BuildError(f"{notebook.stem} fails")

    monkeypatch.setattr(notebooks, "execute", execute)
    with pytest.raises(BuildError, match=r"(first|second) fails"):
        notebooks.run(project)
    assert set(NAMES[:2]) <= set(begun) and not {*NAMES[4:]} & {*begun}
    assert current(project) == []


def test_a_port_that_another_kernel_was_given_costs_a_second_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    def start(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        starts.append(command)
        if len(starts) == 1:
            return subprocess.CompletedProcess(command, 1, "", "zmq.error.ZMQError: Address already in use")
        nbformat.write(nbformat.v4.new_notebook(), command[4])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(notebooks.subprocess, "run", start)
    source = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), source)
    notebooks.execute(Project(tmp_path), source, tmp_path / "out.ipynb")
    assert len(starts) == 2 and (tmp_path / "out.ipynb").is_file()
