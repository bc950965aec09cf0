from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus.chunks import Chunk
from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.corpus.tokenizer import train_tokenizer
from tests.tiny_corpus import invented_documents

DOCUMENTS = [*invented_documents(6), Document("short", "too short to keep")]


def chunks(folder: Path, max_bytes: int, limit: int | None = None) -> list[Chunk]:
    """All chunks of the documents."""
    source: Iterator[Document] = iter(DOCUMENTS)
    done: list[Chunk] = []
    left = limit
    while not done or not done[-1].counts.last:
        chunk = Chunk(0, folder / f"{len(done)}")
        assert not chunk.is_read
        chunk.read(source, max_bytes=max_bytes, limit=left)
        assert chunk.is_read
        done.append(chunk)
        left = None if left is None else left - chunk.counts.n_bytes
    return done


@pytest.mark.parametrize("max_bytes", [1, 3000, 10**9])
def test_chunks_hold_each_document_once_in_order(max_bytes: int, tmp_path: Path) -> None:
    found = chunks(tmp_path, max_bytes)
    assert [d.name for chunk in found for d in chunk.documents()] == [d.name for d in DOCUMENTS[:-1]]
    assert sum(chunk.counts.n_read for chunk in found) == len(DOCUMENTS)
    assert all(len(chunk.fingerprints()) == chunk.counts.n_kept for chunk in found)
    for chunk in found:
        assert chunk.counts.n_bytes == sum(len(d.text.encode()) for d in chunk.documents())


def test_a_limit_ends_the_source(tmp_path: Path) -> None:
    first = len(DOCUMENTS[0].text.encode())
    found = chunks(tmp_path, max_bytes=1, limit=first + 1)
    assert sum(chunk.counts.n_kept for chunk in found) == 2


def test_tokens_are_made_once_and_copied_in_rounds(tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, 10**9)
    tokenizer = train_tokenizer((d.text for d in chunk.documents()), vocab_size=300)
    wanted = np.array([True, True, False, True, True, True])
    chunk.tokenise(tokenizer, wanted)
    lengths = chunk.lengths()
    assert lengths[2] == 0
    assert all(lengths[wanted] > 0)
    chunk.tokenise(tokenizer, ~wanted)  # done: nothing happens
    assert np.array_equal(chunk.lengths(), lengths)
    text = chunk.copied(np.array([2, 1, 0, 0, 3, 0]))
    names = [d.name for d in chunk.documents()]
    assert text.names == [names[i] for i in (0, 1, 4, 0, 4, 4)]
    first, last = text.tokens[: lengths[0]], text.tokens[-lengths[4] :]
    assert np.array_equal(first, text.tokens[lengths[[0, 1, 4]].sum() :][: lengths[0]])
    assert np.array_equal(last, text.tokens[lengths[[0, 1]].sum() :][: lengths[4]])
    assert len(text.tokens) == text.lengths.sum()
