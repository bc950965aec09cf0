"""One step: our variants against the peak of the device, and against the same model elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from benchmarks.contestants import (
    Contestant,
    bench_config,
    has_compiled_kernels,
    ours,
    product,
    theirs,
)
from benchmarks.peers import MakePeer, match_params
from benchmarks.timing import Spread, ratio, spread, time_rounds
from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.flops import training_flops_per_token

__all__ = ["FAMILIES", "Ratio", "Speed", "compare_steps", "measure_speeds", "measure_steps", "name_shape"]

FAMILIES: Final = ("rope", "fast")
"""Those with a step by hand."""

_CPU: Final = torch.device("cpu")
_PEAK_SIZES: Final = (512, 1024, 2048)
_NARROW: Final = 32  # models up to this width are also trained side by side
_TOGETHER: Final = 3
_CLEARLY: Final = 1.2  # a processor has bf16 if its products are so much faster


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a variant of ours trains.

    Attributes
    ----------
    shape, variant : str
    tokens_per_second : Spread
        Of all models together.
    flops_per_second : float
        At the median, by the convention ``matmul``.
    peak_flops_per_second : float
        Of the best product of square matrices of each round, median.
    share_of_peak : float
        Of the one by the other in the same round, median.
    """

    shape: str
    variant: str
    tokens_per_second: Spread
    flops_per_second: float
    peak_flops_per_second: float
    share_of_peak: float


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Our tokens per second over a peer's.

    Attributes
    ----------
    shape, ours, peer : str
        What is compared.
    ours_params, peer_params : int
    ratio : Spread
        Of the two slots of a round.
    """

    shape: str
    ours: str
    peer: str
    ours_params: int
    peer_params: int
    ratio: Spread


def name_shape(shape: TransformerShape) -> str:
    """Width and depth, as 64x2."""
    return f"{shape.d_model}x{shape.n_layers}"


def measure_steps(shape: TransformerShape, *, n_rounds: int, seconds: float) -> list[Speed]:
    """Speeds of our variants on the CPU.

    Parameters
    ----------
    shape : TransformerShape
        Its family is not regarded.
    n_rounds : int
    seconds : float
        Of a slot.
    """
    precisions = ("float32", "bf16") if _has_bf16() else ("float32",)
    contestants = [
        ours(
            bench_config(replace(shape, family=family), precision=precision),
            compiled=compiled,
            n_models=n_models,
        )
        for family in FAMILIES
        for compiled in _kernels()
        for precision in precisions
        for n_models in ((1, _TOGETHER) if shape.d_model <= _NARROW else (1,))
    ]
    products = [product(_CPU, "float32", n) for n in _PEAK_SIZES]
    return measure_speeds(shape, contestants, products, n_rounds=n_rounds, seconds=seconds)


def measure_speeds(
    shape: TransformerShape,
    contestants: Sequence[Contestant],
    products: Sequence[Contestant],
    *,
    n_rounds: int,
    seconds: float,
) -> list[Speed]:
    """Speeds of contestants of one shape, beside matrix products in the same rounds."""
    found = time_rounds([*products, *contestants], n_rounds=n_rounds, seconds=seconds)
    peaks = [max(speeds) for speeds in zip(*found[: len(products)], strict=True)]
    peak = spread(peaks).median
    flops_per_token = training_flops_per_token(shape, "matmul")
    speeds = [spread(rounds) for rounds in found[len(products) :]]
    shares = [ratio(rounds, peaks).median * flops_per_token for rounds in found[len(products) :]]
    return [
        Speed(
            shape=name_shape(shape),
            variant=contestant.name,
            tokens_per_second=speed,
            flops_per_second=speed.median * flops_per_token,
            peak_flops_per_second=peak,
            share_of_peak=share,
        )
        for contestant, speed, share in zip(contestants, speeds, shares, strict=True)
    ]


def compare_steps(
    shape: TransformerShape,
    peer_name: str,
    make_peer: MakePeer,
    *,
    compiled: bool,
    n_rounds: int,
    seconds: float,
) -> list[Ratio]:
    """Our steps against a peer's, at equal parameters: ours has a wider feed-forward layer.

    Parameters
    ----------
    shape : TransformerShape
        Of the peer.
    peer_name : str
    make_peer : callable
        From the shape to its model.
    compiled : bool
        Also by ``torch.compile``, against our compiled kernels.
    n_rounds : int
    seconds : float
        Of a slot.
    """
    n_params = make_peer(shape).n_params
    shapes = [match_params(replace(shape, family=family), n_params) for family in FAMILIES]
    mine = {c: [ours(bench_config(s), compiled=c) for s in shapes] for c in _kernels()}
    config = bench_config(shape)
    peers = {c: theirs(peer_name, make_peer(shape), config, compiled=c) for c in {False, compiled}}
    contestants = [*peers.values(), *(one for both in mine.values() for one in both)]
    found = dict(zip(contestants, time_rounds(contestants, n_rounds=n_rounds, seconds=seconds), strict=True))
    return [
        Ratio(
            shape=name_shape(shape),
            ours=one.name,
            peer=peer.name,
            ours_params=count_params(matched).total,
            peer_params=n_params,
            ratio=ratio(found[one], found[peer]),
        )
        for peer_compiled, peer in peers.items()
        for ours_compiled, both in mine.items()
        if ours_compiled or not peer_compiled
        for matched, one in zip(shapes, both, strict=True)
    ]


def _kernels() -> tuple[bool, ...]:
    """Torch's kernels, then the compiled ones where they can be had."""
    return (False, True) if has_compiled_kernels() else (False,)


def _has_bf16() -> bool:
    pair = [product(_CPU, precision, _PEAK_SIZES[0]) for precision in ("bf16", "float32")]
    bf16, float32 = time_rounds(pair, n_rounds=5, seconds=0.02)
    return max(bf16) > _CLEARLY * max(float32)
