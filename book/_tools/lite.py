"""Chapters that run in the reader's browser: a JupyterLite site that carries the library as a wheel.

Its Python is Pyodide, which has NumPy, SciPy and Matplotlib; it has no torch, and starts neither threads
nor processes. The site is built apart from the book, and published below it, under ``lite/``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nbformat

from book._tools import exercises
from book._tools.address import COLAB_TAG, Address
from book._tools.notebooks import notebook_path
from book._tools.project import BuildError, Project, digest, duration, elapsed, files_under, say

LEFT_OUT = {
    "benchmarks": "torch",
    "bias-and-toxicity": "torch",
    "corpus-and-tokenizer": "torch",
    "isoflop-frontier": "multiprocessing",
    "language-modelling": "torch",
    "one-training-run": "torch",
    "schedule-and-optimiser": "torch",
}
"""Chapters that need what a browser has not, and the first such package they ask for."""

FOLDER = "lite"
"""Where the site lies below the book's."""

INSTALL = '%pip install --quiet "chinchilla-lib[plots]"'
KERNEL = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
DEFAULT_SECONDS = 20.0
TIMESTAMP = 1580601600
"""Time of every file, 2 February 2020 in seconds since 1970, so that equal sources give equal sites."""


def chapters(project: Project) -> list[str]:
    """Names of the notebooks that run in a browser, in reading order."""
    return [name for name in project.notebook_names() if name not in LEFT_OUT]


def address(project: Project, name: str) -> str:
    """Where a chapter runs, once the book is published."""
    return f"{Address.read(project).site}{FOLDER}/{page_of(name)}"


def page_of(name: str) -> str:
    """A chapter's address below that of the site."""
    return "notebooks/index.html?" + urlencode({"path": f"{name}.ipynb"})


def linked(project: Project, name: str, executed: bytes) -> bytes:
    """An executed notebook as the book shows it: with a link to run it, below its opening, if it can be."""
    if name in LEFT_OUT:
        return executed
    document: Any = nbformat.reads(executed.decode(), as_version=4)
    line = (
        f"[Run this chapter in your browser]({address(project, name)}): nothing to install. "
        "Python itself, some tens of megabytes, comes from jsDelivr and PyPI."
    )
    document.cells.insert(1, nbformat.v4.new_markdown_cell(line, id="run-in-browser"))
    return f"{nbformat.writes(document)}\n".encode()


def for_browser(text: str, name: str) -> str:
    """A committed notebook as it runs there: installed by Pyodide, starters of exercises above solutions."""
    document: Any = nbformat.reads(text, as_version=4)
    exercises.told_apart(document, name)
    [cell] = [cell for cell in document.cells if COLAB_TAG in cell.metadata.get("tags", [])]
    cell.source, cell.id = INSTALL, "install"
    cell.metadata = nbformat.from_dict({"tags": ["install"]})
    document.metadata["kernelspec"] = KERNEL
    return str(nbformat.writes(document)) + "\n"


def build(project: Project) -> None:
    """Build the site from the tree as it is, if that has changed."""
    step, wanted = project.step("lite"), inputs(project)
    if step.is_current(wanted, site_files(project)):
        say(f"browser: up to date, at {project.lite}")
        return
    names = chapters(project)
    say(f"browser: building {len(names)} chapters, about {duration(step.seconds(DEFAULT_SECONDS))}")
    step.begin(wanted)
    started = time.monotonic()
    source = stage(project)
    log = project.build / "lite.log"
    shutil.rmtree(project.lite, ignore_errors=True)
    run([sys.executable, "-m", "jupyter", "lite", "build"], source, log, "the chapters for the browser")
    missing = [n for n in names if not (project.lite / "files" / f"{n}.ipynb").is_file()]
    if missing or not list((project.lite / "pypi").glob("chinchilla_lib-*.whl")):
        raise BuildError(f"the site for the browser lacks the library or {missing} (log: {log})")
    step.finish(wanted, site_files(project), time.monotonic() - started)
    say(f"browser: done after {elapsed(started)}, at {project.lite}")


def stage(project: Project) -> Path:
    """Write what JupyterLite builds from: its settings, the chapters, the wheel of the library."""
    source = project.build / "lite-src"
    shutil.rmtree(source, ignore_errors=True)
    (source / "files").mkdir(parents=True)
    for name in chapters(project):
        text = notebook_path(project, name).read_text(encoding="utf-8")
        (source / "files" / f"{name}.ipynb").write_text(for_browser(text, name), encoding="utf-8")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    command += ["--outdir", str(source / "pypi"), str(project.root)]
    run(command, source, project.build / "lite-wheel.log", "the library's wheel")
    settings = {
        "jupyter-lite-schema-version": 0,
        # A page's script can ask the application to run its cells: `make lite-run` does.
        "jupyter-config-data": {"appName": "Executable Chinchilla", "exposeAppInBrowser": True},
    }
    building = {
        "LiteBuildConfig": {
            "lite_dir": str(source),
            "output_dir": str(project.lite),
            "contents": ["files"],
            "apps": ["lab", "notebooks"],
            "no_sourcemaps": True,
            "no_unused_shared_packages": True,
            "source_date_epoch": TIMESTAMP,
        }
    }
    for file, content in (("jupyter-lite.json", settings), ("jupyter_lite_config.json", building)):
        (source / file).write_text(json.dumps(content, indent=1), encoding="utf-8")
    for path in source.rglob("*"):
        os.utime(path, (TIMESTAMP, TIMESTAMP))
    return source


def run(command: list[str], folder: Path, log: Path, what: str) -> None:
    """Run a command, its words in a file; where it fails the last of them are in the error."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(TIMESTAMP)}
    with log.open("w") as handle:
        status = subprocess.run(
            command, cwd=folder, env=environment, stdout=handle, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status:
        last = log.read_text(errors="replace").splitlines()[-15:]
        raise BuildError("\n".join([f"{what} could not be built:", *last, f"(log: {log})"]))


def inputs(project: Project) -> str:
    """Hash of what the site is built from: chapters, library, packages, this file and what it calls."""
    files = [notebook_path(project, name) for name in chapters(project)]
    files += [*files_under(project.package), Path(__file__), Path(exercises.__file__)]
    names = [path.name for path in files]
    return digest([*files, *(project.root / n for n in ("pyproject.toml", "constraints.txt"))], *names)


def site_files(project: Project) -> list[Path]:
    """Every file of the site."""
    return files_under(project.lite) if project.lite.is_dir() else [project.lite / "index.html"]
