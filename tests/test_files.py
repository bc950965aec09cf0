"""A file is the old one or the new one, whatever happens to who writes it."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chinchilla_lib._files import PARTIAL, open_whole


def write(path: Path, content: str, *, keep: bool = False) -> None:
    with open_whole(path, keep=keep) as file:
        file.write(content)


@pytest.mark.parametrize(("mode", "content"), [("w", "a\nb\r\nµ"), ("wb", b"\xff\x00\r\n")])
def test_content_is_written_as_it_is(mode: str, content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / ("long" * 50)
    path.write_bytes(b"old")
    with open_whole(path, mode) as file:  # type: ignore[arg-type]
        file.write(content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_a_new_file(tmp_path: Path) -> None:
    write(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    with pytest.raises(RuntimeError, match="stop"), open_whole(path) as file:
        file.write("new")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_the_old_file_and_a_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from chinchilla_lib._files import open_whole\n"
        "with open_whole(Path(sys.argv[1])) as file:\n"
        "    file.write('new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode < 0
    assert path.read_text() == "old"
    assert len(list(tmp_path.glob(PARTIAL))) == 1


def test_of_many_writers_at_once_one_is_seen_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [str(i) * 50_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write(path, content), contents))
    assert path.read_text() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_keep_leaves_the_first_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "first", keep=True)
    write(path, "second", keep=True)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "no" / "file", "")
