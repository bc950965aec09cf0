"""Loss and gradients of the transformer on the CPU, derived by hand.

Small models are bound by the cost of calling kernels, and autograd doubles it. Here a step is a fixed
list of kernels over buffers allocated once. The module remains the reference.

Shape letters as in :mod:`chinchilla_lib.training.model`; N = B T tokens, A = H K, G = B H. A name with
``d_`` in front is the gradient of the loss by what follows. Each ``forward`` adds to the residual stream
``x`` (N, D); each ``backward`` adds to ``d_x`` and fills the gradients of its weights.
"""

import math

import torch
from torch import Tensor

from chinchilla_lib.training.model import Transformer, _Block

__all__ = ["HandwrittenGradients"]


class HandwrittenGradients:
    """Fills the gradients of a model on the CPU as ``model.loss(...).backward()`` does from zero.

    Exponentials are taken without subtracting the largest argument first, which saves passes over the
    largest tensors. In float32 they overflow beyond 88; then the loss is not finite, the gradients
    are not filled, and the step is autograd's.

    Parameters
    ----------
    model : Transformer
        Each parameter has its ``grad``; both stay in their places.
    n_sequences : int
        B, the same at each call.
    """

    def __init__(self, model: Transformer, n_sequences: int) -> None:
        shape, embedding = model.shape, model.embedding.weight
        n_tokens, half = n_sequences * shape.seq_len, shape.kv_size // 2
        turn = torch.complex(model.cos[:, :half], model.sin[:, half:])  # (T, K/2), cos + i sin
        turns = torch.stack([turn * shape.kv_size**-0.5, turn, torch.ones_like(turn)])  # of q, k, v
        scratch = _Scratch(embedding)
        scratch("wide", max(shape.vocab_size, shape.n_heads * shape.seq_len, shape.ffw_size) * n_tokens)
        self._layers: list[_Attention | _FeedForward] = []
        for block in model.blocks:
            assert isinstance(block, _Block)
            self._layers.append(_Attention(block, turns, n_sequences, scratch))
            self._layers.append(_FeedForward(block, n_tokens, scratch))
        self._norm = _Norm(model.norm.weight, n_tokens, scratch)
        self._embedding, self._d_embedding = _value_and_gradient(embedding)
        self._x, self._d_x = embedding.new_empty(2, n_tokens, shape.d_model)
        self._exp_logits = scratch("wide", n_tokens, shape.vocab_size)
        self._row_start = torch.arange(n_tokens) * shape.vocab_size

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, targets: Tensor) -> float:
        """Loss of a batch; its gradients are left in the parameters' ``grad``.

        Parameters
        ----------
        tokens, targets : Tensor
            Ids, shape (B, T).

        Returns
        -------
        float
            Nats per token; if it is not finite, the gradients are not filled.
        """
        tokens, at_target = tokens.flatten(), self._row_start + targets.flatten()
        embedding, exp_logits = self._embedding, self._exp_logits
        x = torch.index_select(embedding, 0, tokens, out=self._x)
        for layer in self._layers:
            layer.forward(x)
        # L = mean of log(total) - z_target, total = sum_j exp(z_j), logits z = y W'
        y = self._norm.forward(x)
        torch.mm(y, embedding.t(), out=exp_logits).exp_()  # (N, V)
        total = exp_logits.sum(1)  # (N)
        loss = (total / exp_logits.view(-1)[at_target]).log_().mean().item()
        if not math.isfinite(loss):
            return loss
        # d_z = (exp(z) / total - onehot) / N; the division by N total is done where tensors are small
        exp_logits.view(-1).index_add_(0, at_target, total, alpha=-1)
        scale = total.mul_(len(tokens)).reciprocal_()[:, None]
        torch.mm(exp_logits, embedding, out=self._norm.d_y).mul_(scale)
        torch.mm(exp_logits.t(), y * scale, out=self._d_embedding)
        d_x = self._d_x.zero_()
        self._norm.backward(d_x)
        for layer in reversed(self._layers):
            layer.backward(d_x)
        self._d_embedding.index_add_(0, tokens, d_x)
        return loss


class _Scratch:
    """Memory for what no later layer reads: one buffer for each name, which so stays in the cache."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._buffers: dict[str, Tensor] = {}

    def __call__(self, name: str, *size: int) -> Tensor:
        """Tensor of a size at most that of the first one of its name."""
        buffer = self._buffers.setdefault(name, self._like.new_empty(math.prod(size)))
        return buffer[: math.prod(size)].view(size)


class _Norm:
    """y = g u, u = x / rms(x) in each row."""

    def __init__(self, gain: Tensor, n_tokens: int, scratch: _Scratch) -> None:
        self._gain, self._d_gain = _value_and_gradient(gain)
        self._u, self.y = gain.new_empty(2, n_tokens, len(gain))
        self.d_y, self._product = (scratch(name, n_tokens, len(gain)) for name in ("d_y", "product"))
        self._inverse_rms, self._mean = gain.new_empty(2, n_tokens)
        self._epsilon = gain.new_full((n_tokens,), torch.finfo(gain.dtype).eps)
        self._average = gain.new_full((len(gain),), 1 / len(gain))
        self._ones = gain.new_ones(n_tokens)

    def forward(self, x: Tensor) -> Tensor:
        square = torch.mul(x, x, out=self._product)
        torch.addmv(self._epsilon, square, self._average, out=self._inverse_rms).rsqrt_()
        torch.mul(x, self._inverse_rms[:, None], out=self._u)
        return torch.mul(self._u, self._gain, out=self.y)

    def backward(self, d_x: Tensor) -> None:
        """d_u = g d_y; d_x = (d_u - u mean(u d_u)) / rms(x); d_y is spent."""
        torch.mul(self._u, self.d_y, out=self._product)
        torch.mv(self._product.t(), self._ones, out=self._d_gain)
        torch.mv(self._product, self._gain * self._average, out=self._mean)
        d_u = self.d_y.mul_(self._gain).addcmul_(self._u, self._mean[:, None], value=-1)
        d_x.addcmul_(d_u, self._inverse_rms[:, None])


class _Attention:
    """x += softmax(q k') v W' of one block, per head.

    With e = exp(q k') up to the diagonal, else 0, and s its row sums: o = e v / s, and
    d_(q k') = e (d_o v' - rowsum(d_o o)) / s. Rotary positions are a product of complex numbers, for
    which the two halves of each head of q and k are laid out as pairs.
    """

    def __init__(self, block: _Block, turns: Tensor, n_sequences: int, scratch: _Scratch) -> None:
        b, h, (t, half) = n_sequences, block.n_heads, turns.shape[1:]
        k, a = 2 * half, 2 * half * h
        weight, new = block.qkv.weight, block.qkv.weight.new_empty
        self._norm = _Norm(block.attention_norm.weight, b * t, scratch)
        self._w_qkv, self._d_w_qkv = _value_and_gradient(weight)
        self._w_out, self._d_w_out = _value_and_gradient(block.attention_out.weight)
        self._w_pairs, self._d_w_pairs = torch.empty_like(self._w_qkv), scratch("w_pairs", *weight.shape)
        rows = torch.arange(3 * a)
        self._pairs = torch.cat([rows[: 2 * a].view(2 * h, 2, half).mT.flatten(), rows[2 * a :]])
        self._halves = self._pairs.argsort()
        self._turns = turns[:, None, None]
        self._turns_back = self._turns.conj().resolve_conj()
        self._qkv = scratch("qkv", b * t, 3 * a)
        self._qkv_by_head = torch.view_as_complex(self._qkv.view(b, t, 3, h, half, 2)).permute(2, 0, 3, 1, 4)
        turned, d_turned = new(3, b, h, t, k), scratch("d_turned", 3, b, h, t, k)
        self._turned, self._d_turned = (
            torch.view_as_complex(x.view(3, b, h, t, half, 2)) for x in (turned, d_turned)
        )
        self._q, self._k, self._v = turned.flatten(1, 2)  # (G, T, K)
        self._d_q, self._d_k, self._d_v = d_turned.flatten(1, 2)
        self._e, self._d_e = new(b * h, t, t), scratch("wide", b * h, t, t)
        self._s = new(b * h, t, 1)
        self._o = scratch("o", b * h, t, k)
        self._attended, self._d_attended = new(b * t, a), scratch("d_attended", b * t, a)
        self._attended_by_head, self._d_attended_by_head = (
            x.view(b, t, h, k).transpose(1, 2) for x in (self._attended, self._d_attended)
        )
        self._s_by_head, self._o_by_head = (x.view(b, h, t, -1) for x in (self._s, self._o))

    def forward(self, x: Tensor) -> None:
        torch.index_select(self._w_qkv, 0, self._pairs, out=self._w_pairs)
        torch.mm(self._norm.forward(x), self._w_pairs.t(), out=self._qkv)
        torch.mul(self._qkv_by_head, self._turns, out=self._turned)
        torch.bmm(self._q, self._k.mT, out=self._e).exp_().tril_()
        torch.sum(self._e, -1, keepdim=True, out=self._s)
        torch.bmm(self._e, self._v, out=self._o)
        torch.div(self._o_by_head, self._s_by_head, out=self._attended_by_head)
        x.addmm_(self._attended, self._w_out.t())

    def backward(self, d_x: Tensor) -> None:
        torch.mm(d_x.t(), self._attended, out=self._d_w_out)
        torch.mm(d_x, self._w_out, out=self._d_attended)
        torch.div(self._d_attended_by_head, self._s_by_head, out=self._o_by_head)
        d_o = self._o  # over s
        mean = (self._o_by_head * self._attended_by_head).sum(-1).view_as(self._s)
        torch.bmm(self._e.mT, d_o, out=self._d_v)
        torch.bmm(d_o, self._v.mT, out=self._d_e).sub_(mean).mul_(self._e)
        torch.bmm(self._d_e, self._k, out=self._d_q)
        torch.bmm(self._d_e.mT, self._q, out=self._d_k)
        torch.mul(self._d_turned, self._turns_back, out=self._qkv_by_head)
        torch.mm(self._qkv.t(), self._norm.y, out=self._d_w_pairs)
        torch.index_select(self._d_w_pairs, 0, self._halves, out=self._d_w_qkv)
        torch.mm(self._qkv, self._w_pairs, out=self._norm.d_y)
        self._norm.backward(d_x)


class _FeedForward:
    """x += gelu(y W_in') W_out' of one block."""

    def __init__(self, block: _Block, n_tokens: int, scratch: _Scratch) -> None:
        self._norm = _Norm(block.ffw_norm.weight, n_tokens, scratch)
        self._w_in, self._d_w_in = _value_and_gradient(block.ffw_in.weight)
        self._w_out, self._d_w_out = _value_and_gradient(block.ffw_out.weight)
        size = n_tokens, len(self._w_in)
        self._hidden, self._active = self._w_in.new_empty(2, *size)
        self._d_hidden = scratch("wide", *size)

    def forward(self, x: Tensor) -> None:
        torch.mm(self._norm.forward(x), self._w_in.t(), out=self._hidden)
        torch.ops.aten.gelu.out(self._hidden, out=self._active)
        x.addmm_(self._active, self._w_out.t())

    def backward(self, d_x: Tensor) -> None:
        d_hidden = torch.mm(d_x, self._w_out, out=self._d_hidden)
        torch.mm(d_x.t(), self._active, out=self._d_w_out)
        torch.ops.aten.gelu_backward.grad_input(d_hidden, self._hidden, grad_input=d_hidden)
        torch.mm(d_hidden.t(), self._norm.y, out=self._d_w_in)
        torch.mm(d_hidden, self._w_in, out=self._norm.d_y)
        self._norm.backward(d_x)


def _value_and_gradient(parameter: Tensor) -> tuple[Tensor, Tensor]:
    assert parameter.grad is not None
    return parameter.detach(), parameter.grad
