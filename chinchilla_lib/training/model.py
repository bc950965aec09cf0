"""The decoder-only transformers of our sweeps, in the families of :mod:`chinchilla_lib.architecture`.

Shape letters: B sequences, T positions, V vocabulary, D model width, H heads, K head width,
F feed-forward width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chinchilla_lib.architecture import TransformerShape

__all__ = ["Transformer"]


class Transformer(nn.Module):
    """Pre-norm decoder with RMSNorm and a tied embedding.

    ``rope`` and ``fast`` have rotary positions and no biases. ``gopher`` has the relative positions of
    Transformer-XL (Dai et al. 2019, section 3.3), biases on the queries, keys, values and the hidden
    feed-forward layer, and no gain in the last norm; that this is where Gopher has its biases is the
    reading of :func:`chinchilla_lib.architecture.count_params`. Vectors are kept flat, so that weight
    decay can tell them from matrices.

    Parameters
    ----------
    shape : TransformerShape
    seed : int
        Seeds the initial weights; biases start at zero.
    """

    cos: Tensor
    sin: Tensor
    waves: Tensor

    def __init__(self, shape: TransformerShape, *, seed: int) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        gopher = shape.family == "gopher"
        self.blocks = nn.ModuleList(
            (_GopherBlock if gopher else _Block)(shape) for _ in range(shape.n_layers)
        )
        self.norm = nn.RMSNorm(shape.d_model, elementwise_affine=not gopher)
        if gopher:
            self.register_buffer("waves", _waves(shape.seq_len, shape.d_model), persistent=False)
        else:
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
            if isinstance(block, _GopherBlock):
                block.relative.weight.normal_(std=shape.d_model**-0.5, generator=generator)
                for vector in (block.qkv.bias, block.ffw_in.bias, block.content_bias, block.position_bias):
                    vector.zero_()

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
        return self.to_logits(self.hidden(tokens))

    def hidden(self, tokens: Tensor, at: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """What the last norm gives, shape (B, T, D).

        Parameters
        ----------
        tokens : Tensor
            Ids, shape (B, T).
        at : Tensor, optional
            Position of each, shape (T,), for ``rope`` and ``fast``; counted from 0 when not given.
        mask : Tensor, optional
            Whether i sees j, shape (T, T), for the same families; causal when not given.
        """
        n_positions = tokens.shape[1]
        positions: tuple[Tensor, ...]
        if self.shape.family == "gopher":
            positions = (self.waves[-n_positions:],)
        elif at is None:
            positions = (self.cos[:n_positions], self.sin[:n_positions])
        else:
            positions = (self.cos[at], self.sin[at])
        x = self.embedding(tokens)  # (B, T, D)
        for block in self.blocks:
            x = block(x, *positions) if mask is None else block(x, *positions, mask)
        y: Tensor = self.norm(x)
        return y

    def to_logits(self, hidden: Tensor) -> Tensor:
        """Logits of what :meth:`hidden` gave, shape (…, V)."""
        return F.linear(hidden, self.embedding.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the targets, nats per token; both of shape (B, T)."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


class _Block(nn.Module):
    """Attention with rotary positions and feed-forward layer of the ``rope`` and ``fast`` families."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        biases = shape.family == "gopher"
        self.n_heads = shape.n_heads
        self.activation = _square_relu if shape.family == "fast" else F.gelu
        self.attention_norm = nn.RMSNorm(shape.d_model)
        self.qkv = nn.Linear(shape.d_model, 3 * shape.attention_width, bias=biases)
        self.attention_out = nn.Linear(shape.attention_width, shape.d_model, bias=False)
        self.ffw_norm = nn.RMSNorm(shape.d_model)
        self.ffw_in = nn.Linear(shape.d_model, shape.ffw_size, bias=biases)
        self.ffw_out = nn.Linear(shape.ffw_size, shape.d_model, bias=False)

    def forward(self, x: Tensor, *positions: Tensor) -> Tensor:
        qkv = self.qkv(self.attention_norm(x))  # (B, T, 3HK)
        query, key, value = qkv.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, T, K)
        attended = self.attend(query, key, value, *positions)
        x = x + self.attention_out(attended.transpose(1, 2).flatten(2))
        out: Tensor = self.ffw_out(self.activation(self.ffw_in(self.ffw_norm(x))))
        return x + out

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *positions: Tensor) -> Tensor:
        """Attention, all (B, H, T, K), at the cosines and sines of the positions, both (T, K).

        Causal, unless a mask (T, T) follows them.
        """
        cos, sin, *masks = positions
        mask = masks[0] if masks else None
        return F.scaled_dot_product_attention(
            _rotate(query, cos, sin), _rotate(key, cos, sin), value, attn_mask=mask, is_causal=mask is None
        )


class _GopherBlock(_Block):
    """As ``_Block`` with the relative positions of Transformer-XL.

    The score of a query at i for a key at j is ((q_i + u) k_j + (q_i + v) r_(i-j)) / sqrt(K), where
    r_m projects the sinusoids of the distance m, and u, v are learnt for each head.
    """

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__(shape)
        self.relative = nn.Linear(shape.d_model, shape.attention_width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(shape.attention_width))  # u
        self.position_bias = nn.Parameter(torch.zeros(shape.attention_width))  # v

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *positions: Tensor) -> Tensor:
        """Causal attention, all (B, H, T, K), at the sinusoids of the distances T - 1 to 0, (T, D)."""
        (waves,) = positions
        u, v = (b.view(self.n_heads, 1, -1) for b in (self.content_bias, self.position_bias))
        projected = self.relative(waves).unflatten(-1, (self.n_heads, -1)).permute(1, 2, 0)  # (H, K, T)
        scores = _shift((query + v) @ projected) * query.shape[-1] ** -0.5  # (B, H, T, T)
        return F.scaled_dot_product_attention(query + u, key, value, attn_mask=scores)


def _shift(scores: Tensor) -> Tensor:
    """From distances to keys: entry (i, j) is that of the distance i - j, and -inf where j > i.

    Parameters
    ----------
    scores : Tensor
        Shape (B, H, T, T), the last axis by distance from T - 1 down to 0.
    """
    t = scores.shape[-1]
    # Rows one longer, read as rows one shorter: row i moves T - 1 - i places to the left.
    shifted = F.pad(scores, (1, 0)).flatten(-2)[..., t:].view(scores.shape)
    future = torch.ones(t, t, dtype=torch.bool, device=scores.device).triu(1)
    return shifted.masked_fill(future, -math.inf)


def _waves(n_distances: int, width: int) -> Tensor:
    """Sinusoids of the distances T - 1 to 0, shape (T, D): sines, then cosines."""
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(n_distances - 1, -1, -1, dtype=torch.float64), frequency)
    return torch.cat([angle.sin(), angle.cos()], -1)[:, :width].float()


def _square_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


def _rotation(n_positions: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine of the rotary angles, each of shape (T, K)."""
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(n_positions, dtype=torch.float64), frequency)  # (T, K/2)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], -1).float(), torch.cat([-sin, sin], -1).float()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the halves of each head by its position's angles; x has shape (B, H, T, K)."""
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin
