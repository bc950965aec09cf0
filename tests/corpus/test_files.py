import gzip
import json
import logging
from pathlib import Path

import pytest

from chinchilla_lib.corpus.files import file_documents, files_source
from chinchilla_lib.errors import InputError


def texts(*paths: Path, text_field: str = "text") -> dict[str, str]:
    return {d.name: d.text for d in file_documents(paths, text_field=text_field)}


def test_files_and_folders_are_read_whatever_their_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "sub" / ".git" / "config").write_text("hidden")
    (tmp_path / "sub" / "b.md").write_text("# B")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("ä".encode()))
    (tmp_path / "c.jsonl").write_text('{"text": "one"}\n\n{"text": "two"}\n')
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"text": "three"}\n'))
    (tmp_path / "e.png").write_bytes(b"\x89PNG\xff\xfe")
    found = texts(tmp_path, tmp_path / "sub" / "b.md")
    assert found == {
        "a.txt.gz": "ä",
        "c.jsonl:1": "one",
        "c.jsonl:3": "two",
        "d.jsonl.gz:1": "three",
        "sub/b.md": "# B",
        "b.md": "# B",
    }
    assert any("e.png" in r.message for r in caplog.records if r.levelno == logging.WARNING)


def test_long_files_are_cut_without_loss_and_without_reading_them_whole(tmp_path: Path) -> None:
    paragraph = "word " * 500 + "\n\n"
    (tmp_path / "book.txt").write_text(paragraph * 100)
    (tmp_path / "line.txt").write_text("x" * 3_000_000)
    found = texts(tmp_path / "book.txt")
    assert "".join(found.values()) == paragraph * 100
    assert all(text.endswith("\n\n") and len(text) < 40_000 for text in found.values())
    line = texts(tmp_path / "line.txt")
    assert "".join(line.values()) == "x" * 3_000_000
    assert max(map(len, line.values())) < 1_100_000


def test_the_version_changes_with_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    first = files_source([path]).version()
    assert first == files_source([path]).version()
    path.write_text("two")
    assert files_source([path]).version() != first


@pytest.mark.parametrize("line", ["{", "[]", '{"other": "x"}', '{"text": 3}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "good"}) + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: .*'text'.*--text-field"):
        texts(path)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        files_source([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no file to read"):
        files_source([tmp_path])
