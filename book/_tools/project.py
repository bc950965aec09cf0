"""Where things lie in a checkout, and which steps are up to date."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class BuildError(Exception):
    """A step failed; the message is for the reader."""


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"[book] {message}", flush=True)


@dataclass(frozen=True)
class Project:
    """A checkout: its sources, and its generated files under ``_build``."""

    root: Path

    @property
    def package(self) -> Path:
        """Sources of the library."""
        return self.root / "chinchilla_lib"

    @property
    def notebooks(self) -> Path:
        """Notebooks as committed, without outputs."""
        return self.root / "notebooks"

    @property
    def build(self) -> Path:
        """Everything generated."""
        return self.root / "_build"

    @property
    def work(self) -> Path:
        """The workspace (``CHINCHILLA_WORK``) of the sweep and the notebooks."""
        return self.build / "work"

    @property
    def sweep(self) -> Path:
        """The trained CI-tier sweep."""
        return self.work / "sweeps" / "ci"

    @property
    def executed(self) -> Path:
        """Executed notebooks."""
        return self.build / "executed" / "notebooks"

    @property
    def source(self) -> Path:
        """Staged source folder of the book."""
        return self.build / "src"

    @property
    def site(self) -> Path:
        """The finished site."""
        return self.build / "site"

    @property
    def lite(self) -> Path:
        """The finished site of the chapters that run in a browser."""
        return self.build / "lite"

    def read_yaml(self, name: str) -> Any:
        """A YAML file of the root, such as ``_config.yml``."""
        return yaml.safe_load((self.root / name).read_text(encoding="utf-8"))

    def pages(self) -> list[str]:
        """Document names in ``_toc.yml``, in reading order, the root first."""
        toc = self.read_yaml("_toc.yml")
        found = [toc["root"]]

        def visit(node: dict[str, Any]) -> None:
            for chapter in node.get("chapters", []) + node.get("sections", []):
                found.append(chapter["file"])
                visit(chapter)

        for part in toc.get("parts", []):
            visit(part)
        return found

    def notebook_names(self) -> list[str]:
        """Names of the notebooks in the book, in reading order."""
        return [page.removeprefix("notebooks/") for page in self.pages() if page.startswith("notebooks/")]

    def step(self, name: str) -> Step:
        """The record of a step."""
        return Step(self.build / "state" / f"{name}.json")


@dataclass(frozen=True)
class Step:
    """What a step was made from and what it left, so that it need not be done again."""

    path: Path

    def read(self) -> dict[str, Any]:
        """The record; empty where there is none."""
        record: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return record

    def is_current(self, inputs: str, outputs: Iterable[Path]) -> bool:
        """Whether the step was finished from these inputs and its outputs are untouched."""
        record = self.read()
        files = list(outputs)
        if record.get("inputs") != inputs or not all(path.is_file() for path in files):
            return False
        return bool(record.get("outputs") == digest(files))

    def begin(self, inputs: str) -> None:
        """Note what the step is being made from; it is unfinished until `finish`."""
        self._write({**self.read(), "inputs": inputs, "outputs": None})

    def finish(self, inputs: str, outputs: Iterable[Path], seconds: float) -> None:
        """Note that the step is finished."""
        self._write({"inputs": inputs, "outputs": digest(outputs), "seconds": round(seconds, 1)})

    def seconds(self, default: float) -> float:
        """How long the step took last time."""
        return float(self.read().get("seconds", default))

    def _write(self, record: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(record, indent=1) + "\n")
        temporary.replace(self.path)


def files_under(folder: Path, *, skip: tuple[str, ...] = ("__pycache__", ".ipynb_checkpoints")) -> list[Path]:
    """All files below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not set(p.parts) & set(skip))


def digest(paths: Iterable[Path], *words: str) -> str:
    """Hash of the names and contents of files, and of some words."""
    total = hashlib.sha256(repr(words).encode())
    for path in paths:
        total.update(f"\0{path.name}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def digest_code(paths: Iterable[Path], *words: str) -> str:
    """Hash of what source files do: in Python, comments, layout and docstrings do not count."""
    total = hashlib.sha256(repr(words).encode())
    for path in paths:
        source = path.read_text(encoding="utf-8")
        total.update(f"\0{path.name}\0".encode())
        total.update((code_of(source) if path.suffix == ".py" else source).encode())
    return total.hexdigest()


@functools.cache  # every notebook asks for the whole library
def code_of(source: str) -> str:
    """A form of Python source that comments, layout and docstrings leave unchanged."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


@contextlib.contextmanager
def locked(project: Project) -> Iterator[None]:
    """Let one build at a time write below ``_build``."""
    project.build.mkdir(exist_ok=True)
    with (project.build / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running in this checkout; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def elapsed(started: float) -> str:
    """Seconds since a `time.monotonic` value, as "12 s" or "2 min 5 s"."""
    return duration(time.monotonic() - started)


def duration(seconds: float) -> str:
    """Seconds as "12 s" or "2 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
