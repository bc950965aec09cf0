"""The commands of coursework: build assignments, grade a folder, prove the assignments."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from coursework._tools import grading, matrix, sandbox
from coursework._tools.assignments import BUILT, CourseworkError, build, names


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"[coursework] {message}", flush=True)


def main() -> int:
    """Run one command; 1 where it found something wrong, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="coursework", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("build", help="make the student versions and the autograders")
    make.add_argument("names", nargs="*", help="by default all")
    make.add_argument("--variant", type=int, default=0, help="a course's own number (default 0)")
    make.set_defaults(run=_build)
    marks = commands.add_parser("grade", help="grade every notebook below a folder")
    marks.add_argument("submissions", type=Path)
    marks.add_argument("--out", type=Path, help="by default SUBMISSIONS/graded")
    marks.add_argument("--variant", type=int, default=0)
    marks.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2)))
    marks.add_argument("--isolation", choices=(sandbox.BUBBLEWRAP, sandbox.LIMITS))
    marks.set_defaults(run=_grade)
    proof = commands.add_parser("matrix", help="grade master, blank, wrong and hostile answers")
    proof.add_argument("names", nargs="*", help="by default all")
    proof.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2)))
    proof.add_argument("--variant", type=int, default=0)
    proof.add_argument("--record", action="store_true", help="write down what grading took")
    proof.set_defaults(run=_matrix)
    options = parser.parse_args()
    try:
        status: int = options.run(options)
    except CourseworkError as error:
        print(f"[coursework] error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("[coursework] interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return status


def _build(options: argparse.Namespace) -> int:
    for name in options.names or names():
        built = build(name, options.variant, run_tests=True)
        say(f"{name}: for students {built.student}")
    say(f"solutions and tests beside them, in folders named instructor, below {BUILT}")
    return 0


def _isolation(wanted: str | None) -> str:
    kind = sandbox.isolation() if wanted is None else wanted
    if kind == sandbox.BUBBLEWRAP and sandbox.isolation() != sandbox.BUBBLEWRAP:
        raise CourseworkError("bubblewrap does not work here; on Debian: sudo apt install bubblewrap")
    if kind == sandbox.LIMITS:
        say(
            "WARNING: isolation is partial. Submissions run as you, with limits on time and memory and a "
            "home of their own, but they reach the network and every file that you may write. For all of it: "
            "sudo apt install bubblewrap"
        )
    return kind


def _grade(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise CourseworkError(f"--jobs {options.jobs}: at least 1")
    out = options.out or options.submissions / "graded"
    kind = _isolation(options.isolation)
    results = grading.grade_folder(
        options.submissions, out, variant=options.variant, jobs=options.jobs, kind=kind, say=say
    )
    counts = {status: sum(r.status == status for r in results) for status in grading.EXPLAINED}
    say(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    say(f"tables and feedback: {out}")
    return 0


def _matrix(options: argparse.Namespace) -> int:
    kind = _isolation(None)
    proofs = {
        name: matrix.prove(name, options.variant, options.jobs, kind, say)
        for name in options.names or names()
    }
    if options.record:
        matrix.record(proofs, options.jobs, kind)
    return 1 if any(proof.wrong for proof in proofs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
