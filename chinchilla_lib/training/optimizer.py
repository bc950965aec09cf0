"""AdamW over all parameters of one or several models at once."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

__all__ = ["FlatAdamW"]


class FlatAdamW:
    """AdamW with clipping, equal to ``torch.optim.AdamW`` after ``clip_grad_norm_`` for each model.

    The parameters of each module, and their gradients, become views of one row of a matrix: small
    models spend less in a few kernels over rows than in visiting each parameter. Matrices are decayed,
    vectors (gains and biases) are not.

    Parameters
    ----------
    models : sequence of nn.Module
        M modules whose parameters have the same names and shapes. They keep their values and shapes;
        each receives a ``grad`` of zero.
    betas : tuple of float
    weight_decay : float
        0 gives Adam.
    weight_dtype : torch.dtype
        Weights are rounded to it at the start and after every step, to the nearest; moments are not.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        *,
        betas: tuple[float, float],
        weight_decay: float,
        weight_dtype: torch.dtype = torch.float32,
    ) -> None:
        shapes = {name: p.shape for name, p in models[0].named_parameters()}
        names = sorted(shapes, key=lambda name: len(shapes[name]) == 1)  # matrices, then vectors
        ends = list(accumulate(shapes[name].numel() for name in names))
        self._spans = {
            name: (slice(end - shapes[name].numel(), end), shapes[name])
            for name, end in zip(names, ends, strict=True)
        }
        rows = [dict(model.named_parameters()) for model in models]
        self._values = torch.stack([torch.cat([row[n].detach().flatten() for n in names]) for row in rows])
        self._gradients = torch.zeros_like(self._values)
        for i, row in enumerate(rows):
            for name, parameter in row.items():
                value, gradient = self.stacked(name)
                parameter.data, parameter.grad = value[i], gradient[i]
        self._means, self._mean_squares = torch.zeros_like(self._values), torch.zeros_like(self._values)
        n_decayed = sum(shape.numel() for shape in shapes.values() if len(shape) > 1)
        self._groups = (slice(n_decayed), weight_decay), (slice(n_decayed, None), 0.0)
        self._betas, self._weight_dtype = betas, weight_dtype
        self._round()
        self._n_steps = torch.zeros((), device=self._values.device)

    def stacked(self, name: str) -> tuple[Tensor, Tensor]:
        """Values and gradients of one parameter of all models, each of shape (M, …)."""
        span, shape = self._spans[name]
        rows = len(self._values), *shape
        return self._values[:, span].view(rows), self._gradients[:, span].view(rows)

    def state(self) -> dict[str, Tensor]:
        """What a step changes, by name: the live tensors, to be copied out of or into."""
        return {
            "values": self._values,
            "means": self._means,
            "mean_squares": self._mean_squares,
            "n_steps": self._n_steps,
        }

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        self._gradients.zero_()

    @torch.no_grad()
    def step(self, learning_rates: Sequence[float], *, max_norm: float) -> None:
        """Scale each model's gradients down to a norm of ``max_norm`` and do one step.

        Parameters
        ----------
        learning_rates : sequence of float
            One per model.
        max_norm : float
            Of the gradients of all parameters of a model together.
        """
        norms = torch.linalg.vector_norm(self._gradients, dim=1, keepdim=True)
        self._gradients.mul_((max_norm / (norms + 1e-6)).clamp_(max=1.0))
        self._n_steps += 1
        for i, rate in enumerate(learning_rates):
            for part, weight_decay in self._groups:
                torch._fused_adamw_(
                    [self._values[i, part]], [self._gradients[i, part]], [self._means[i, part]],
                    [self._mean_squares[i, part]], [], [self._n_steps], lr=rate, beta1=self._betas[0],
                    beta2=self._betas[1], weight_decay=weight_decay, eps=1e-8, amsgrad=False, maximize=False,
                )  # fmt: skip
        self._round()

    def _round(self) -> None:
        if self._weight_dtype != self._values.dtype:
            self._values.copy_(self._values.to(self._weight_dtype))
