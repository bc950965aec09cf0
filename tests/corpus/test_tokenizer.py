from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.tokenizer import END_OF_TEXT, Tokenizer, train_tokenizer
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import invented_documents

TEXTS = [document.text for document in invented_documents(10)]
TOKENIZER = train_tokenizer(TEXTS, vocab_size=300)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_unchanged_and_its_bytes_add_up(text: str) -> None:
    (ids,) = TOKENIZER.encode([text])
    assert TOKENIZER.decode(ids) == text
    assert int(TOKENIZER.token_bytes()[np.array(ids, dtype=int)].sum()) == len(text.encode())


def test_text_that_spells_the_marker_stays_text() -> None:
    (ids,) = TOKENIZER.encode([END_OF_TEXT])
    assert 0 not in ids
    assert TOKENIZER.decode(ids) == END_OF_TEXT


def test_every_single_byte_and_the_marker_have_a_token() -> None:
    sizes = TOKENIZER.token_bytes()
    assert sizes.shape == (300,)
    assert sizes[0] == 0
    assert (sizes == 1).sum() == 256


def test_training_repeats_itself(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "a.json")
    train_tokenizer(TEXTS, vocab_size=300).save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Tokenizer.load(tmp_path / "a.json").encode(TEXTS[:1]) == TOKENIZER.encode(TEXTS[:1])


@pytest.mark.parametrize("vocab_size", [0, 256, 65536])
def test_a_vocabulary_out_of_range_is_refused(vocab_size: int) -> None:
    with pytest.raises(InputError, match=f"vocab_size is {vocab_size}; .*257 and 65535"):
        train_tokenizer(TEXTS, vocab_size=vocab_size)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(InputError, match="the text allows"):
        train_tokenizer(["one two"], vocab_size=512)
