"""A batch whose grader is killed again and again gives the marks of one that nothing happened to."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coursework._tools import assignments

ROOT = Path(__file__).resolve().parents[2]
NAME = "a4-judging"
KILLS = 5


def start(folder: Path, out: Path) -> "subprocess.Popen[bytes]":
    options = [str(folder), "--out", str(out), "--jobs", "2"]
    command = [sys.executable, "-m", "coursework._tools", "grade", *options]
    return subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.all_assignments
def test_a_batch_killed_at_random_moments_ends_with_the_same_marks(tmp_path: Path) -> None:
    built = assignments.build(NAME)
    folder = tmp_path / "handed-in"
    folder.mkdir()
    for i in range(8):
        shutil.copy(built.solved if i % 2 else built.student, folder / f"student{i}.ipynb")
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    assert start(folder, undisturbed).wait(600) == 0
    chance = random.Random(0)
    n_kills = 0
    while n_kills < KILLS:
        grader = start(folder, out)
        time.sleep(chance.uniform(0.5, 7))
        if grader.poll() is not None:
            break
        os.killpg(grader.pid, signal.SIGKILL)
        grader.wait()
        n_kills += 1
    assert n_kills >= 3
    assert start(folder, out).wait(600) == 0
    assert marks(out) == marks(undisturbed)
    assert len(marks(out)) == 8


def marks(out: Path) -> list[dict[str, str]]:
    """The table, but for how long grading took."""
    with (out / f"{NAME}.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]
