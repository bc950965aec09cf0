"""Steps on a GPU: their share of the device's peak, and what small models gain side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from benchmarks.contestants import bench_config, bench_shape, ours_on, product
from benchmarks.steps import Speed, measure_speeds, name_shape
from benchmarks.timing import Spread, ratio, time_rounds
from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.training.cuda import best_precision

__all__ = ["GPU_SHAPES", "SMALL_GPU_SHAPES", "Concurrency", "measure_concurrency", "measure_device"]

_PEAK_SIZES: Final = (2048, 4096, 8192)
_LONG: Final = 10**7  # steps: a run so long is compiled


def _gpu_shape(d_model: int) -> TransformerShape:
    return bench_shape(d_model, 6, head_size=64, vocab_size=4096, seq_len=512)


GPU_SHAPES: Final = tuple(_gpu_shape(d_model) for d_model in (256, 512, 768))
SMALL_GPU_SHAPES: Final = tuple(_gpu_shape(d_model) for d_model in (64, 128, 256))


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """Tokens per second of models side by side over those of one alone.

    Attributes
    ----------
    shape : str
    n_models : int
    ratio : Spread
    """

    shape: str
    n_models: int
    ratio: Spread


def measure_device(
    device: torch.device,
    shape: TransformerShape,
    *,
    n_sequences: int = 32,
    peak_sizes: Sequence[int] = _PEAK_SIZES,
    n_rounds: int,
    seconds: float,
) -> list[Speed]:
    """Speed of the step in the device's best precision; on a GPU as a graph, and compiled besides.

    Parameters
    ----------
    device : torch.device
    shape : TransformerShape
    n_sequences : int
        Of a batch.
    peak_sizes : sequence of int
        Of the matrix products, in the same precision.
    n_rounds : int
    seconds : float
        Of a slot.
    """
    precision = best_precision(device)
    short = bench_config(shape, n_sequences=n_sequences, precision=precision)
    variants = {"eager": short}
    if device.type == "cuda":
        variants = {"graph": short, "graph, compiled": replace(short, n_steps=_LONG)}
    contestants = [ours_on(device, [config], f"{name}, {precision}") for name, config in variants.items()]
    products = [product(device, precision, n) for n in peak_sizes]
    return measure_speeds(shape, contestants, products, n_rounds=n_rounds, seconds=seconds)


def measure_concurrency(
    device: torch.device,
    shape: TransformerShape,
    *,
    n_models: int = 4,
    n_sequences: int = 16,
    n_rounds: int,
    seconds: float,
) -> Concurrency:
    """What models of one shape gain side by side over one after another.

    Parameters
    ----------
    device : torch.device
    shape : TransformerShape
    n_models : int
    n_sequences : int
        Of a batch.
    n_rounds : int
    seconds : float
        Of a slot.
    """
    config = bench_config(shape, n_sequences=n_sequences, precision=best_precision(device))
    configs = [replace(config, seed=seed) for seed in range(n_models)]
    contestants = [ours_on(device, configs, "together"), ours_on(device, configs[:1], "alone")]
    together, alone = time_rounds(contestants, n_rounds=n_rounds, seconds=seconds)
    return Concurrency(shape=name_shape(shape), n_models=n_models, ratio=ratio(together, alone))
