import gzip
import json
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation import sources
from chinchilla_lib.evaluation.sources import FileSource, HubData, read_text

ROW = {"word": "dog", "n": 3}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are looked for; the hub is out of reach."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "eval").mkdir()
    return tmp_path / "eval"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("jsonl", '{"word": "dog", "n": "3"}\n\n{"word": "a, cat", "n": "4"}\n'),
        ("csv", 'word,n\ndog,3\n"a, cat",4\n'),
        ("tsv", "word\tn\ndog\t3\na, cat\t4\n"),
    ],
)
def test_rows_are_read_in_each_form(kind: str, text: str, suffix: str, folder: Path) -> None:
    source = FileSource(f"words.{kind}")
    with pytest.raises(InputError, match=rf"task words: words.{kind} is missing; put words.{kind}, or"):
        source.find("words")
    path = write(folder / f"words.{kind}{suffix}", text)
    assert source.find("words") == path
    assert [item for _, item in source.read(path)] == [
        {"word": "dog", "n": "3"},
        {"word": "a, cat", "n": "4"},
    ]
    *_, (where, _) = source.read(path)
    assert where == f"{path}: line 3"


def test_marks_of_a_line_inside_a_text_do_not_end_it(folder: Path) -> None:
    rows = [{"word": f"one{mark}two"} for mark in ("\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c", "\r")]
    path = write(
        folder / "words.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
    )
    assert [item for _, item in FileSource("words.jsonl").read(path)] == rows


def test_a_row_may_become_several_items_or_none(folder: Path) -> None:
    source = FileSource("words.jsonl", to_items=lambda row: row["n"] * [{"word": row["word"]}])
    path = write(folder / "words.jsonl", json.dumps(ROW) + "\n" + json.dumps({**ROW, "n": 0}) + "\n")
    assert [item for _, item in source.read(path)] == 3 * [{"word": "dog"}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"word": "do', "line 1: no sound JSON: .* cut short"),
        ("[1, 2]", "line 1: found list; an item is an object"),
        ('{"word": "dog"}', "line 1: it lacks 'n'"),
        ('{"word": "dog", "n": "three"}', "line 1: it has another form"),
    ],
)
def test_a_broken_line_is_named(line: str, message: str, folder: Path) -> None:
    source = FileSource("words.jsonl", to_items=lambda row: [{"word": row["word"], "n": int(row["n"])}])
    with pytest.raises(InputError, match=message):
        list(source.read(write(folder / "words.jsonl", line)))


def test_a_damaged_file_is_named(folder: Path) -> None:
    whole = write(folder / "whole.jsonl.gz", 99 * (json.dumps(ROW) + "\n")).read_bytes()
    for name, data in (("cut.jsonl.gz", whole[:-20]), ("other.jsonl", b"\xff\xfe\x00")):
        (folder / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}: the file is damaged .*; get it again"):
            read_text(folder / name)
    cut = write(folder / "cut.csv", 'word,n\n"dog')
    with pytest.raises(InputError, match=r"cut.csv: line 1: .*cut short"):
        list(FileSource("cut.csv").read(cut))
    with pytest.raises(InputError, match="there is no such file"):
        read_text(folder / "none.jsonl")


def test_without_a_network_the_message_says_what_is_missing_and_where_it_may_be_put(folder: Path) -> None:
    source = FileSource("words.jsonl", HubData("someone/words", "test", "small"))
    with pytest.raises(
        InputError,
        match=r"task words: its items cannot be had from the hub, someone/words, small, split test \(.*\); "
        r"put words.jsonl, or words.jsonl.gz, into .*eval",
    ):
        source.find("words")
    assert not list(folder.rglob("*.gz"))


def test_a_data_set_that_has_changed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(sources, "_reach_hub", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: [ROW, ROW])
    with pytest.raises(InputError, match="on the hub has 2 items, 3 were published"):
        FileSource("words.jsonl", HubData("someone/words", "test", n_items=3)).find("words")
    found = FileSource("words.jsonl", HubData("someone/words", "test", n_items=2)).find("words")
    assert found == folder / "hub" / "words.jsonl.gz"
    with pytest.raises(InputError, match="cannot be had from the hub"):
        hub = HubData("someone/words", "test", to_items=lambda row: [{"x": row["lost"]}])
        FileSource("others.jsonl", hub).find("others")
