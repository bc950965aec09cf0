"""AdamW over all parameters at once."""

from itertools import accumulate

import torch
from torch import nn

__all__ = ["FlatAdamW"]


class FlatAdamW:
    """AdamW with clipping, equal to ``torch.optim.AdamW`` after ``clip_grad_norm_``.

    The parameters of the module, and their gradients, become views of two long vectors: small models
    spend less in four kernels over those than in visiting each parameter. Matrices are decayed,
    vectors (the gains) are not.

    Parameters
    ----------
    model : nn.Module
        Its parameters keep their values and shapes; each receives a ``grad`` of zero.
    betas : tuple of float
    weight_decay : float
    """

    def __init__(self, model: nn.Module, *, betas: tuple[float, float], weight_decay: float) -> None:
        parameters = sorted(model.parameters(), key=lambda p: p.ndim == 1)  # matrices, then gains
        values = torch.cat([p.detach().flatten() for p in parameters])
        self._gradient = torch.zeros_like(values)
        ends = list(accumulate(p.numel() for p in parameters))
        for p, end in zip(parameters, ends, strict=True):
            span = slice(end - p.numel(), end)
            p.data, p.grad = values[span].view(p.shape), self._gradient[span].view(p.shape)
        n_decayed = sum(p.numel() for p in parameters if p.ndim > 1)
        vectors = (values, self._gradient, torch.zeros_like(values), torch.zeros_like(values))
        self._groups = [
            ([x[:n_decayed] for x in vectors], weight_decay),
            ([x[n_decayed:] for x in vectors], 0.0),
        ]
        self._betas = betas
        self._n_steps = torch.zeros((), device=values.device)

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        self._gradient.zero_()

    @torch.no_grad()
    def step(self, learning_rate: float, *, max_norm: float) -> None:
        """Scale the gradients down to a norm of ``max_norm`` and do one step.

        Parameters
        ----------
        learning_rate : float
        max_norm : float
            Of the gradients of all parameters together.
        """
        norm = torch.linalg.vector_norm(self._gradient)
        self._gradient.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0))
        self._n_steps += 1
        for (values, gradient, mean, mean_square), weight_decay in self._groups:
            torch._fused_adamw_(
                [values], [gradient], [mean], [mean_square], [], [self._n_steps],
                lr=learning_rate, beta1=self._betas[0], beta2=self._betas[1], weight_decay=weight_decay,
                eps=1e-8, amsgrad=False, maximize=False,
            )  # fmt: skip
