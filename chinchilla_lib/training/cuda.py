"""The step for CUDA: one graph for all its kernels, a stream for each model, reduced precision.

Small models leave a GPU idle twice: between the kernels of a step, which a captured graph launches at
once, and beside them, which other models fill from streams of their own. Nothing here waits for the
device until a loss is read. On a CPU the same work runs uncaptured: that is how it is tested.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.training.model import Transformer

__all__ = ["DeviceStep", "DeviceSteps", "LossFunction", "best_precision"]

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From tokens and targets, both (B, T), to the mean loss in nats per token."""

_DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_REHEARSALS: Final = 3
_SCALER_STATE: Final = ("scale", "_growth_tracker")

# Compiling a shape takes about half a minute, and saves perhaps a third of a run: it pays from runs of
# some two minutes, at a third of the 1e15 FLOP/s of a data-centre GPU. An estimate, not yet measured.
_COMPILE_FROM_FLOPS: Final = 3e16


def best_precision(device: torch.device) -> str:
    """Fastest precision of matrix products on a device: a value of ``RunConfig.precision``.

    bf16 needs compute capability 8 (A100), fp16 7 (T4); on a CPU it is float32, as small models gain
    nothing from less.

    Examples
    --------
    >>> best_precision(torch.device("cpu"))
    'float32'
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
        self._parameters = list(self.model.parameters())
        self._rate, self._loss = torch.zeros((), device=device), torch.zeros((), device=device)
        self._optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in self._parameters if p.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in self._parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            lr=self._rate,
            betas=(config.beta1, config.beta2),
            fused=True,
        )
        self._scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        n_sequences = config.batch_size_sequences // n_replicas
        self._tokens = torch.zeros(n_sequences, config.shape.seq_len + 1, dtype=torch.int64, device=device)
        captured = device.type == "cuda" and replicate is None
        self._stream = torch.cuda.Stream(device) if captured else None  # type: ignore[no-untyped-call]
        self._loss_of: LossFunction
        if replicate is not None:
            self._loss_of = replicate(self.model)
        elif captured and config.flops >= _COMPILE_FROM_FLOPS:
            self._loss_of = torch.compile(self.model.loss, fullgraph=True, dynamic=False)
        else:
            self._loss_of = self.model.loss
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(device))
        with self._on_stream():
            self._rehearse()
            self._graph = None if self._stream is None else self._capture(self._stream)

    def __call__(self, rate: float, batch: npt.NDArray[np.int64]) -> Tensor:
        """Do one optimiser step, or queue it on a GPU.

        Parameters
        ----------
        rate : float
            Learning rate.
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
            self._rate.fill_(rate)
            if self._graph is None:
                self._work()
            else:
                self._graph.replay()
            return self._loss.clone()

    def wait(self) -> None:
        """Let what follows see the steps queued so far; the host itself does not wait."""
        if self._stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)

    def state(self) -> dict[str, Tensor]:
        """All that decides later steps, by name, for a checkpoint; read after :meth:`wait`."""
        state = self._tensors()
        if self._scaler.is_enabled():
            scaler = self._scaler.state_dict()
            state |= {name: torch.tensor(scaler[name]) for name in _SCALER_STATE}
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state`."""
        with self._on_stream():
            for name, tensor in self._tensors().items():
                tensor.copy_(state[name])
            if self._scaler.is_enabled():
                scaler = {name: state[name].item() for name in _SCALER_STATE}
                self._scaler.load_state_dict(self._scaler.state_dict() | scaler)

    def _tensors(self) -> dict[str, Tensor]:
        """Weights by name, and what the optimiser keeps of each."""
        tensors = {}
        for name, parameter in self.model.named_parameters():
            tensors[name] = parameter.detach()
            for kind, tensor in self._optimiser.state[parameter].items():
                tensors[f"{name}.{kind}"] = tensor
        return tensors

    def _on_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _rehearse(self) -> None:
        """Let kernels be chosen and memory be found before a capture, and leave no trace of it."""
        scaler = self._scaler.state_dict()
        for _ in range(_REHEARSALS):  # at a rate of zero
            self._work()
        for moments in self._optimiser.state.values():
            for tensor in moments.values():
                tensor.zero_()
        self._scaler.load_state_dict(scaler)

    def _capture(self, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
        for group in self._optimiser.param_groups:
            group["capturable"] = True
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self._work()
        return graph

    def _work(self) -> None:
        """The step from ``_tokens`` and ``_rate`` to ``_loss``, with no word from the host."""
        self._optimiser.zero_grad(set_to_none=True)
        dtype = _DTYPES.get(self.config.precision)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None, cache_enabled=False):
            loss = self._loss_of(self._tokens[:, :-1], self._tokens[:, 1:])
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        clip_grad_norm_(self._parameters, self.config.grad_clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self.config.weight_precision == "bf16":
            torch._foreach_copy_(
                [p.detach() for p in self._parameters], [p.detach().bfloat16() for p in self._parameters]
            )
        self._loss.copy_(loss.detach())


class DeviceSteps:
    """Several models, of any shapes, each with a :class:`DeviceStep` of its own; on a GPU they overlap.

    Parameters
    ----------
    configs : sequence of RunConfig
    device : torch.device

    Attributes
    ----------
    models : list of Transformer
    """

    kernels = "autograd"

    def __init__(self, configs: Sequence[RunConfig], device: torch.device) -> None:
        self._steps = [DeviceStep(config, device) for config in configs]
        self.models = [step.model for step in self._steps]
        self._none = torch.full((), torch.nan, device=device)

    def __call__(
        self, rates: Sequence[float | None], batches: Sequence[npt.NDArray[np.int64]]
    ) -> list[Tensor]:
        """Do or queue one step of each model whose rate is given; the losses, nan for the others."""
        return [
            self._none if rate is None else step(rate, batch)
            for step, rate, batch in zip(self._steps, rates, batches, strict=True)
        ]

    def wait(self) -> None:
        """Let what follows see the steps queued so far."""
        for step in self._steps:
            step.wait()

    def state(self) -> dict[str, Tensor]:
        """All that decides later steps, by name; read after :meth:`wait`."""
        return {f"{i}.{name}": t for i, step in enumerate(self._steps) for name, t in step.state().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state`."""
        for i, step in enumerate(self._steps):
            step.load({name: state[f"{i}.{name}"] for name in step.state()})
