"""The step for CUDA: one graph for all its kernels, a stream for each model, reduced precision.

Small models leave a GPU idle twice: between the kernels of a step, which a captured graph launches at
once, and beside them, which other models fill from streams of their own. Nothing here waits for the
device until a loss is read. On a CPU the same work runs uncaptured: that is how it is tested.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW
from chinchilla_lib.training.schedule import schedule_rate

__all__ = ["DeviceStep", "LossFunction", "best_precision"]

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From tokens and targets, both (B, T), to the mean loss in nats per token."""

_DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_WARMUP_STEPS: Final = 3

# Compiling a shape takes about half a minute, and saves perhaps a third of a run: it pays from runs of
# some two minutes, at a third of the 1e15 FLOP/s of a data-centre GPU. An estimate, not yet measured.
_COMPILE_FROM_FLOPS: Final = 3e16


def best_precision(device: torch.device) -> str:
    """Fastest precision of matrix products on a device: a value of ``RunConfig.precision``.

    bf16 needs compute capability 8 (A100), fp16 7 (T4); on a CPU it is float32, as small models gain
    nothing from less.
    """
    if device.type != "cuda":
        return "float32"
    major, _ = torch.cuda.get_device_capability(device)
    return "bf16" if major >= 8 else "fp16" if major >= 7 else "float32"


class DeviceStep:
    """A model and its optimiser on a device; calling it does one step by autograd.

    Parameters
    ----------
    config : RunConfig
        With ``fp16`` the loss is scaled, and a step whose gradients overflow is left out.
    device : torch.device
    replicate : callable, optional
        Makes the loss function of the model in place of the step itself, for data-parallel training:
        its backward pass leaves in each ``grad`` the mean over replicas. Nothing is captured then.
    n_replicas : int
        Each step sees this part of a batch.

    Attributes
    ----------
    model : Transformer

    Raises
    ------
    InputError
        If the device has no bf16.
    """

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        *,
        replicate: Callable[[Transformer], LossFunction] | None = None,
        n_replicas: int = 1,
    ) -> None:
        if config.precision == "bf16" and device.type == "cuda" and best_precision(device) != "bf16":
            raise InputError(
                f"precision is 'bf16', which {torch.cuda.get_device_name(device)} lacks: "
                f"plan with {best_precision(device)!r}"
            )
        self.config, self.device = config, device
        self.model = Transformer(config.shape, seed=config.seed).to(device)
        self._optimiser = FlatAdamW(
            self.model, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
        )
        self._scale = _LossScale(device) if config.precision == "fp16" else None
        n_sequences = config.batch_size_sequences // n_replicas
        self._tokens = torch.zeros(n_sequences, config.shape.seq_len + 1, dtype=torch.int64, device=device)
        self._rate, self._loss = torch.zeros(2, device=device).unbind()
        captured = device.type == "cuda" and replicate is None
        self._stream = torch.cuda.Stream(device) if captured else None  # type: ignore[no-untyped-call]
        self._loss_of: LossFunction
        if replicate is not None:
            self._loss_of = replicate(self.model)
        elif self._stream is not None and config.flops >= _COMPILE_FROM_FLOPS:
            self._loss_of = torch.compile(self.model.loss, fullgraph=True, dynamic=False)
        else:
            self._loss_of = self.model.loss
        self._graph = None if self._stream is None else self._capture(self._stream)

    def __call__(self, step: int, batch: npt.NDArray[np.int64]) -> Tensor:
        """Do one optimiser step, or queue it on a GPU.

        Parameters
        ----------
        step : int
            Counted from 0; places the step on the schedule.
        batch : ndarray
            Token ids, shape (sequences, seq_len + 1).

        Returns
        -------
        Tensor
            Training loss before the step, nats per token, of no dimension. It and the model may be
            read after :meth:`wait`.
        """
        tokens = torch.from_numpy(batch)
        with self._on_stream():
            if self._stream is not None:
                tokens = tokens.pin_memory()
            self._tokens.copy_(tokens, non_blocking=True)
            self._rate.fill_(schedule_rate(self.config, step))
            if self._graph is None:
                self._work()
            else:
                self._graph.replay()
            return self._loss.clone()

    def wait(self) -> None:
        """Let what follows see the steps queued so far; the host itself does not wait."""
        if self._stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides later steps, by name; for a checkpoint, after :meth:`wait`."""
        return self._optimiser.state | ({} if self._scale is None else self._scale.state)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a :attr:`state`."""
        with self._on_stream():
            for name, tensor in self.state.items():
                tensor.copy_(state[name])

    def _on_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _work(self) -> None:
        """The step from ``_tokens`` and ``_rate`` to ``_loss``, with no word from the host."""
        self._optimiser.zero_grad()
        dtype = _DTYPES.get(self.config.precision)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None, cache_enabled=False):
            loss = self._loss_of(self._tokens[:, :-1], self._tokens[:, 1:])
        found_inf = None
        if self._scale is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            found_inf = self._scale.backward(loss, self._optimiser.gradient)
        self._optimiser.step(self._rate, max_norm=self.config.grad_clip, found_inf=found_inf)
        self._loss.copy_(loss.detach())

    def _capture(self, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
        """Rehearse on the model's own stream, as capture demands, then record; the state is as before."""
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            before = {name: tensor.clone() for name, tensor in self.state.items()}
            for _ in range(_WARMUP_STEPS):
                self._work()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                self._work()
            self.load(before)
        return graph


class _LossScale:
    """Dynamic scale of the loss, as ``torch.amp.GradScaler`` does it, without asking the device.

    Gradients too small for fp16 survive multiplied by it. It halves when they overflow and doubles after
    2,000 steps in which they did not.
    """

    def __init__(self, device: torch.device) -> None:
        self._scale = torch.full((), 2.0**16, device=device)
        self._steps_since = torch.zeros((), dtype=torch.int32, device=device)
        self._found_inf = torch.zeros((), device=device)
        self.state = {"loss_scale": self._scale, "loss_scale_steps": self._steps_since}

    def backward(self, loss: Tensor, gradient: Tensor) -> Tensor:
        """Fill the gradient of the loss, unscaled; returns 1 if it overflowed, else 0."""
        (loss * self._scale).backward()  # type: ignore[no-untyped-call]
        self._found_inf.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(
            [gradient], self._found_inf, self._scale.reciprocal()
        )
        torch._amp_update_scale_(self._scale, self._steps_since, self._found_inf, 2.0, 0.5, 2000)
        return self._found_inf
