"""A tiny assignment whose points are known, and the real ones."""

from pathlib import Path

import pytest

from coursework._tools import assignments, matrix, sandbox
from coursework._tools.assignments import Assignment


@pytest.fixture
def masters(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' own folder of masters in place of the real one; what is built goes elsewhere, too."""
    folder = Path(__file__).parent / "masters"
    monkeypatch.setattr(assignments, "MASTERS", folder)
    monkeypatch.setattr(matrix, "MASTERS", folder)
    monkeypatch.setattr(assignments, "BUILT", tmp_path_factory.getbasetemp() / "built")
    return folder


@pytest.fixture
def tiny(masters: Path) -> Assignment:
    """An assignment of one tested question (4 points) and a written one."""
    return assignments.build("tiny")


@pytest.fixture(params=[sandbox.BUBBLEWRAP, sandbox.LIMITS])
def kind(request: pytest.FixtureRequest) -> str:
    """Each way to isolate."""
    if request.param == sandbox.BUBBLEWRAP and sandbox.isolation() != sandbox.BUBBLEWRAP:
        pytest.skip("bubblewrap does not work here")
    return request.param
