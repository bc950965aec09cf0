"""Loss and gradients of the transformer on the CPU, derived by hand.

Small models are bound by the cost of calling kernels and of passing over memory; autograd doubles the
one, and models trained side by side share the other. Here a step is a fixed list of matrix products and
kernels (:mod:`chinchilla_lib.training.kernels`) over buffers allocated once. A batch of which too much would
have to be kept for the way back is taken in parts whose gradients add up, and which fit into the cache one
after another. The module remains the reference.

Shape letters: M models, N tokens of each in a part, D model width, F feed-forward width, A = H K attention
width, V vocabulary. A name with ``d_`` in front is the gradient of the loss by what follows. Each
``forward`` adds to the residual stream ``x`` (M, N, D); each ``backward`` adds to ``d_x`` and fills the
gradients of its weights or adds to them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.native import choose_kernels
from chinchilla_lib.training.optimizer import FlatAdamW

__all__ = ["HandwrittenGradients"]

_KEPT = 2_750_000
"""Numbers of a part that are kept for the way back; eleven megabytes: measured, best for widths 64 to 128."""


class HandwrittenGradients:
    """Fills the gradients of models of one shape as ``model.loss(...).backward()`` does from zero.

    Parameters
    ----------
    models : sequence of Transformer
        Of family ``rope`` or ``fast``, on the CPU.
    optimiser : FlatAdamW
        Holds their parameters and gradients.
    n_sequences : int
        B, the same at each call.
    kernels : Kernels, optional
        Chosen when not given.
    """

    def __init__(
        self,
        models: Sequence[Transformer],
        optimiser: FlatAdamW,
        n_sequences: int,
        kernels: Kernels | None = None,
    ) -> None:
        model, shape = models[0], models[0].shape
        self._shape = len(models), n_sequences, shape.seq_len
        m, n_tokens = len(models), _sequences_of_a_part(shape, n_sequences) * shape.seq_len
        weights = {name: optimiser.stacked(name) for name, _ in model.named_parameters()}
        self._embedding, self._d_embedding = weights["embedding.weight"]  # (M, V, D)
        self.kernels = kernels or choose_kernels(shape.kv_size, self._embedding.dtype)
        self._x, self._d_x = self._embedding.new_empty(2, m, n_tokens, shape.d_model)
        scratch = _Scratch(self._embedding)
        scratch("wide", m, n_tokens, max(shape.vocab_size, shape.ffw_size))
        around = _Around(self._x, self._d_x, scratch, self.kernels)
        self._layers: list[_Attention | _FeedForward] = []
        for i in range(shape.n_layers):
            prefix = f"blocks.{i}."
            block = {
                name.removeprefix(prefix): weight
                for name, weight in weights.items()
                if name.startswith(prefix)
            }
            self._layers += [_Attention(block, model, around), _FeedForward(block, model, around)]
        self._norm = _Norm(*weights["norm.weight"], around)
        self._logits = scratch("wide", m, n_tokens, shape.vocab_size)
        self._losses = self._embedding.new_empty(m, n_tokens)
        y, d_y = self._norm.y, self._norm.d_y
        self._to_logits = _Product(self._logits, y, self._embedding.mT)
        self._to_d_y = _Product(d_y, self._logits, self._embedding)
        self._to_d_embedding = _Product(self._d_embedding, self._logits.mT, y)

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Losses of a batch for each model; the gradients are left in the optimiser.

        Parameters
        ----------
        tokens, targets : Tensor
            Ids, shape (M, B, T).

        Returns
        -------
        Tensor
            Nats per token, shape (M,). Where it is not finite, neither are the gradients of that model.

        Raises
        ------
        InputError
            If the shape is not that of the buffers, or a target is not in the vocabulary: compiled kernels
            do not look.
        """
        if tokens.shape != self._shape or targets.shape != self._shape:
            raise InputError(
                f"tokens and targets have the shapes {tuple(tokens.shape)} and {tuple(targets.shape)}; this "
                f"step was made for {self._shape}"
            )
        lowest, highest = torch.aminmax(targets)
        if lowest < 0 or highest >= self._logits.shape[-1]:
            raise InputError(
                f"targets lie in {lowest}..{highest}; the vocabulary has {self._logits.shape[-1]} tokens: "
                "prepare the corpus again"
            )
        tokens, targets = tokens.flatten(1), targets.flatten(1)
        n_tokens, size = tokens.shape[1], self._losses.shape[1]
        losses = torch.zeros_like(self._losses[:, 0])
        for first in range(0, n_tokens, size):
            part = slice(first, first + size)
            self._do(tokens[:, part], targets[:, part].contiguous(), scale=1 / n_tokens, add=first > 0)
            losses += self._losses.mean(1) * (size / n_tokens)
        return losses

    def _do(self, tokens: Tensor, targets: Tensor, *, scale: float, add: bool) -> None:
        """Losses of one part, and its gradients times a scale, in place of those that are there or added."""
        for embedding, ids, x in zip(self._embedding, tokens, self._x, strict=True):
            torch.index_select(embedding, 0, ids, out=x)
        for layer in self._layers:
            layer.forward()
        self._norm.forward()
        self._to_logits()
        self.kernels.cross_entropy(self._logits, targets, self._losses, scale)
        self._to_d_y()
        self._to_d_embedding(add=add)
        self._d_x.zero_()
        self._norm.backward(add=add)
        for layer in reversed(self._layers):
            layer.backward(add=add)
        for d_embedding, ids, d_x in zip(self._d_embedding, tokens, self._d_x, strict=True):
            d_embedding.index_add_(0, ids, d_x)


def _sequences_of_a_part(shape: TransformerShape, n_sequences: int) -> int:
    """A divisor of the number of sequences; the same whatever models stand beside one, so that its sums are.

    Fewer are kept together as there is more to keep of each, but not fewer than make up for going through
    the weights once more.
    """
    d, a, f = shape.d_model, shape.attention_width, shape.ffw_size
    kept = shape.n_layers * shape.seq_len * (4 * d + 4 * a + shape.n_heads * shape.seq_len + 2 * f)
    wanted = max(_KEPT, 4 * count_params(shape).total) // kept
    return next(n for n in range(max(1, min(wanted, n_sequences)), 0, -1) if n_sequences % n == 0)


class _Scratch:
    """Memory for what no later layer reads: one buffer for each name, which so stays in the cache."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._buffers: dict[str, Tensor] = {}

    def __call__(self, name: str, *size: int) -> Tensor:
        """Tensor of a size at most that of the first one of its name."""
        buffer = self._buffers.setdefault(name, self._like.new_empty(math.prod(size)))
        return buffer[: math.prod(size)].view(size)


class _Product:
    """out = a b for each model, or added to what is there; all of shape (M, rows, columns).

    One product after another, not in a batch: so each is the same, bit for bit, whatever stands beside it.
    """

    def __init__(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        self._models = list(zip(out, a, b, strict=True))

    def __call__(self, *, add: bool = False) -> None:
        for out, a, b in self._models:
            if add:
                out.addmm_(a, b)
            else:
                torch.mm(a, b, out=out)


@dataclass(frozen=True)
class _Around:
    """What all layers share: the residual stream and its gradient, memory and kernels."""

    x: Tensor
    d_x: Tensor
    scratch: _Scratch
    kernels: Kernels


class _Norm:
    """y = g x / rms(x) in each row; ``backward`` reads ``d_y``."""

    def __init__(self, gain: Tensor, d_gain: Tensor, around: _Around) -> None:
        self._gain, self._d_gain, self._around = gain, d_gain, around
        self._u, self.y = torch.empty_like(around.x), torch.empty_like(around.x)
        self._inverse_rms = gain.new_empty(around.x.shape[:2])
        self.d_y = around.scratch("d_y", *around.x.shape)

    def forward(self) -> None:
        self._around.kernels.norm_forward(self._around.x, self._gain, self._u, self.y, self._inverse_rms)

    def backward(self, *, add: bool) -> None:
        tensors = self.d_y, self._u, self._inverse_rms, self._gain, self._around.d_x, self._d_gain
        self._around.kernels.norm_backward(*tensors, add=add)


_Weights = dict[str, tuple[Tensor, Tensor]]  # value and gradient, each (M, …), by the module's names


class _Attention:
    """x += attention(y W_qkv') W_out' of one block."""

    def __init__(self, block: _Weights, model: Transformer, around: _Around) -> None:
        shape, kernels = model.shape, around.kernels
        w_qkv, d_w_qkv = block["qkv.weight"]
        w_out, d_w_out = block["attention_out.weight"]
        self._norm = norm = _Norm(*block["attention_norm.weight"], around)
        m, n_tokens, _ = around.x.shape
        width, heads = shape.attention_width, (-1, shape.seq_len, shape.n_heads, shape.kv_size)
        qkv, d_qkv = w_qkv.new_empty(m, n_tokens, 3 * width), around.scratch("d_qkv", m, n_tokens, 3 * width)
        out, d_out = w_qkv.new_empty(m, n_tokens, width), around.scratch("d_out", m, n_tokens, width)
        by_head, d_by_head = (
            z.view(-1, shape.seq_len, 3, shape.n_heads, shape.kv_size) for z in (qkv, d_qkv)
        )
        kept = kernels.attention_memory(by_head, around.scratch)
        inputs = by_head, model.cos, model.sin, kept, out.view(heads)
        self._attend = partial(kernels.attention_forward, *inputs)
        self._attend_back = partial(kernels.attention_backward, *inputs, d_out.view(heads), d_by_head)
        self._to_qkv = _Product(qkv, norm.y, w_qkv.mT)
        self._to_x = _Product(around.x, out, w_out.mT)
        self._to_d_out = _Product(d_out, around.d_x, w_out)
        self._to_d_w_out = _Product(d_w_out, around.d_x.mT, out)
        self._to_d_w_qkv = _Product(d_w_qkv, d_qkv.mT, norm.y)
        self._to_d_y = _Product(norm.d_y, d_qkv, w_qkv)

    def forward(self) -> None:
        self._norm.forward()
        self._to_qkv()
        self._attend()
        self._to_x(add=True)

    def backward(self, *, add: bool) -> None:
        self._to_d_out()
        self._to_d_w_out(add=add)
        self._attend_back()
        self._to_d_w_qkv(add=add)
        self._to_d_y()
        self._norm.backward(add=add)


class _FeedForward:
    """x += f(y W_in') W_out' of one block."""

    def __init__(self, block: _Weights, model: Transformer, around: _Around) -> None:
        w_in, d_w_in = block["ffw_in.weight"]
        w_out, d_w_out = block["ffw_out.weight"]
        self._norm = norm = _Norm(*block["ffw_norm.weight"], around)
        size = *around.x.shape[:2], model.shape.ffw_size
        self._slope, active = w_in.new_empty(size), w_in.new_empty(size)
        self._d_hidden = around.scratch("wide", *size)
        name = "relu2" if model.shape.family == "fast" else "gelu"
        self._activate = partial(around.kernels.activate, name, self._slope, active)
        self._to_hidden = _Product(self._slope, norm.y, w_in.mT)
        self._to_x = _Product(around.x, active, w_out.mT)
        self._to_d_active = _Product(self._d_hidden, around.d_x, w_out)
        self._to_d_w_out = _Product(d_w_out, around.d_x.mT, active)
        self._to_d_w_in = _Product(d_w_in, self._d_hidden.mT, norm.y)
        self._to_d_y = _Product(norm.d_y, self._d_hidden, w_in)

    def forward(self) -> None:
        self._norm.forward()
        self._to_hidden()
        self._activate()
        self._to_x(add=True)

    def backward(self, *, add: bool) -> None:
        self._to_d_active()
        self._to_d_w_out(add=add)
        self._d_hidden.mul_(self._slope)
        self._to_d_w_in(add=add)
        self._to_d_y()
        self._norm.backward(add=add)
