"""Held-out losses of peers and ours."""

import math
from pathlib import Path

import pytest

from benchmarks.contestants import bench_shape
from benchmarks.losses import compare_losses
from tests.benchmarks.conftest import own_peer
from tests.tiny_corpus import VOCAB_SIZE, write_tiny_shards


def test_a_peer_that_is_our_model_learns_as_much(tmp_path: Path) -> None:
    shape = bench_shape(16, 1, vocab_size=VOCAB_SIZE, seq_len=16)
    shards = write_tiny_shards(tmp_path / "shards")
    peer, rope, fast = compare_losses(
        shape, "peer", own_peer, shards, n_steps=8, rates=(0.01, 0.03), n_heldout=40
    )
    assert (peer.model, rope.model, fast.model) == ("peer", "rope", "fast")
    assert peer.n_params == rope.n_params == fast.n_params
    assert rope.losses == pytest.approx(peer.losses, rel=1e-4)
    assert peer.best == min(peer.losses.values()) < math.log(VOCAB_SIZE)
    assert fast.best != rope.best
