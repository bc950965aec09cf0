import fcntl
import logging
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps import locks
from chinchilla_lib.sweeps.locks import Runner, Shard, hold_folder, live_runners


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (None, None, "in use by another runner"),
        (None, Shard(1, 2), "in use by another runner"),
        (Shard(1, 2), None, "in use by another runner"),
        (Shard(1, 2), Shard(1, 2), "shard 1/2 of .* is in use"),
        (Shard(1, 2), Shard(2, 3), "shard is 2/3, but .* in use by shard 1/2"),
    ],
)
def test_runners_that_would_meet_are_refused(
    tmp_path: Path, first: Shard | None, second: Shard | None, says: str
) -> None:
    with hold_folder(tmp_path, first), pytest.raises(InputError, match=says), hold_folder(tmp_path, second):
        pass
    with hold_folder(tmp_path, second):  # let go of, the folder is anyone's
        pass


def test_runners_of_different_parts_are_seen_beside_each_other(tmp_path: Path) -> None:
    with hold_folder(tmp_path, Shard(1, 2), n_workers=3), hold_folder(tmp_path, Shard(2, 2), n_workers=1):
        assert live_runners(tmp_path) == [Runner(Shard(1, 2), 3), Runner(Shard(2, 2), 1)]
    assert live_runners(tmp_path) == []
    with hold_folder(tmp_path, n_workers=2):
        assert live_runners(tmp_path) == [Runner(None, 2)]


def test_a_file_system_without_locks_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(locks._UNSUPPORTED[0], "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING), hold_folder(tmp_path), hold_folder(tmp_path):
        assert live_runners(tmp_path) == []
    assert "has no locks; start each runner once" in caplog.text


@pytest.mark.parametrize("text", ["", "1", "1/", "0/2", "3/2", "-1/2", "1/2/3", "one/two", "1/0"])
def test_shards_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="shard is"):
        Shard.parse(text)
    assert str(Shard.parse("2/10")) == "2/10"
