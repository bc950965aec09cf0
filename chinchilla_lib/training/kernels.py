"""The parts of a training step that are not matrix products over all tokens, on torch's own kernels.

Shape letters: M models, N tokens of each, D model width, F feed-forward width, V vocabulary; G sequences
of all models together, T positions, H heads, K head width.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Kernels"]


class Kernels:
    """Each method writes into tensors that it is given; ``d_`` stands for the gradient of the loss."""

    name = "torch"

    def norm_forward(self, x: Tensor, gain: Tensor, u: Tensor, y: Tensor, inverse_rms: Tensor) -> None:
        """y = gain u, u = x / rms(x); all (M, N, D) but gain (M, D) and inverse_rms (M, N)."""
        square = x.square().mean(-1).add_(torch.finfo(x.dtype).eps)
        torch.rsqrt(square, out=inverse_rms)
        torch.mul(x, inverse_rms[..., None], out=u)
        torch.mul(u, gain[:, None], out=y)

    def norm_backward(
        self, d_y: Tensor, u: Tensor, inverse_rms: Tensor, gain: Tensor, d_x: Tensor, d_gain: Tensor,
        *, add: bool,
    ) -> None:  # fmt: skip
        """d_x += (d_u - u mean(u d_u)) / rms(x), d_u = gain d_y; d_gain is overwritten, or added to."""
        if not add:
            d_gain.zero_()
        d_gain.add_((u * d_y).sum(1))
        d_u = d_y * gain[:, None]
        d_u.addcmul_(u, (u * d_u).mean(-1, keepdim=True), value=-1)
        d_x.addcmul_(d_u, inverse_rms[..., None])

    def activate(self, name: str, hidden: Tensor, active: Tensor) -> None:
        """Active = f(hidden), and hidden becomes f'(hidden); f is ``gelu`` or ``relu2``."""
        if name == "gelu":
            torch.ops.aten.gelu.out(hidden, out=active)
            hidden.copy_(torch.ops.aten.gelu_backward(torch.ones_like(hidden), hidden))
        else:
            hidden.relu_()
            torch.mul(hidden, hidden, out=active)
            hidden.mul_(2)

    def cross_entropy(self, logits: Tensor, targets: Tensor, losses: Tensor, scale: float) -> None:
        """Losses (M, N) of logits (M, N, V); the logits become their gradient, times a scale."""
        torch.logsumexp(logits, -1, out=losses)
        probability = logits.sub_(losses[..., None])
        at = targets[..., None]
        losses.copy_(probability.gather(-1, at)[..., 0]).neg_()
        probability.exp_().scatter_add_(-1, at, probability.new_full(at.shape, -1.0))
        probability.mul_(scale)

    def attention_memory(self, qkv: Tensor, scratch: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        """What `attention_forward` keeps for `attention_backward`, and the scratch memory of both."""
        g, t, _, h, k = qkv.shape
        return (*qkv.new_empty(2, g, h, t, k), qkv.new_empty(g, h, t, t))

    def attention_forward(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, memory: tuple[Tensor, ...], out: Tensor
    ) -> None:
        """Causal attention of qkv (G, T, 3, H, K) into out (G, T, H, K).

        Queries and keys are turned by rotary positions, cos and sin (T, K) as in
        :mod:`chinchilla_lib.training.model`. With p = softmax(q k'): out = p v.
        """
        n_positions, width = cos.shape
        q, k, p = memory
        from_q, from_k, v = qkv.permute(2, 0, 3, 1, 4)  # (G, H, T, K)
        torch.mul(_turn(from_q, cos, sin), width**-0.5, out=q)
        k.copy_(_turn(from_k, cos, sin))
        future = torch.ones(n_positions, n_positions, dtype=torch.bool).triu_(1)
        torch.softmax((q @ k.mT).masked_fill_(future, -torch.inf), -1, out=p)
        out.copy_((p @ v).transpose(1, 2))

    def attention_backward(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, memory: tuple[Tensor, ...], out: Tensor, d_out: Tensor,
        d_qkv: Tensor,
    ) -> None:  # fmt: skip
        """d_(q k') = p (d_out v' - rowsum(d_out out)); d_qkv is overwritten."""
        q, k, p = memory
        v = qkv.permute(2, 0, 3, 1, 4)[2]
        d_o = d_out.transpose(1, 2)
        mean = (d_out * out).sum(-1).transpose(1, 2)[..., None]
        d_scores = (d_o @ v.mT).sub_(mean).mul_(p)
        d_q, d_k, d_v = d_qkv.permute(2, 0, 3, 1, 4)
        d_v.copy_(p.mT @ d_o)
        d_q.copy_(_turn(d_scores @ k, cos, -sin).mul_(cos.shape[-1] ** -0.5))
        d_k.copy_(_turn(d_scores.mT @ q, cos, -sin))


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin
