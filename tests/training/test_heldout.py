import math

import numpy as np
import pytest
import torch

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training.batches import choose_heldout
from chinchilla_lib.training.heldout import measure_heldout
from chinchilla_lib.training.model import Transformer


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


def test_the_loss_is_that_of_its_documents(shards: Shards) -> None:
    model = Transformer(rope_shape(16, n_layers=1, vocab_size=shards.vocab_size, seq_len=32), seed=0)
    windows = choose_heldout(shards, seq_len=32, n_sequences=50)
    result = measure_heldout(model, windows)
    by_document = result.by_document
    assert sum(by_document.n_tokens) == windows.tokens[:, 1:].size
    assert by_document.document == tuple(np.unique(windows.document))
    assert np.average(by_document.loss, weights=by_document.n_tokens) == pytest.approx(result.loss)
    first = windows.tokens[windows.document == by_document.document[0]]
    tokens = torch.from_numpy(first)
    assert by_document.loss[0] == pytest.approx(model.loss(tokens[:, :-1], tokens[:, 1:]).item(), rel=1e-5)
