"""The streamed sources, through `datasets` itself, on local folders of the same form."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.corpus.hub import C4, FINEWEB_EDU
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.sources import SOURCES
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where stand-ins lie; the hub is out of reach."""
    monkeypatch.setenv("CHINCHILLA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for module in ("datasets.config", "huggingface_hub.constants"):  # each read the variable when imported
        monkeypatch.setattr(f"{module}.HF_HUB_OFFLINE", True)
    return tmp_path / "data"


def write_c4(data: Path) -> None:
    """Two files as C4 has them, 30 rows each."""
    rows = [
        {"text": d.text, "timestamp": "2019-04-25T12:57:54Z", "url": "http://x"} for d in invented_documents()
    ]
    (data / "c4" / "en").mkdir(parents=True)
    for i in range(2):
        lines = "".join(json.dumps(row) + "\n" for row in rows[30 * i : 30 * i + 30])
        path = data / "c4" / "en" / f"c4-train.{i:05d}-of-00002.json.gz"
        path.write_bytes(gzip.compress(lines.encode()))


def test_c4_is_streamed_up_to_the_limit(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_c4(data)
    assert [d.text for d in C4.documents()] == [d.text for d in invented_documents()]
    monkeypatch.setitem(SOURCES, "c4", replace(SOURCES["c4"], validation_share=0.2))
    shards = prepare_corpus("c4", tmp_path / "c", vocab_size=300, limit_bytes=60_000)
    assert 60_000 <= shards.train.n_bytes + shards.validation.n_bytes < 65_000
    assert shards.manifest["made_from"]["limit_bytes"] == 60_000
    assert shards.manifest["version"] == "allenai/c4, en/c4-train.*.json.gz"


def test_fineweb_edu_is_streamed_from_parquet(data: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (data / "fineweb-edu" / "sample" / "10BT").mkdir(parents=True)
    rows = pyarrow.table({"text": ["one", "two"], "id": ["a", "b"], "score": [3.5, 4.0]})
    parquet.write_table(rows, data / "fineweb-edu" / "sample" / "10BT" / "000_00000.parquet")
    assert [(d.name, d.text) for d in FINEWEB_EDU.documents()] == [
        ("fineweb-edu/0", "one"),
        ("fineweb-edu/1", "two"),
    ]


def test_without_a_network_the_message_says_where_files_may_be_put(data: Path) -> None:
    with pytest.raises(InputError, match=r"c4 cannot be read from allenai/c4 .*files en/c4-train.* in .*/c4"):
        next(C4.documents())


def test_files_of_another_form_are_refused(data: Path) -> None:
    (data / "c4" / "en").mkdir(parents=True)
    (data / "c4" / "en" / "c4-train.0.json.gz").write_bytes(gzip.compress(b'{"body": "x"}\n'))
    with pytest.raises(InputError, match=r"'text'"):
        list(C4.documents())
