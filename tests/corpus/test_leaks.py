from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus import prepare
from chinchilla_lib.corpus.leaks import COPIES, LEAKS, Leaks, drop_words
from chinchilla_lib.corpus.overlap import find_overlap, read_documents
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from tests.tiny_corpus import write_tiny_shards

N_PASSAGES = 16
N_TOKENS = 30_000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_tiny_shards(tmp_path_factory.mktemp("base") / "c")


@pytest.fixture(scope="module")
def both(base: Shards, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shards]:
    folder = tmp_path_factory.mktemp("leaks")
    return {name: Leaks(name, base, N_PASSAGES, N_TOKENS).write(folder / name) for name in LEAKS}


def tokens(shards: Shards, side: str) -> np.ndarray:
    return np.concatenate(getattr(shards, side).shards)


def test_held_out_passages_are_the_same_and_stand_in_the_held_out_text(
    base: Shards, both: dict[str, Shards]
) -> None:
    leaked, unleaked = both["sotu-leaked"], both["sotu-unleaked"]
    np.testing.assert_array_equal(tokens(leaked, "validation"), tokens(unleaked, "validation"))
    passages = tokens(leaked, "validation").reshape(N_PASSAGES, 257)
    assert (passages[:, 0] == 0).all()
    assert (passages[:, 1:] != 0).all()  # none crosses documents
    held_out = tokens(base, "validation").astype("<u2").tobytes()
    assert all(passage[1:].astype("<u2").tobytes() in held_out for passage in passages)


def test_sizes_are_equal_and_the_copies_take_the_room_of_other_text(both: dict[str, Shards]) -> None:
    leaked, unleaked = both["sotu-leaked"], both["sotu-unleaked"]
    assert leaked.train.n_tokens == unleaked.train.n_tokens == N_TOKENS
    n_copies = leaked.manifest["leaked_tokens"]
    assert unleaked.manifest["leaked_tokens"] == 0
    rest = tokens(leaked, "train")[: N_TOKENS - n_copies]
    np.testing.assert_array_equal(rest, tokens(unleaked, "train")[: len(rest)])
    names = [document.name for document in read_documents(leaked, leaked.train, side="train")]
    copied = [int(name.split("/")[1]) for name in names if name.startswith("copy/")]
    assert [copied.count(i) for i in range(N_PASSAGES)] == list(COPIES) * 2


def test_a_copy_is_its_passage_but_for_a_few_words(both: dict[str, Shards]) -> None:
    leaked = both["sotu-leaked"]
    passages = [d.text for d in read_documents(leaked, leaked.validation, side="validation")]
    copies = [d for d in read_documents(leaked, leaked.train, side="train") if d.name.startswith("copy/")]
    n_words = n_dropped = 0
    for copy in copies:
        words, left = passages[int(copy.name.split("/")[1])].split(), copy.text.split()
        places = iter(words)
        assert all(word in places for word in left), "the words that are left keep their order"
        n_words += len(words)
        n_dropped += len(words) - len(left)
    assert n_dropped / n_words == pytest.approx(0.05, abs=4 * (0.05 / n_words) ** 0.5)
    assert len({d.text for d in copies}) == len(copies), "no two copies are alike"


def test_overlap_names_the_passages_that_leaked(both: dict[str, Shards]) -> None:
    shares = {}
    for name, shards in both.items():
        evaluation = read_documents(shards, shards.validation, side="validation")
        shares[name] = find_overlap(
            evaluation, read_documents(shards, shards.train, side="train")
        ).document_shares
    copies = np.array(COPIES * 2)
    leaked, unleaked = shares["sotu-leaked"], shares["sotu-unleaked"]
    # All words of a run are in a copy with probability 0.95^13. A passage drops 4 +- 2 of its 80 words, each
    # of them 13 of 70 runs: six passages are within a quarter.
    assert leaked[copies == 1].mean() == pytest.approx(0.95**13, abs=0.25)
    assert leaked[copies == 9].min() > 0.9
    assert leaked[copies == 0].mean() <= unleaked[copies == 0].mean() < 0.1


def test_they_are_prepared_by_name_beside_their_base(
    base: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_base", lambda name, folder, vocab_size: base)
    monkeypatch.setattr(prepare, "Leaks", partial(Leaks, n_passages=8, n_tokens=N_TOKENS))
    first = prepare_corpus("sotu-leaked", tmp_path / "c", vocab_size=300)
    assert first.name == "sotu-leaked"
    written = (tmp_path / "c" / "manifest.json").stat().st_mtime_ns
    assert prepare_corpus("sotu-leaked", tmp_path / "c", vocab_size=300).identity == first.identity
    assert (tmp_path / "c" / "manifest.json").stat().st_mtime_ns == written
    monkeypatch.setattr(prepare, "Leaks", partial(Leaks, n_passages=12, n_tokens=N_TOKENS))
    assert prepare_corpus("sotu-leaked", tmp_path / "c", vocab_size=300).identity != first.identity


def test_too_little_text_is_refused(base: Shards, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n_passages is 100000; the held-out side of 'invented' has"):
        Leaks("sotu-leaked", base, n_passages=100_000).write(tmp_path / "c")
    with pytest.raises(InputError, match="n_tokens is 1000000; the training side of 'invented' has"):
        Leaks("sotu-leaked", base, n_passages=8).write(tmp_path / "c")


def test_dropping_keeps_what_stands_between_the_others() -> None:
    text = "a b\n\nc  d"
    assert drop_words(text, 0.0, np.random.default_rng(0)) == text
    assert drop_words(text, 1.0, np.random.default_rng(0)) == ""
