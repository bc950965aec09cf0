"""Command line of the book's tools: ``python -m book._tools STEP``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from book._tools import exercises, ledger, lite, notebooks, pages, published, release, sweep
from book._tools.address import write_links
from book._tools.project import BuildError, Project, duration, elapsed, locked, say
from book._tools.serve import serve

ROOT = Path(__file__).resolve().parents[2]


def make_notebooks(project: Project) -> None:
    """Train the sweep and execute the notebooks, as far as they are not up to date."""
    with locked(project):
        sweep.run(project)
        notebooks.run(project)


def make_book(project: Project) -> None:
    """Everything, from the sweep to the site."""
    started = time.monotonic()
    say(f"at most about {duration(estimate(project))} for what is not up to date")
    make_notebooks(project)
    with locked(project):
        pages.stage(project)
        pages.build(project)
    say(f"finished after {elapsed(started)}; the book is at {project.site / 'index.html'}")


def estimate(project: Project) -> float:
    """Seconds that the steps not up to date will take; a changed sweep changes all that follows."""
    total, fresh = 0.0, sweep.is_current(project)
    if not fresh:
        total += project.step("sweep").seconds(sweep.DEFAULT_SECONDS)
    for name in project.notebook_names():
        step = project.step(f"notebook-{name}")
        current = fresh and step.is_current(
            notebooks.inputs_of(project, name), notebooks.outputs_of(project, name)
        )
        total += 0 if current else step.seconds(notebooks.DEFAULT_SECONDS)
    return total + project.step("site").seconds(pages.DEFAULT_SECONDS)


def links(project: Project) -> None:
    """Write the repository's address into the files that hold it, and new pages into the list of all."""
    changed = write_links(project) + published.write(project)
    for path in changed:
        say(f"links: wrote {path.relative_to(project.root)}")
    if not changed:
        say("links: up to date")


def make_ledger(project: Project) -> None:
    """Write down what the notebooks settle, executed as far as they are not up to date."""
    make_notebooks(project)
    ledger.write_record(project)


def make_lite(project: Project) -> None:
    """The chapters that run in a browser."""
    with locked(project):
        lite.build(project)


def make_exercises(project: Project) -> None:
    """Every chapter as a sheet to hand out."""
    names = exercises.write_sheets(project)
    say(f"exercises: {len(names)} chapters without solutions, in {project.build / 'exercises'}")


STEPS = {
    "book": make_book,
    "ledger": make_ledger,
    "notebooks": make_notebooks,
    "exercises": make_exercises,
    "links": links,
    "lite": make_lite,
    "serve": serve,
    "release": release.release,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="python -m book._tools", description="Make the book.")
    parser.add_argument("step", choices=STEPS)
    step = STEPS[parser.parse_args(arguments).step]
    try:
        step(Project(ROOT))
    except BuildError as error:
        print(f"[book] error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n[book] interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
