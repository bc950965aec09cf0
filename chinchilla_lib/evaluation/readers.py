"""Models read token by token, several texts at once, with what their attention has computed kept."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from chinchilla_lib.training.model import Transformer

__all__ = ["Reader", "read_own", "read_transformers"]

# Takes the next token of each text, shape (B,), and gives the logits of the one after, shape (B, V).
Reader = Callable[[Tensor], Tensor]


def read_own(model: Transformer) -> Reader:
    """A reader of a model of ours.

    Keys and values are kept for ``rope`` and ``fast``. In ``gopher`` the distances of all tokens change with
    each one read, so every text is read from its beginning each time.
    """
    read: list[Tensor] = []
    kept: list[tuple[Tensor, Tensor]] = []

    @torch.inference_mode()
    def from_the_beginning(tokens: Tensor) -> Tensor:
        read.append(tokens)
        return model.to_logits(model.hidden(torch.stack(read, 1))[:, -1])

    @torch.inference_mode()
    def with_what_was_kept(tokens: Tensor) -> Tensor:
        at = kept[0][0].shape[2] if kept else 0
        x = model.embedding(tokens)[:, None]  # (B, 1, D)
        for i, block in enumerate(model.blocks):
            x, now = _add_token(block, x, model.cos[at], model.sin[at], kept[i] if at else None)
            kept[i : i + 1] = [now]
        return model.to_logits(model.norm(x)[:, 0])

    return from_the_beginning if model.shape.family == "gopher" else with_what_was_kept


def _add_token(
    block: Any, x: Tensor, cos: Tensor, sin: Tensor, kept: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A block of :class:`~chinchilla_lib.training.model.Transformer` for one position more.

    Returns what it gives and the keys and values of all positions, each (B, H, T, K).
    """
    qkv = block.qkv(block.attention_norm(x)).unflatten(-1, (3, block.n_heads, -1)).permute(2, 0, 3, 1, 4)
    query, key = (y * cos + y.roll(y.shape[-1] // 2, -1) * sin for y in qkv[:2])
    value = qkv[2]
    if kept is not None:
        key, value = torch.cat([kept[0], key], 2), torch.cat([kept[1], value], 2)
    attended = F.scaled_dot_product_attention(query, key, value)
    x = x + block.attention_out(attended.transpose(1, 2).flatten(2))
    return x + block.ffw_out(block.activation(block.ffw_in(block.ffw_norm(x)))), (key, value)


def read_transformers(model: Any) -> Reader:
    """A reader of a causal model of Transformers, which keeps keys and values itself."""
    kept: Any = None

    @torch.inference_mode()
    def read_on(tokens: Tensor) -> Tensor:
        nonlocal kept
        output = model(input_ids=tokens[:, None], past_key_values=kept, use_cache=True)
        kept = output.past_key_values
        logits: Tensor = output.logits[:, -1]
        return logits

    return read_on
