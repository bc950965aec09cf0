import json
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.overlap import find_overlap, read_documents
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents, write_tiny_shards

WORDS = [f"w{i}" for i in range(100)]


def document(name: str, words: list[str]) -> Document:
    return Document(name, " ".join(words))


def test_found_runs_are_counted_exactly() -> None:
    training = [document("t", WORDS[:50]), document("u", WORDS[60:])]
    evaluation = [
        document("inside", WORDS[5:30]),  # 25 words: 13 runs, all found
        document("across", WORDS[40:70]),  # 18 runs of 13; none fits into 40-49 or 60-69
        document("half", WORDS[30:50] + ["new"] * 12),  # 20 runs; 8 lie within the first 20 words
        document("short", WORDS[:4]),  # shorter than a run: compared as a whole, and not found
    ]
    overlap = find_overlap(evaluation, training)
    assert overlap.names == ("inside", "across", "half", "short")
    assert overlap.n_ngrams.tolist() == [13, 18, 20, 1]
    assert overlap.n_found.tolist() == [13, 0, 8, 0]
    assert overlap.share == 21 / 52
    np.testing.assert_allclose(overlap.document_shares, [1, 0, 0.4, 0])


def test_shorter_runs_are_found_more_often_and_spelling_does_not_matter() -> None:
    evaluation = [Document("e", "W0, w1: W2!\n\nx y z")]
    shares = [find_overlap(evaluation, [document("t", WORDS)], n_words=n).share for n in (1, 2, 3, 4)]
    assert shares == [1 / 2, 2 / 5, 1 / 4, 0]


def test_no_evaluation_text_is_refused() -> None:
    with pytest.raises(InputError, match="no evaluation text"):
        find_overlap([], [document("t", WORDS)])


def test_text_is_read_back_from_shards(tmp_path: Path) -> None:
    shards = write_tiny_shards(tmp_path / "c")
    read = [
        *read_documents(shards, shards.train, side="train"),
        *read_documents(shards, shards.validation, side="validation"),
    ]
    assert sorted(read, key=lambda d: d.name) == invented_documents()
    with pytest.raises(InputError, match="no text to compare"):
        corpus = ZipfRecall(vocab_size=8, n_tokens=10).write(tmp_path / "z")
        next(read_documents(corpus, corpus.train, side="train"))


def test_a_leak_is_found_in_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from chinchilla_lib.cli import main

    shards = write_tiny_shards(tmp_path / "c")
    leaked = next(read_documents(shards, shards.train, side="train"))
    exam = tmp_path / "exam.jsonl"
    exam.write_text(
        json.dumps({"question": leaked.text}) + "\n" + json.dumps({"question": "not " * 30}) + "\n"
    )
    options = ["corpus", "overlap", "--corpus-dir", str(tmp_path / "c")]
    assert main([*options, "--against", str(exam), "--text-field", "question", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [d["found"] / d["ngrams"] for d in found["documents"]] == [1, 0]
    assert main(options) == 0
    assert "occur in the training text of invented" in capsys.readouterr().out
