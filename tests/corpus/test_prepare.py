"""The whole way from text to shards, in chunks small enough that there are several."""

import itertools
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus import prepare, sources
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.recipe import Part, Recipe
from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.corpus.sources import Source
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents


def source(name: str, documents: list[Document]) -> Source:
    """A source of documents that are there."""
    return Source(name, name, "CC0-1.0", 0.2, lambda: "1", lambda: iter(documents))


def recipe(documents: list[Document] | Callable[[], Iterator[Document]], version: str = "1") -> Recipe:
    """A corpus of one source."""
    read = documents if callable(documents) else documents.__iter__
    return Recipe("tiny", (Part(replace(source("tiny", []), documents=read, version=lambda: version)),))


def texts_of(shards: Shards) -> list[list[str]]:
    """The documents of the two sides, read back."""
    tokenizer = Tokenizer.load(shards.folder / "tokenizer.json")
    return [
        [tokenizer.decode(t) for t in np.split(np.concatenate(side.shards), side.document_starts[1:])]
        for side in (shards.train, shards.validation)
    ]


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


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_CHUNK_BYTES", 30_000)


def test_a_whole_corpus_is_kept_and_a_changed_one_made_again(tmp_path: Path, reads: list[int]) -> None:
    first = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    again = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    assert (len(reads), again.identity) == (1, first.identity)
    larger = prepare_corpus("sotu", tmp_path / "c", vocab_size=320)
    assert (len(reads), larger.vocab_size) == (2, 320)
    shorter = prepare_corpus("sotu", tmp_path / "c", vocab_size=320, limit_bytes=30_000)
    assert len(reads) == 3
    assert 30_000 <= shorter.train.n_bytes + shorter.validation.n_bytes < 40_000


def test_the_manifest_tells_where_the_text_is_from(tmp_path: Path, reads: list[int]) -> None:
    manifest = prepare_corpus("sotu", tmp_path / "c", vocab_size=300).manifest
    assert manifest["version"].startswith("sotu ")
    assert manifest["licence"].startswith("package MIT")
    assert manifest["cleaning"] == {
        "n_read": 60,
        "n_too_short": 0,
        "n_duplicate": 0,
        "n_near_duplicate": 0,
        "n_leaking": 0,
        "n_kept": 60,
    }


def test_no_text_is_lost_or_doubled_whatever_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = invented_documents(40)
    read = [*documents, Document("short", "too short"), replace(documents[3], name="again")]
    whole = prepare_corpus(recipe(read), tmp_path / "whole", vocab_size=300)
    monkeypatch.setattr(prepare, "_CHUNK_BYTES", 10_000)
    cut = prepare_corpus(recipe(read), tmp_path / "cut", vocab_size=300)
    assert len(whole.train.shards) == 1 < len(cut.train.shards)
    assert texts_of(whole) == texts_of(cut)
    assert sorted(itertools.chain(*texts_of(cut))) == sorted(d.text for d in documents)
    cleaning = cut.manifest["cleaning"]
    assert (cleaning["n_read"], cleaning["n_too_short"], cleaning["n_duplicate"]) == (42, 1, 1)


def test_held_out_words_do_not_shape_the_vocabulary(
    tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    train = prepare.train_tokenizer

    def spy(texts, vocab_size):  # type: ignore[no-untyped-def]
        seen.extend(texts)
        return train(seen, vocab_size=vocab_size)

    monkeypatch.setattr(prepare, "train_tokenizer", spy)
    shards = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    assert len(seen) == len(shards.train.document_starts) < 60
    # A sample is bounded.
    seen.clear()
    monkeypatch.setattr(prepare, "_SAMPLE_BYTES", 40_000)
    prepare_corpus("sotu", tmp_path / "d", vocab_size=300)
    assert 20_000 < sum(map(len, seen)) < 60_000


@pytest.mark.parametrize("file", ["train-00000.bin", "manifest.json", "tokenizer.json"])
def test_a_damaged_corpus_is_named_and_made_again(
    tmp_path: Path, reads: list[int], file: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    path = tmp_path / "c" / file
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=file):
        open_shards(tmp_path / "c")
    assert prepare_corpus("sotu", tmp_path / "c", vocab_size=300).identity == whole.identity
    assert any(file in r.message for r in caplog.records if r.levelno == logging.WARNING)


def test_another_corpus_is_not_overwritten(tmp_path: Path, reads: list[int]) -> None:
    prepare_corpus(ZipfRecall(vocab_size=8, n_tokens=10), tmp_path / "c")
    with pytest.raises(InputError, match="holds the corpus 'zipf-recall', not 'sotu'"):
        prepare_corpus("sotu", tmp_path / "c", vocab_size=300)


class FailingError(Exception):
    """What the tests interrupt a preparation with."""


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_preparation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = invented_documents(40)
    whole = prepare_corpus(recipe(documents), tmp_path / "whole", vocab_size=300)
    taken: list[str] = []

    def interrupted(after: int) -> Iterator[Document]:
        for i, document in enumerate(documents):
            if i == after:
                raise FailingError
            taken.append(document.name)
            yield document

    with pytest.raises(FailingError):
        prepare_corpus(recipe(lambda: interrupted(35)), tmp_path / "c", vocab_size=300)
    assert not (tmp_path / "c").exists()
    kept = sorted((tmp_path / ".c.work").glob("*.json"))
    assert len(kept) >= 2
    made = {path: path.stat().st_mtime_ns for path in kept}

    # Then it dies while it writes tokens.
    tokenise = Tokenizer.tokenise
    calls: list[int] = []

    def failing(self: Tokenizer, documents: list[Document]) -> object:
        calls.append(len(documents))
        if len(calls) == 3:
            raise FailingError
        return tokenise(self, documents)

    monkeypatch.setattr(Tokenizer, "tokenise", failing)
    again = recipe(lambda: interrupted(99))
    with pytest.raises(FailingError):
        prepare_corpus(again, tmp_path / "c", vocab_size=300)
    assert {path: path.stat().st_mtime_ns for path in kept} == made
    monkeypatch.setattr(prepare, "train_tokenizer", None)  # it is there already
    resumed = prepare_corpus(again, tmp_path / "c", vocab_size=300)
    assert resumed.identity == whole.identity
    assert sum(calls) < 2 * len(documents)
    assert sorted(path.name for path in tmp_path.glob("*c*") if "whole" not in path.name) == [".c.lock", "c"]


@pytest.mark.usefixtures("small_chunks")
def test_another_wish_starts_afresh(tmp_path: Path) -> None:
    def broken() -> Iterator[Document]:
        yield from invented_documents(30, seed=5)
        raise FailingError

    with pytest.raises(FailingError):
        prepare_corpus(recipe(broken), tmp_path / "c", vocab_size=300)
    other = recipe(invented_documents(20), version="2")
    assert prepare_corpus(other, tmp_path / "c", vocab_size=300).manifest["cleaning"]["n_read"] == 20


def test_a_full_disk_is_told_in_one_line_and_survived(
    tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"No space left on device; .*goes on from here"):
            prepare_corpus("sotu", tmp_path / "c", vocab_size=300)
    assert prepare_corpus("sotu", tmp_path / "c", vocab_size=300).train.n_tokens


def test_parts_come_in_the_shares_asked_for(tmp_path: Path) -> None:
    first = source("first", invented_documents(60, 150, seed=1))
    second = source("second", invented_documents(120, 150, seed=2))
    mix = Recipe("mix", (Part(first, weight=3, max_epochs=2), Part(second, weight=1)))
    shards = prepare_corpus(mix, tmp_path / "c", vocab_size=300)
    rows = {row["source"]: row for row in shards.manifest["subsets"]}
    assert rows["first"]["share"] == pytest.approx(0.75, abs=0.02)
    assert rows["first"]["epochs"] == pytest.approx(2, abs=0.05)
    assert rows["second"]["epochs"] < 1
    assert rows["first"]["tokens"] + rows["second"]["tokens"] == shards.train.n_tokens
    assert rows["second"]["unique_tokens"] == rows["second"]["tokens"] < rows["second"]["available_tokens"]
    train, validation = texts_of(shards)
    assert not set(train) & set(validation)
    assert len(set(validation)) == len(validation)
    words = [{d.text for d in invented_documents(n, 150, seed=s)} for n, s in ((60, 1), (120, 2))]
    assert sum(t in words[0] for t in validation) > 2 * sum(t in words[1] for t in validation)


def test_a_document_of_two_parts_is_taken_once(tmp_path: Path) -> None:
    documents = invented_documents(30)
    parts = (Part(source("a", documents[:20])), Part(source("b", documents[10:])))
    shards = prepare_corpus(Recipe("both", parts), tmp_path / "c", vocab_size=300)
    assert sorted(itertools.chain(*texts_of(shards))) == sorted(d.text for d in documents)


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_CHUNK_BYTES", 50_000)
    monkeypatch.setattr(prepare, "_SAMPLE_BYTES", 50_000)

    def endless(n: int) -> Iterator[Document]:
        rng = np.random.default_rng(n)
        for i in range(10 * n):
            yield Document(str(i), " ".join(f"w{w}" for w in rng.integers(400, size=600)))

    def peak(n: int) -> int:
        tracemalloc.start()
        documents = recipe(lambda: endless(n))
        shards = prepare_corpus(documents, tmp_path / f"{n}", vocab_size=300)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert shards.train.n_bytes > n * 10_000
        return found

    peak(1)  # caches of the first call are not counted
    assert peak(24) < 1.1 * peak(6) + 100_000


KILLED = """
import sys, time
from pathlib import Path
from chinchilla_lib.corpus import prepare
from tests.corpus.test_prepare import recipe
from tests.tiny_corpus import invented_documents
prepare._CHUNK_BYTES = 20_000
def slow():
    for document in invented_documents(40):
        time.sleep(0.002)
        yield document
prepare.prepare_corpus(recipe(slow), Path(sys.argv[1]), vocab_size=300)
"""


def test_kill_at_any_moment_leaves_nothing_that_opens_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c"
    command = [sys.executable, "-c", KILLED, str(folder)]
    # Moments are counted in files written, so that a slow machine is killed at the same ones.
    for n_files in (5, 18):  # while it reads, while it tokenises
        process = subprocess.Popen(command)
        work = tmp_path / ".c.work"
        while process.poll() is None and len(list(work.glob("*"))) < n_files:
            time.sleep(0.001)
        assert process.poll() is None
        process.kill()
        process.wait()
        if folder.exists():
            open_shards(folder)
    monkeypatch.setattr(prepare, "_CHUNK_BYTES", 20_000)
    killed = prepare_corpus(recipe(invented_documents(40)), folder, vocab_size=300)
    whole = prepare_corpus(recipe(invented_documents(40)), tmp_path / "whole", vocab_size=300)
    assert killed.identity == whole.identity
