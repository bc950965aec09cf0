"""What ``--json`` writes: a file that is complete or as it was, and one line for what cannot be written."""

import json
import math
import os
from pathlib import Path

import pytest

from chinchilla_lib.cli._json import check_json, write_json
from chinchilla_lib.errors import InputError

REPORT = {"a": 0.1, "runs": [1, 2], "law": None, "source": "Größe"}


def test_the_report_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_json(path, REPORT)
    assert json.loads(path.read_text(encoding="utf-8")) == REPORT
    assert path.read_text(encoding="utf-8").endswith("}\n")
    write_json(path, {"a": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_without_the_option_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(None, {"a": math.nan})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent/out.json", "No such file or directory"),
        (".", "Is a directory"),
        ("", "Is a directory"),
        ("file/out.json", "Not a directory"),
        ("/dev/full", "No space left on device"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_named(
    tmp_path: Path, path: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        write_json(Path(path), REPORT)
    assert str(caught.value) == f"--json {Path(path)} cannot be written: {reason}"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_another_option_is_named() -> None:
    with pytest.raises(InputError, match=r"^--out \. cannot be written: Is a directory$"):
        write_json(Path(), REPORT, option="--out")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_leaves_the_file_alone(tmp_path: Path, value: float) -> None:
    """JSON has no word for it: a report that holds one is a mistake of the library, not of its user."""
    path = tmp_path / "out.json"
    write_json(path, REPORT)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, REPORT | {"a": [value]})
    assert json.loads(path.read_text(encoding="utf-8")) == REPORT
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_breaks_off_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    write_json(path, REPORT)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == REPORT
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link.json", tmp_path / "folder" / "target.json"
    link.symlink_to(target)
    for report in ({"a": 1}, {"a": 2}):  # first the link points nowhere
        write_json(link, report)
        assert link.is_symlink()
        assert json.loads(target.read_text()) == report


def test_a_pipe_is_written_directly() -> None:
    """As the shell's ``>(...)`` and ``/dev/stdout`` in a pipeline are: links to what has no name."""
    end, start = os.pipe()
    try:
        write_json(Path(f"/dev/fd/{start}"), REPORT)
    finally:
        os.close(start)
    with os.fdopen(end, encoding="utf-8") as pipe:
        assert json.load(pipe) == REPORT


def test_what_is_read_is_not_written(tmp_path: Path) -> None:
    runs, link = tmp_path / "runs.csv", tmp_path / "link.csv"
    link.symlink_to(runs)
    for path in (runs, link, tmp_path / "." / "runs.csv"):
        with pytest.raises(InputError, match="is the table of runs itself; name another file"):
            check_json(path, {"the fit": None, "the table of runs": runs})
    check_json(tmp_path / "out.json", {"the table of runs": str(runs)})
    check_json(None, {"the table of runs": runs})
