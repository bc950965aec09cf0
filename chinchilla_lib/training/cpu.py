"""The step for the CPU: one model, or several of one shape side by side, gradients by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.handwritten import HandwrittenGradients
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW

__all__ = ["CpuStep"]


class CpuStep:
    """Models and their optimiser on the CPU; calling it does one step of each.

    A model's numbers do not depend on the models beside it, bit for bit.

    Parameters
    ----------
    configs : sequence of RunConfig
        Of families ``rope`` and ``fast``, equal but for seed and learning rate. With ``bf16`` the
        processor rounds the factors of matrix products where it multiplies such numbers faster, and sums in
        float32; where it does not, nothing changes.
    kernels : Kernels, optional
        Chosen when not given.

    Attributes
    ----------
    models : list of Transformer
    kernels : str
        ``native`` or ``torch``.
    """

    def __init__(self, configs: Sequence[RunConfig], kernels: Kernels | None = None) -> None:
        config = configs[0]
        self.models = [Transformer(c.shape, seed=c.seed) for c in configs]
        self._optimiser = FlatAdamW(
            self.models,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            weight_dtype=torch.bfloat16 if config.weight_precision == "bf16" else torch.float32,
        )
        self._gradients = HandwrittenGradients(
            self.models, self._optimiser, config.batch_size_sequences, kernels
        )
        self.kernels = self._gradients.kernels.name
        self._max_norm = config.grad_clip
        self._precision = "medium" if config.precision == "bf16" else "highest"

    def __call__(self, rates: Sequence[float | None], batches: Sequence[npt.NDArray[np.int64]]) -> Tensor:
        """Do one optimiser step.

        Parameters
        ----------
        rates : sequence of float or None
            Learning rate of each model; one without is left as it is.
        batches : sequence of ndarray
            Token ids for each model, shape (sequences, seq_len + 1).

        Returns
        -------
        Tensor
            Training losses before the step, nats per token, shape (M,).
        """
        tokens = torch.from_numpy(np.stack(batches))
        torch.set_float32_matmul_precision(self._precision)
        try:
            losses = self._gradients(tokens[..., :-1], tokens[..., 1:])
        finally:
            torch.set_float32_matmul_precision("highest")
        self._optimiser.step([rate or 0.0 for rate in rates], max_norm=self._max_norm)
        return losses

    def wait(self) -> None:
        """Nothing is ever under way here."""

    def state(self) -> dict[str, Tensor]:
        """All that decides later steps, by name: the live tensors."""
        return self._optimiser.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state`."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
