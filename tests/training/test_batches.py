from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.corpus.shards import Shards, Split
from chinchilla_lib.corpus.zipf import ZipfRecall
from chinchilla_lib.errors import InputError
from chinchilla_lib.training.batches import choose_heldout, corrupt_batches, training_batches, unique_tokens

T = 32


def _windows(shards: Shards, n_windows: int, batch: int = 1, seed: int = 0) -> np.ndarray:
    steps = -(-n_windows // batch)
    batches = training_batches(shards.train, seq_len=T, batch_size_sequences=batch, n_steps=steps, seed=seed)
    return np.concatenate(list(batches))[:n_windows]


def test_one_epoch_sees_each_window_once() -> None:
    counted = tuple(np.arange(a, b, dtype=np.uint16) for a, b in ((0, 1000), (1000, 5000), (5000, 5020)))
    split = Split(counted, np.array([0]), 5020, 5020)
    n = unique_tokens(split, T) // T - 2  # the random offset may cost each of the two long shards one window
    (windows,) = training_batches(split, seq_len=T, batch_size_sequences=n, n_steps=1, seed=0)
    assert (np.diff(windows) == 1).all()  # no window crosses two shards or runs backwards
    starts = windows[:, 0]
    assert len(set(starts)) == n
    assert len({int(at) % T for at in starts if at < 1000}) == 1  # one grid: windows do not overlap
    assert len({int(at - 1000) % T for at in starts if at >= 1000}) == 1


def test_targets_are_the_inputs_one_to_the_right(shards: Shards) -> None:
    (batch,) = training_batches(shards.train, seq_len=T, batch_size_sequences=4, n_steps=1, seed=0)
    assert batch.shape == (4, T + 1)
    assert batch.dtype == np.int64


def test_the_order_depends_on_the_seed_and_not_on_the_batch(shards: Shards) -> None:
    np.testing.assert_array_equal(_windows(shards, 24, batch=1), _windows(shards, 24, batch=8))
    assert not np.array_equal(_windows(shards, 24), _windows(shards, 24, seed=1))


def test_a_second_epoch_is_cut_and_ordered_anew(shards: Shards) -> None:
    n = unique_tokens(shards.train, T) // T
    windows = _windows(shards, 2 * n)
    assert not np.array_equal(windows[:n], windows[n:])


def test_a_window_longer_than_the_corpus_is_refused(shards: Shards) -> None:
    with pytest.raises(InputError, match="one window needs 10000001"):
        next(training_batches(shards.train, seq_len=10**7, batch_size_sequences=1, n_steps=1, seed=0))


def test_held_out_windows_are_spread_and_stay_inside_their_documents(shards: Shards) -> None:
    heldout = choose_heldout(shards, seq_len=T, n_sequences=100)
    assert heldout.tokens.shape == (100, T + 1)
    assert len(set(heldout.document)) == len(shards.validation.document_starts)
    assert (heldout.tokens[:, 1:] != 0).all()  # the marker starts a document, so it is never a target
    assert len({bytes(window) for window in heldout.tokens}) == 100
    assert heldout.n_bytes == shards.token_bytes[heldout.tokens[:, 1:]].sum()


def test_all_held_out_windows_can_be_had_and_no_more(shards: Shards) -> None:
    ends = np.append(shards.validation.document_starts[1:], shards.validation.n_tokens)
    total = int(((ends - shards.validation.document_starts - 1) // T).sum())
    assert len(choose_heldout(shards, seq_len=T, n_sequences=total).tokens) == total
    with pytest.raises(InputError, match=f"ask for {total} at most"):
        choose_heldout(shards, seq_len=T, n_sequences=total + 1)


def test_a_corpus_of_triples_is_cut_at_triples(tmp_path: Path) -> None:
    shards = ZipfRecall(vocab_size=8, eps=0.0, n_tokens=10_000).write(tmp_path / "c")
    value = {}  # without noise the third token is a function of the two before it
    for batch in training_batches(shards.train, seq_len=T + 1, batch_size_sequences=50, n_steps=12, seed=0):
        for a, b, v in batch[:, :-1].reshape(-1, 3):
            assert value.setdefault((a, b), v) == v
    heldout = choose_heldout(shards, seq_len=T + 1, n_sequences=9)
    assert all(value.get((a, b), v) == v for a, b, v in heldout.tokens[:, :-1].reshape(-1, 3))
    with pytest.raises(InputError, match="take 30 or 33"):
        choose_heldout(shards, seq_len=T, n_sequences=9)
    with pytest.raises(InputError, match="multiple of 3"):
        next(training_batches(shards.train, seq_len=T, batch_size_sequences=1, n_steps=1, seed=0))


def test_held_out_windows_are_the_same_in_several_shards() -> None:
    tokens = np.arange(4000, dtype=np.uint16)
    starts = np.array([0, 1000, 1500, 3000])

    def windows(*borders: int) -> np.ndarray:
        split = Split(tuple(np.split(tokens, borders)), starts, 4000, 4000)
        shards = Shards("counted", "0", split, split, np.ones(4000, dtype=np.uint16), {}, Path())
        return choose_heldout(shards, seq_len=T, n_sequences=60).tokens

    assert (np.diff(windows(1500)) == 1).all()
    np.testing.assert_array_equal(windows(1000, 1500), windows())


def test_a_small_unique_set_is_repeated_in_new_orders(shards: Shards) -> None:
    def starts(n_unique: int, n_steps: int, seed: int = 0) -> list[bytes]:
        batches = training_batches(
            shards.train, seq_len=T, batch_size_sequences=1, n_steps=n_steps, seed=seed, n_unique=n_unique
        )
        return [bytes(batch) for batch in batches]

    seen = starts(6, 18)
    epochs = [seen[0:6], seen[6:12], seen[12:18]]
    assert all(len(set(epoch)) == 6 and set(epoch) == set(epochs[0]) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert set(seen) < set(starts(10, 10))
    assert set(starts(6, 6, seed=1)) != set(seen)
    with pytest.raises(InputError, match="windows of 32 tokens, not 1000000"):
        starts(10**6, 1)


def test_corrupted_batches_keep_the_rest(shards: Shards) -> None:
    clean = list(training_batches(shards.train, seq_len=T, batch_size_sequences=50, n_steps=20, seed=0))
    noisy = list(corrupt_batches(clean, fraction=0.5, vocab_size=1000, seed=0))
    changed = np.mean([(a != b).mean() for a, b in zip(clean, noisy, strict=True)])
    assert changed == pytest.approx(0.5, abs=0.02)  # 33,000 tokens: a standard error of .003
    assert max(batch.max() for batch in noisy) >= 990
    untouched = corrupt_batches(clean, fraction=0.0, vocab_size=1000, seed=0)
    assert all(a is b for a, b in zip(clean, untouched, strict=True))
    again = corrupt_batches(clean, fraction=0.5, vocab_size=1000, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(noisy, again, strict=True))
