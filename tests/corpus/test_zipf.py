import json
import math
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.errors import InputError


def test_entropy_is_the_one_published_elsewhere() -> None:
    assert ZipfRecall(vocab_size=64, s=0.5, eps=0.1).entropy == pytest.approx(1.25851, abs=5e-6)


def test_entropy_of_two_tokens_by_hand() -> None:
    corpus = ZipfRecall(vocab_size=2, s=1.0, eps=0.5)
    keys = np.array([1, 1 / 4, 1 / 9, 1 / 16]) / (1 + 1 / 4 + 1 / 9 + 1 / 16)
    by_hand = -(keys * np.log(keys)).sum() - 0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert corpus.entropy == pytest.approx(by_hand / 3)


def test_what_is_drawn_has_the_entropy_claimed(tmp_path: Path) -> None:
    corpus = ZipfRecall(vocab_size=16, s=0.5, eps=0.1, n_tokens=600_000)
    shards = corpus.write(tmp_path / "c")
    a, b, v = np.concatenate(shards.train.shards).reshape(-1, 3).T.astype(int)
    key = a * 16 + b
    count = np.bincount(key, minlength=256)
    # Cross-entropy of the draws under the law: its mean is the entropy, its error that of a mean.
    share = np.sort(count)[::-1] / len(key)
    top = corpus.key_probabilities[:20]
    np.testing.assert_allclose(share[:20], top, atol=5 * np.sqrt(top[0] / len(key)))
    most = np.array([np.bincount(v[key == k], minlength=16).max() for k in np.flatnonzero(count > 2000)])
    held = most.sum() / count[count > 2000].sum()
    assert held == pytest.approx(0.9 + 0.1 / 16, abs=5 * math.sqrt(0.1 / len(key)) + 0.002)
    assert shards.manifest["entropy_nats_per_token"] == corpus.entropy
    assert (shards.train.alignment, shards.train.n_tokens % 3, shards.vocab_size) == (3, 0, 16)
    assert (shards.train.document_starts % 3 == 0).all()
    assert shards.train.n_bytes == shards.train.n_tokens  # a token counts as a byte


def test_both_sides_share_one_law_and_no_draw(tmp_path: Path) -> None:
    shards = ZipfRecall(vocab_size=8, eps=0.0, n_tokens=50_000).write(tmp_path / "c")
    sides = [np.concatenate(s.shards).reshape(-1, 3) for s in (shards.train, shards.validation)]
    facts = {(a, b): v for a, b, v in sides[0].tolist()}
    assert all(facts.get((a, b), v) == v for a, b, v in sides[1].tolist())
    assert not np.array_equal(sides[0][: len(sides[1])], sides[1])


def test_what_is_known_of_the_held_out_side_is_that_of_what_was_written(tmp_path: Path) -> None:
    corpus = ZipfRecall(vocab_size=8, s=0.5, eps=0.1, n_tokens=5_000_000)  # more than one shard a side
    shards = corpus.write(tmp_path / "c")
    assert len(shards.train.shards) > 1
    triples = corpus.heldout()
    np.testing.assert_array_equal(triples.ravel(), np.concatenate(shards.validation.shards))
    # Of all 8^3 triples at their probabilities the mean is the entropy; of draws it is, up to their scatter.
    everything = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    nats = corpus.surprise(everything)
    probability = np.exp(-nats.sum(axis=1))
    assert probability.sum() == pytest.approx(1)
    assert (probability[:, None] * nats).sum() / 3 == pytest.approx(corpus.entropy)
    drawn = corpus.surprise(triples).mean(axis=1)
    assert drawn.mean() == pytest.approx(corpus.entropy, abs=4 * drawn.std() / math.sqrt(len(drawn)))
    # The second token given the first is a distribution of its own.
    pairs = nats.reshape(8, 8, 8, 3)[:, :, 0, 1]
    np.testing.assert_allclose(np.exp(-pairs).sum(axis=1), 1)


def test_the_same_corpus_is_kept_and_another_replaces_it(tmp_path: Path) -> None:
    corpus = ZipfRecall(vocab_size=8, n_tokens=10)
    first = prepare_corpus(corpus, tmp_path / "c")
    before = (tmp_path / "c" / "manifest.json").stat().st_mtime_ns
    assert prepare_corpus(corpus, tmp_path / "c").identity == first.identity
    assert (tmp_path / "c" / "manifest.json").stat().st_mtime_ns == before
    assert prepare_corpus(ZipfRecall(8, seed=1, n_tokens=10), tmp_path / "c").identity != first.identity
    assert json.loads((tmp_path / "c" / "manifest.json").read_text())["zipf_recall"]["seed"] == 1


@pytest.mark.parametrize(
    "wrong", [{"vocab_size": 1}, {"vocab_size": 5000}, {"s": 0.0}, {"eps": 1.0}, {"n_tokens": 0}]
)
def test_what_makes_no_corpus_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ZipfRecall(**wrong)  # type: ignore[arg-type]
