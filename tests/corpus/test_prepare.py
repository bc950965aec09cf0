from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.corpus import sources
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make ``sotu`` a corpus of invented words and record every reading of it."""
    count: list[int] = []

    def documents() -> Iterator[Document]:
        count.append(1)
        return iter(invented_documents())

    source = replace(sources.SOURCES["sotu"], documents=documents, validation_share=0.2)
    monkeypatch.setitem(sources.SOURCES, "sotu", source)
    return count


def test_a_whole_corpus_is_kept_and_a_changed_one_made_again(tmp_path: Path, reads: list[int]) -> None:
    first = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    again = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    assert (len(reads), again.identity) == (1, first.identity)
    larger = prepare_corpus("sotu", tmp_path / "c", vocab_size=320)
    assert (len(reads), larger.vocab_size) == (2, 320)


def test_the_manifest_tells_where_the_text_is_from(tmp_path: Path, reads: list[int]) -> None:
    manifest = prepare_corpus("sotu", tmp_path / "c", vocab_size=300).manifest
    assert manifest["version"].startswith("sotu ")
    assert manifest["licence"].startswith("package MIT")
    assert manifest["cleaning"] == {"n_read": 60, "n_too_short": 0, "n_duplicate": 0, "n_kept": 60}


def test_held_out_words_do_not_shape_the_vocabulary(
    tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    from chinchilla_lib.corpus import prepare

    train = prepare.train_tokenizer

    def spy(texts, vocab_size):  # type: ignore[no-untyped-def]
        seen.extend(texts)
        return train(seen, vocab_size=vocab_size)

    monkeypatch.setattr(prepare, "train_tokenizer", spy)
    shards = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    assert len(seen) == len(shards.train.document_starts) < 60


def test_damage_is_reported_not_papered_over(tmp_path: Path, reads: list[int]) -> None:
    prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    (tmp_path / "c" / "train-00000.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"train-00000\.bin"):
        prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
