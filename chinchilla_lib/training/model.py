"""The decoder-only transformer of our sweeps.

Shape letters: B sequences, T positions, V vocabulary, D model width, H heads, K head width,
F feed-forward width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.errors import InputError

__all__ = ["Transformer"]


class Transformer(nn.Module):
    """Pre-norm decoder with rotary positions, RMSNorm, no biases and a tied embedding.

    Parameters
    ----------
    shape : TransformerShape
        Of family ``"rope"``.
    seed : int
        Seeds the initial weights.

    Raises
    ------
    InputError
        If the family is not built here.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: TransformerShape, *, seed: int) -> None:
        super().__init__()
        if shape.family != "rope":
            raise InputError(f"family {shape.family!r} is counted but not trained here; train 'rope'")
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.n_layers))
        self.norm = nn.RMSNorm(shape.d_model)
        cos, sin = _rotation(shape.seq_len, shape.kv_size)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialise(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Scale each matrix by its fan-in; the two that write to the residual also by depth."""
        shape = self.shape
        depth = math.sqrt(2 * shape.n_layers)
        self.embedding.weight.normal_(std=shape.d_model**-0.5, generator=generator)
        for block in self.blocks:
            assert isinstance(block, _Block)
            block.qkv.weight.normal_(std=shape.d_model**-0.5, generator=generator)
            block.attention_out.weight.normal_(std=shape.attention_width**-0.5 / depth, generator=generator)
            block.ffw_in.weight.normal_(std=shape.d_model**-0.5, generator=generator)
            block.ffw_out.weight.normal_(std=shape.ffw_size**-0.5 / depth, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token.

        Parameters
        ----------
        tokens : Tensor
            Ids, shape (B, T), T at most ``shape.seq_len``.

        Returns
        -------
        Tensor
            Shape (B, T, V).
        """
        n_positions = tokens.shape[1]
        cos, sin = self.cos[:n_positions], self.sin[:n_positions]
        x = self.embedding(tokens)  # (B, T, D)
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.linear(self.norm(x), self.embedding.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the targets, nats per token; both of shape (B, T)."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


class _Block(nn.Module):
    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.n_heads = shape.n_heads
        self.attention_norm = nn.RMSNorm(shape.d_model)
        self.qkv = nn.Linear(shape.d_model, 3 * shape.attention_width, bias=False)
        self.attention_out = nn.Linear(shape.attention_width, shape.d_model, bias=False)
        self.ffw_norm = nn.RMSNorm(shape.d_model)
        self.ffw_in = nn.Linear(shape.d_model, shape.ffw_size, bias=False)
        self.ffw_out = nn.Linear(shape.ffw_size, shape.d_model, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        qkv = self.qkv(self.attention_norm(x))  # (B, T, 3HK)
        query, key, value = qkv.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, T, K)
        attended = F.scaled_dot_product_attention(
            _rotate(query, cos, sin), _rotate(key, cos, sin), value, is_causal=True
        )
        x = x + self.attention_out(attended.transpose(1, 2).flatten(2))
        out: Tensor = self.ffw_out(F.gelu(self.ffw_in(self.ffw_norm(x))))
        return x + out


def _rotation(n_positions: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine of the rotary angles, each of shape (T, K)."""
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(n_positions, dtype=torch.float64), frequency)  # (T, K/2)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], -1).float(), torch.cat([-sin, sin], -1).float()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the halves of each head by its position's angles; x has shape (B, H, T, K)."""
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin
