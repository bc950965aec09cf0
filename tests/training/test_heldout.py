import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.sweeps.plan import rope_shape
from chinchilla_lib.training.batches import choose_heldout
from chinchilla_lib.training.heldout import clustered_mean, measure_heldout
from chinchilla_lib.training.model import Transformer


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=40))
def test_clusters_of_one_give_the_textbook_error(values: list[float]) -> None:
    x = np.array(values)
    mean, error = clustered_mean(x, np.arange(len(x)))
    assert mean == pytest.approx(x.mean(), abs=1e-12)
    assert error == pytest.approx(x.std(ddof=1) / math.sqrt(len(x)), abs=1e-12)


def test_copies_within_a_cluster_add_no_information() -> None:
    x = np.random.default_rng(0).normal(size=20)
    once = clustered_mean(x, np.arange(20))
    fivefold = clustered_mean(np.repeat(x, 5), np.repeat(np.arange(20), 5))
    assert fivefold == pytest.approx(once)


def test_the_error_covers_the_truth_when_documents_differ() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(40), rng.integers(5, 20, size=40))
    inside = 0
    for _ in range(400):
        values = rng.normal(size=40)[cluster] + rng.normal(size=len(cluster))
        mean, error = clustered_mean(values, cluster)
        inside += abs(mean) < 1.645 * error
    assert 0.84 < inside / 400 < 0.95  # nominal 0.90, three standard deviations and small-sample loss


def test_one_cluster_gives_no_error() -> None:
    assert clustered_mean(np.ones(4), np.zeros(4, dtype=np.int64)) == (1.0, math.inf)


def test_a_uniform_model_scores_the_logarithm_of_the_vocabulary(shards: Shards) -> None:
    model = Transformer(rope_shape(16, n_layers=1, vocab_size=shards.vocab_size, seq_len=32), seed=0)
    torch.nn.init.zeros_(model.embedding.weight)
    windows = choose_heldout(shards, seq_len=32, n_sequences=50)
    result = measure_heldout(model, windows, batch_size=7)
    assert result.loss == pytest.approx(math.log(shards.vocab_size), rel=1e-6)
    assert result.loss_se == pytest.approx(0, abs=1e-6)
    bits = result.loss / math.log(2) * windows.tokens[:, 1:].size
    assert result.bits_per_byte == pytest.approx(bits / windows.n_bytes)


def test_the_batch_size_does_not_matter(shards: Shards) -> None:
    model = Transformer(rope_shape(16, n_layers=1, vocab_size=shards.vocab_size, seq_len=32), seed=0)
    windows = choose_heldout(shards, seq_len=32, n_sequences=50)
    a, b = (measure_heldout(model, windows, batch_size=n) for n in (1, 50))
    assert a.loss == pytest.approx(b.loss, rel=1e-6)
    assert a.loss_se > 0
