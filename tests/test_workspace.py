from pathlib import Path

import pytest

from chinchilla_lib import workspace


def test_the_environment_chooses_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_WORK", "/somewhere")
    assert workspace.folder("sweeps", "ci") == Path("/somewhere/sweeps/ci")
    monkeypatch.delenv("CHINCHILLA_WORK")
    assert workspace.folder("sweeps") == Path("chinchilla-work/sweeps")
