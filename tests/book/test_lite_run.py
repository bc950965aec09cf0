"""Chapters run in a browser by program: what counts as wrong, and what is said."""

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from book._tools import lite_run


def cell(*outputs: dict[str, Any], count: int | None = 1) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": count, "outputs": list(outputs), "source": "f()"}


def test_a_clean_notebook_has_no_problems() -> None:
    shown = {"output_type": "stream", "name": "stdout", "text": "fine"}
    assert lite_run.problems({"cells": [{"cell_type": "markdown", "source": "# A"}, cell(shown)]}) == []


def test_errors_and_cells_left_out_are_problems() -> None:
    error = {
        "output_type": "error",
        "ename": "TypeError",
        "evalue": "int64",
        "traceback": ["\x1b[31mline\x1b[0m"],
    }
    found = lite_run.problems({"cells": [cell(), cell(error), cell(count=None)]})
    assert found == ["cell 2: TypeError: int64\n    line", "cell 3 was not run"]


def test_a_folder_is_served_while_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    with lite_run.served(tmp_path) as base:
        connection = http.client.HTTPConnection(urlsplit(base).netloc)
        connection.request("GET", "/a.txt")
        assert connection.getresponse().read() == b"here"
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(urlsplit(base).netloc).connect()


def test_a_chapter_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lite_run.main(["no-such", "--site", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "no-such" in error or "Chromium" in error
