"""Peers' models and their step; ours at their number of parameters."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contestants import bench_config, bench_shape
from benchmarks.peers import PeerStep, find_peers, match_params
from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.training.cpu import CpuStep
from tests.benchmarks.conftest import own_peer

SHAPE = bench_shape(16, 1, vocab_size=40, seq_len=8)


def test_a_peers_step_is_ours() -> None:
    config = bench_config(SHAPE, n_sequences=2)
    batch = np.random.default_rng(0).integers(40, size=(2, 9))
    theirs, ours = PeerStep(own_peer(SHAPE), config, compiled=False), CpuStep([config])
    for rate in (0.01, 0.02, 0.01):
        assert theirs(rate, batch) == pytest.approx(ours([rate], [batch]).item(), rel=1e-5)


@given(st.sampled_from([16, 32, 64, 128]), st.integers(1, 4), st.integers(0, 100_000))
def test_parameters_are_matched_as_closely_as_even_widths_can(d: int, n_layers: int, more: int) -> None:
    shape = bench_shape(d, n_layers)
    wanted = count_params(shape).total + more
    matched = match_params(shape, wanted)
    assert matched.ffw_size % 2 == 0
    assert abs(count_params(matched).total - wanted) <= 2 * d * n_layers  # half of what two units add


@pytest.mark.parametrize("d, n_layers", [(16, 2), (32, 2), (64, 2), (64, 3), (128, 4)])
def test_learned_positions_are_matched_within_a_percent(d: int, n_layers: int) -> None:
    shape = bench_shape(d, n_layers)
    theirs = count_params(shape).total + shape.seq_len * d
    assert count_params(match_params(shape, theirs)).total == pytest.approx(theirs, rel=0.01)


def test_nanogpt_is_taken_from_its_checkout(
    nanogpt_checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = find_peers()["nanoGPT"](SHAPE)
    tokens = torch.arange(18).view(2, 9)
    loss = peer.loss(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
    by_logits = F.cross_entropy(peer.logits(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(by_logits.item())
    assert peer.n_params == (40 + 8) * 16
    assert capsys.readouterr().out == ""


def test_a_checkout_without_a_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANOGPT_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"NANOGPT_DIR is .*, without a model.py; name a checkout"):
        find_peers()


def test_nanogpt_is_left_out_where_it_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NANOGPT_DIR", raising=False)
    assert list(find_peers()) == ["GPT-2"]


def test_gpt2_has_biases_and_positions_besides_our_parameters() -> None:
    pytest.importorskip("transformers", reason="the extra bench is not installed")
    peer = find_peers()["GPT-2"](SHAPE)
    d, n_layers = SHAPE.d_model, SHAPE.n_layers
    biases = n_layers * (9 + 2) * d + d  # of the matrices and the norms
    assert peer.n_params == count_params(SHAPE).total + SHAPE.seq_len * d + biases
    tokens = torch.arange(8).view(1, 8)
    loss = F.cross_entropy(peer.logits(tokens)[0], tokens[0])
    assert peer.loss(tokens, tokens).item() == pytest.approx(loss.item())
