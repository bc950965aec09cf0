import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation import archives
from chinchilla_lib.evaluation.archives import fetch_source_package, read_json_files


def pack(path: Path, files: dict[str, bytes], mode: str = "w:gz", **header: object) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in header.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return path


def read(path: Path) -> list[tuple[str, ...]]:
    return [parts for _, parts, _ in read_json_files(path, lambda parts: parts[-1].endswith(".json"))]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_wanted_files_are_read_and_nothing_is_written(mode: str, tmp_path: Path) -> None:
    files = {"a/one.json": b'{"n": 1}', "a/run.py": b"raise SystemExit", "./b/two.json": b'{"n": 2}'}
    path = pack(tmp_path / "packed", files, mode)
    found = list(read_json_files(path, lambda parts: parts[-1].endswith(".json")))
    assert [(parts, value) for _, parts, value in found] == [
        (("a", "one.json"), {"n": 1}),
        (("b", "two.json"), {"n": 2}),
    ]
    assert found[0][0] == f"{path}: a/one.json"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../one.json", "a/../../one.json", "/etc/one.json", "../not_wanted"])
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the name '.*' leads out of the archive"):
        read(pack(tmp_path / "packed", {name: b"{}"}))


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = pack(tmp_path / "packed", {"a/one.json": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    assert read(path) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"n": ', "no sound JSON"),
        (b"[1]", "found list; it must be an object"),
        (b"\xff\xfe", "no sound JSON"),
    ],
)
def test_a_file_of_another_form_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"packed: a/one.json: {message}"):
        read(pack(tmp_path / "packed", {"a/one.json": data}))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 10)
    with pytest.raises(InputError, match="it has 11 bytes; 10 are the most"):
        read(pack(tmp_path / "packed", {"a/one.json": b'{"n": 1234}'}))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_an_archive_cut_short_is_named(mode: str, tmp_path: Path) -> None:
    numbers = json.dumps({str(hashlib.sha256(bytes([i])).hexdigest()): i for i in range(200)}).encode()
    whole = pack(tmp_path / "packed", {"a/one.json": numbers, "a/two.json": numbers}, mode).read_bytes()
    for kept in (len(whole) // 4, 3 * len(whole) // 4 if mode != "w" else len(numbers), 100, 0):
        (tmp_path / "packed").write_bytes(whole[:kept])
        with pytest.raises(InputError, match="packed: the archive is damaged or cut short"):
            read(tmp_path / "packed")
    with pytest.raises(InputError, match="none: there is no such file"):
        read(tmp_path / "none")


def test_a_package_is_fetched_by_the_address_that_pip_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    there = tmp_path / "tasks-1.0.tar.gz"
    there.write_bytes(gzip.compress(b"tasks"))
    sha256 = hashlib.sha256(there.read_bytes()).hexdigest()
    said = (
        f"  Found link file:///old/tasks-0.9.tar.gz (from x)\n  Found link {there.as_uri()}#sha256=1 (from x)"
    )
    commands: list[list[str]] = []

    def tool_output(command: list[str], *, folder: Path, what: str) -> str:
        commands.append(command)
        assert "9 MB" in what
        return said

    monkeypatch.setattr(archives, "tool_output", tool_output)
    with pytest.raises(InputError, match=r"its SHA-256 begins .*, not 000000000000; remove it and try again"):
        fetch_source_package("tasks", "1.0", 64 * "0", size="9 MB")
    assert list((tmp_path / "data" / "eval").iterdir()) == []
    path = fetch_source_package("tasks", "1.0", sha256, size="9 MB")
    assert path.read_bytes() == there.read_bytes()
    assert fetch_source_package("tasks", "1.0", sha256, size="9 MB") == path
    assert len(commands) == 2 and "download" not in commands[0]
    path.write_bytes(b"another")
    with pytest.raises(InputError, match="its SHA-256 begins"):
        fetch_source_package("tasks", "1.0", sha256, size="9 MB")
    path.unlink()
    said = "Available versions: 0.9"
    with pytest.raises(
        InputError, match=r"tasks-1.0.tar.gz \(9 MB; looked for in .* cannot be had: pip found"
    ):
        fetch_source_package("tasks", "1.0", sha256, size="9 MB")
