"""What is timed: our steps, those of peers, and matrix products."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from typing import Final

import numpy as np
import torch

from benchmarks.peers import Batch, Peer, PeerStep
from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training.cpu import CpuStep
from chinchilla_lib.training.cuda import DeviceSteps
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.loop import Step
from chinchilla_lib.training.native import choose_kernels

__all__ = [
    "Contestant",
    "bench_config",
    "bench_shape",
    "has_compiled_kernels",
    "ours",
    "ours_on",
    "product",
    "theirs",
    "training",
]

_BATCHES: Final = 4
_RATE: Final = 1e-3


def bench_shape(
    d_model: int,
    n_layers: int,
    *,
    head_size: int | None = None,
    vocab_size: int = 512,
    seq_len: int = 128,
) -> TransformerShape:
    """Shape of a width and depth; by default heads of 16 below width 64, and of 32 from there on."""
    return rope_shape(
        d_model,
        n_layers=n_layers,
        vocab_size=vocab_size,
        seq_len=seq_len,
        head_size=head_size or (16 if d_model < 64 else 32),
    )


def bench_config(
    shape: TransformerShape,
    *,
    n_sequences: int = 8,
    n_steps: int = 1000,
    precision: str = "float32",
    corpus: str = "random tokens",
) -> RunConfig:
    """A run by the usual recipe; its rate is given step by step."""
    return RunConfig(
        shape=shape,
        n_steps=n_steps,
        batch_size_sequences=n_sequences,
        learning_rate=0.01,
        warmup_steps=n_steps // 20,
        seed=0,
        flops_budget=1.0,
        flops_convention="matmul",
        corpus=corpus,
        eval_sequences=1,
        precision=precision,
    )


@dataclass(frozen=True, eq=False)
class Contestant:
    """Work that is timed.

    Attributes
    ----------
    name : str
    step : callable
        Does a step, or queues it on a GPU.
    amount : float
        What a step does: tokens of all models together, or FLOPs of a matrix product.
    wait : callable
        Returns when all steps are done.
    """

    name: str
    step: Callable[[], object]
    amount: float
    wait: Callable[[], None] = lambda: None


def has_compiled_kernels() -> bool:
    """Whether our compiled kernels can be had here."""
    return choose_kernels(16, torch.float32).name == "native"


def ours(config: RunConfig, *, compiled: bool, n_models: int = 1) -> Contestant:
    """Our step on the CPU.

    Parameters
    ----------
    config : RunConfig
    compiled : bool
        With the compiled kernels; else with torch's own.
    n_models : int
        Side by side.
    """
    configs = [replace(config, seed=seed) for seed in range(n_models)]
    step = CpuStep(configs, None if compiled else Kernels())
    name = f"{config.shape.family}, {step.kernels} kernels"
    name += f", {config.precision} products" if config.precision != "float32" else ""
    name += f", {n_models} models" if n_models > 1 else ""
    return training(name, configs, step)


def ours_on(device: torch.device, configs: Sequence[RunConfig], name: str) -> Contestant:
    """Our steps by autograd, as a GPU runs them, of several models at once."""
    return training(name, configs, DeviceSteps(configs, device), partial(_finish, device))


def theirs(name: str, peer: Peer, config: RunConfig, *, compiled: bool) -> Contestant:
    """The step of a peer's model."""
    step = PeerStep(peer, config, compiled=compiled)
    batches = cycle(_random_batches(config))
    called = f"{name}, {'compiled' if compiled else 'eager'}"
    return Contestant(called, lambda: step(_RATE, next(batches)), config.batch_size_tokens)


def training(
    name: str, configs: Sequence[RunConfig], step: Step, wait: Callable[[], None] = lambda: None
) -> Contestant:
    """A step of ours on random batches."""
    batches = cycle(zip(*(_random_batches(config) for config in configs), strict=True))
    rates = [_RATE] * len(configs)
    n_tokens = sum(config.batch_size_tokens for config in configs)
    return Contestant(name, lambda: step(rates, next(batches)), n_tokens, wait)


def _random_batches(config: RunConfig) -> list[Batch]:
    rng, shape = np.random.default_rng(0), config.shape
    size = (_BATCHES, config.batch_size_sequences, shape.seq_len + 1)
    return list(rng.integers(shape.vocab_size, size=size))


def product(device: torch.device, precision: str, n: int) -> Contestant:
    """A product of square matrices.

    Parameters
    ----------
    device : torch.device
    precision : str
        As of a run. On a CPU, bf16 rounds the factors within the product, as our step does there; on a
        GPU the factors are in that precision.
    n : int
        Rows and columns.
    """
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16} if device.type == "cuda" else {}
    a, b, out = torch.rand(3, n, n, device=device).to(dtypes.get(precision, torch.float32))

    def multiply() -> None:
        torch.set_float32_matmul_precision("medium" if precision == "bf16" else "highest")
        torch.mm(a, b, out=out)
        torch.set_float32_matmul_precision("highest")

    return Contestant(f"{precision} matmul", multiply, 2 * n**3, partial(_finish, device))


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
