import csv
import json
from pathlib import Path

import pytest

from benchmarks.overlap import main, measure
from chinchilla_lib import workspace
from chinchilla_lib.corpus.leaks import COPIES, Leaks
from tests.tiny_corpus import write_tiny_shards


def test_copies_are_counted(tmp_path: Path) -> None:
    base = write_tiny_shards(tmp_path / "base")
    leaked, unleaked = (
        measure(Leaks(name, base, 16, 30_000).write(tmp_path / name))
        for name in ("sotu-leaked", "sotu-unleaked")
    )
    assert (leaked["n_documents"], leaked["n_ngrams"]) == (16, unleaked["n_ngrams"])
    n_copied = sum(2 * (copies > 0) for copies in COPIES)
    assert int(leaked["documents_with_any"]) >= n_copied
    assert 0 < int(leaked["documents_half_found"]) <= n_copied
    assert int(leaked["n_found"]) > 3 * int(unleaked["n_found"])
    assert unleaked["documents_half_found"] == 0


def test_what_is_measured_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHINCHILLA_WORK", str(tmp_path))
    write_tiny_shards(workspace.folder("corpora", "tiny"))
    assert main(["tiny", "--record", str(tmp_path / "overlap")]) == 0
    [row] = csv.DictReader((tmp_path / "overlap" / "runs.csv").read_text().splitlines())
    assert (row["corpus"], row["words"]) == ("invented", "13")
    about = json.loads((tmp_path / "overlap" / "provenance.json").read_text())
    assert about["corpus"] == row["identity"]
    assert about["command"] == "python -m benchmarks.overlap tiny"
