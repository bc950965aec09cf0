"""A peer in milliseconds: our own module, trained by autograd."""

from pathlib import Path

import pytest
import torch

from benchmarks.peers import Peer
from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.training.model import Transformer

NANOGPT = """
from dataclasses import dataclass
import torch
from torch import nn


@dataclass
class GPTConfig:
    block_size: int
    vocab_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float
    bias: bool


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        print("number of parameters")

    def forward(self, idx, targets=None):
        logits = (self.wte(idx) + self.wpe.weight) @ self.wte.weight.T
        return logits, nn.functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
"""


@pytest.fixture
def nanogpt_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose model.py has the names of nanoGPT's."""
    (tmp_path / "model.py").write_text(NANOGPT)
    monkeypatch.setenv("NANOGPT_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def own_peer(shape: TransformerShape) -> Peer:
    """Our model in the place of a peer's."""
    model = Transformer(shape, seed=0)
    return Peer(model, model.loss, model)
