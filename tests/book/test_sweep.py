"""The sweep is trained once, continued after an interruption, and trained anew when its code changes."""

import shutil
import sys
from pathlib import Path

import pytest

from book._tools import sweep
from book._tools.project import BuildError, Project

TRAINER = """
import sys
from pathlib import Path
out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
with (out / "log").open("a") as log:
    log.write("run\\n")
if sys.argv[2] == "stop":
    sys.exit(1)
for name in ("runs.csv", "curves.csv"):
    (out / name).write_text("run_id\\n")
"""


@pytest.fixture
def checkout(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the library, with a stand-in for the command that trains."""
    copy = Project(tmp_path)
    shutil.copytree(project.package, copy.package, ignore=shutil.ignore_patterns("__pycache__"))
    set_trainer(monkeypatch, "finish")
    return copy


def set_trainer(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(
        sweep, "command", lambda project: [sys.executable, "-c", TRAINER, str(project.sweep), what]
    )


def times_run(checkout: Project) -> int:
    log = checkout.sweep / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def edit(checkout: Project, name: str, text: str) -> None:
    path = checkout.package / name
    path.write_text(path.read_text() + text)


def test_a_finished_sweep_is_left_alone(checkout: Project) -> None:
    sweep.run(checkout)
    assert sweep.is_current(checkout)
    sweep.run(checkout)
    assert times_run(checkout) == 1


def test_an_interrupted_sweep_is_continued_in_its_folder(
    checkout: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_trainer(monkeypatch, "stop")
    with pytest.raises(BuildError, match="the same command continues it"):
        sweep.run(checkout)
    set_trainer(monkeypatch, "finish")
    sweep.run(checkout)
    assert times_run(checkout) == 2


@pytest.mark.parametrize("name", ["training/model.py", "corpus/documents.py", "sweeps/plan.py", "flops.py"])
def test_code_that_decides_the_numbers_starts_the_sweep_afresh(checkout: Project, name: str) -> None:
    sweep.run(checkout)
    edit(checkout, name, "\nSOMETHING = 1\n")
    assert not sweep.is_current(checkout)
    sweep.run(checkout)
    assert times_run(checkout) == 1, "the folder was emptied"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("training/model.py", "\n# a comment\n"),
        ("fitting/isoflop.py", "\nSOMETHING = 1\n"),
        ("plots/style.py", "\nSOMETHING = 1\n"),
    ],
)
def test_other_changes_leave_the_sweep_alone(checkout: Project, name: str, text: str) -> None:
    sweep.run(checkout)
    edit(checkout, name, text)
    sweep.run(checkout)
    assert times_run(checkout) == 1 and sweep.is_current(checkout)


def test_changed_tables_are_not_current(checkout: Project) -> None:
    sweep.run(checkout)
    (checkout.sweep / "runs.csv").write_text("run_id\n1\n")
    assert not sweep.is_current(checkout)


def test_missing_tables_are_an_error(checkout: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "command", lambda project: [sys.executable, "-c", ""])
    with pytest.raises(BuildError, match=r"runs.csv and .*curves.csv"):
        sweep.run(checkout)


def test_the_compiled_kernels_decide_the_numbers_too() -> None:
    project = Project(Path(__file__).resolve().parents[2])
    names = {path.name for path in sweep.sources(project)}
    assert {"native.c", "native.py", "handwritten.py", "zipf.py"} <= names
    assert not {"isoflop.py", "bootstrap.py"} & names
    assert len(sweep.fingerprint(project)) == 64
