"""Execute the notebooks, each in a fresh kernel of this very environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml

from book._tools import exercises, sweep
from book._tools.project import BuildError, Project, digest, digest_code, duration, elapsed, files_under, say
from chinchilla_lib.downloads import data_folder

DEFAULT_SECONDS = 40.0
MOST_AT_ONCE = 4  # each takes a processor and up to 2 GB
ADDED_TAGS = {"papermill-error-cell-tag", "injected-parameters"}
WORKSPACE = "chinchilla-work"
BOTH_FORMATS = 'get_config().InlineBackend.figure_formats = {"png", "svg"}\n'  # to read, and for slides
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def inputs_of(project: Project, name: str) -> str:
    """Hash of what an executed notebook depends on: itself, library, sweep, published runs, packages."""
    files = files_under(project.package)
    code = digest_code(path for path in files if path.suffix == ".py")
    data = digest(path for path in files if path.suffix != ".py")
    fixed = [notebook_path(project, name), project.root / "constraints.txt"]
    fixed += [*sweep.tables(project), *published_files()]
    return digest(fixed, code, data, digest_code([Path(__file__), Path(exercises.__file__)]), sys.version)


def published_files() -> list[Path]:
    """Published runs that are on this machine: notebooks use them where they are."""
    folder = data_folder("published")
    return files_under(folder) if folder.is_dir() else []


def notebook_path(project: Project, name: str) -> Path:
    """The committed notebook."""
    return project.notebooks / f"{name}.ipynb"


def outputs_of(project: Project, name: str) -> list[Path]:
    """The executed notebook."""
    return [project.executed / f"{name}.ipynb"]


def run(project: Project) -> None:
    """Execute every notebook of the book that is not up to date, as many at once as there are processors."""
    names = project.notebook_names()
    labels = {name: f"notebook {n} of {len(names)}, {name}" for n, name in enumerate(names, start=1)}
    inputs, due = {name: inputs_of(project, name) for name in names}, []
    for name in names:
        if project.step(f"notebook-{name}").is_current(inputs[name], outputs_of(project, name)):
            say(f"{labels[name]}: up to date")
        else:
            due.append(name)
    at_once = max(1, min(len(due), os.cpu_count() or 1, MOST_AT_ONCE))
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run_one, project, name, labels[name], inputs[name]) for name in due]
        try:
            for one in as_completed(running):
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run go on to their end
            raise


def run_one(project: Project, name: str, label: str, inputs: str) -> None:
    """Execute a notebook and note what it was made from."""
    step = project.step(f"notebook-{name}")
    say(f"{label}: about {duration(step.seconds(DEFAULT_SECONDS))}")
    step.begin(inputs)
    started = time.monotonic()
    execute(project, notebook_path(project, name), outputs_of(project, name)[0])
    step.finish(inputs, outputs_of(project, name), time.monotonic() - started)
    say(f"{label}: done after {elapsed(started)}")


def check_names(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that the notebook does not have: papermill alone would accept a typo."""
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise BuildError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; "
            f"it has: {', '.join(sorted(known)) or 'none'}"
        )


def execute(
    project: Project, notebook: Path, target: Path, parameters: Mapping[str, Any] | None = None
) -> None:
    """Execute one notebook with papermill and move the result into place when it succeeds.

    The kernel is the Python that runs this, whatever kernels are registered on the machine. Its
    folder holds the workspace and nothing else, under the name it has for a reader by default, so
    that a notebook needs no clone and prints no path of this machine.
    """
    check_names(notebook, parameters or {})
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="notebook-") as scratch:
        partial, source = Path(scratch) / notebook.name, Path(scratch) / "source.ipynb"
        tried = exercises.with_tries(nbformat.read(notebook, as_version=4), notebook.stem)
        nbformat.write(tried, source)
        command = [sys.executable, "-m", "papermill", str(source), str(partial)]
        command += ["--kernel", "python3", "--no-progress-bar", "--log-level", "ERROR"]
        folder = empty_folder(scratch, "cwd")
        project.work.mkdir(parents=True, exist_ok=True)
        (folder / WORKSPACE).symlink_to(project.work.resolve())
        command += ["--cwd", str(folder)]
        if parameters:
            command += ["--parameters_yaml", yaml.safe_dump(dict(parameters))]
        environment = kernel_environment(Path(scratch))
        for _ in range(3):
            answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if "Address already in use" not in answer.stderr:
                break  # else another kernel, started at the same moment, was given one of its ports
        if answer.returncode:
            raise BuildError(explain_failure(notebook, partial, answer.stderr))
        document = nbformat.read(partial, as_version=4)
        drop_run_details(document)
        exercises.without_tries(document)
        finished = target.with_suffix(".tmp")
        nbformat.write(document, finished)
        finished.replace(target)


def empty_folder(*parts: str) -> Path:
    """Create a folder and return it."""
    folder = Path(*parts)
    folder.mkdir(parents=True)
    return folder


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Environment variables under which "python3" is this Python and the reader's settings are out."""
    kernel = empty_folder(str(scratch), "jupyter", "kernels", "python3")
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": start, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(specification))
    profile = empty_folder(str(scratch), "ipython", "profile_default")
    (profile / "ipython_kernel_config.py").write_text(BOTH_FORMATS)
    return {
        **os.environ,
        "CHINCHILLA_DATA": str(data_folder().resolve()),
        "JUPYTER_PATH": str(scratch / "jupyter"),
        "IPYTHONDIR": str(profile.parent),
        "CHINCHILLA_WORK": WORKSPACE,
    }


def drop_run_details(document: nbformat.NotebookNode) -> None:
    """Remove what differs from run to run and names folders of this machine."""
    document.metadata.pop("papermill", None)
    for cell in document.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)


def explain_failure(notebook: Path, partial: Path, stderr: str) -> str:
    """Which cell failed, with its first line and the end of its traceback."""
    if partial.exists():
        cells = nbformat.read(partial, as_version=4).cells
        own = [cell for cell in cells if not ADDED_TAGS & set(cell.metadata.get("tags", []))]
        for number, cell in enumerate(own, start=1):
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    trace = ANSI.sub("", "\n".join(output.traceback)).splitlines()[-15:]
                    return "\n".join(
                        [
                            f"{notebook.name}, cell {number} of {len(own)}: {output.ename}: {output.evalue}",
                            *(f"    | {line}" for line in cell.source.splitlines()[:5]),
                            *(f"    {line}" for line in trace),
                        ]
                    )
    return f"{notebook.name} could not be executed:\n" + "\n".join(stderr.splitlines()[-15:])
