"""The same model elsewhere: GPT-2 of ``transformers``, and nanoGPT where a checkout of it is."""

import importlib.util
import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.runs import RunConfig

__all__ = ["Batch", "MakePeer", "Peer", "PeerStep", "find_peers", "match_params"]

Batch = npt.NDArray[np.int64]
"""Token ids, shape (sequences, seq_len + 1)."""


@dataclass(frozen=True, eq=False)
class Peer:
    """Someone else's model.

    Attributes
    ----------
    model : nn.Module
    loss : callable
        From tokens and targets, both (B, T), to the mean loss.
    logits : callable
        From tokens, (B, T), to logits (B, T, V).
    """

    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    logits: Callable[[Tensor], Tensor]

    @property
    def n_params(self) -> int:
        """Parameters, a tied matrix counted once."""
        return sum(p.numel() for p in self.model.parameters())


MakePeer = Callable[[TransformerShape], Peer]
"""From a shape to a peer's model of its width, depth, heads and vocabulary."""


class PeerStep:
    """The step of nanoGPT's ``train.py`` in float32: autograd, clipping, AdamW that decays matrices.

    AdamW is torch's fused one, which is faster than what nanoGPT takes on a CPU.

    Parameters
    ----------
    peer : Peer
    config : RunConfig
        Gives the optimiser's settings.
    compiled : bool
        By ``torch.compile``; else eager.
    """

    def __init__(self, peer: Peer, config: RunConfig, *, compiled: bool) -> None:
        self._loss = torch.compile(peer.loss, dynamic=False) if compiled else peer.loss
        self._parameters = list(peer.model.parameters())
        self._max_norm = config.grad_clip
        self._optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in self._parameters if p.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in self._parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            betas=(config.beta1, config.beta2),
            fused=True,
        )

    def __call__(self, rate: float, batch: Batch) -> float:
        """Do one step; the loss before it."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        tokens = torch.from_numpy(batch)
        loss = self._loss(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self._parameters, self._max_norm)
        self._optimiser.step()
        return loss.item()


def _gpt2(shape: TransformerShape) -> Peer:
    """GPT-2 of the package ``transformers``, with its default attention and no dropout."""
    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError:
        raise MissingExtraError("transformers", "bench") from None
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=shape.vocab_size,
            n_positions=shape.seq_len,
            n_embd=shape.d_model,
            n_layer=shape.n_layers,
            n_head=shape.n_heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            bos_token_id=None,
            eos_token_id=None,
        )
    )

    def logits(tokens: Tensor) -> Tensor:
        found: Tensor = model(input_ids=tokens).logits
        return found

    def loss(tokens: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits(tokens).flatten(0, 1), targets.flatten())

    return Peer(model, loss, logits)


def _nanogpt(shape: TransformerShape) -> Peer:
    """nanoGPT of the checkout that ``NANOGPT_DIR`` names, without biases and dropout."""
    module = _load(_nanogpt_file())
    config = module.GPTConfig(
        block_size=shape.seq_len,
        vocab_size=shape.vocab_size,
        n_layer=shape.n_layers,
        n_head=shape.n_heads,
        n_embd=shape.d_model,
        dropout=0.0,
        bias=False,
    )
    with redirect_stdout(io.StringIO()):  # it prints its size
        model = module.GPT(config)

    def loss(tokens: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = model(tokens, targets)[1]
        return found

    def logits(tokens: Tensor) -> Tensor:
        targets = tokens.contiguous()  # without any it gives the last position alone
        found: Tensor = model(tokens, targets)[0]
        return found

    return Peer(model, loss, logits)


def _nanogpt_file() -> Path:
    folder = Path(os.environ["NANOGPT_DIR"])
    if not (folder / "model.py").is_file():
        raise InputError(
            f"NANOGPT_DIR is {folder}, without a model.py; name a checkout of nanoGPT, or unset it"
        )
    return folder / "model.py"


def _load(path: Path) -> Any:
    name = "nanogpt_model"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_peers() -> dict[str, MakePeer]:
    """Peers by name: nanoGPT only where ``NANOGPT_DIR`` is set.

    Raises
    ------
    InputError
        If it names no checkout.
    """
    peers: dict[str, MakePeer] = {}
    if os.environ.get("NANOGPT_DIR"):
        _nanogpt_file()
        peers["nanoGPT"] = _nanogpt
    peers["GPT-2"] = _gpt2
    return peers


def match_params(shape: TransformerShape, n_params: int) -> TransformerShape:
    """The shape with the even feed-forward width that brings its parameters closest to a count."""
    missing = n_params - count_params(shape).total
    each_pair = 4 * shape.d_model * shape.n_layers
    return replace(shape, ffw_size=shape.ffw_size + 2 * round(missing / each_pair))
