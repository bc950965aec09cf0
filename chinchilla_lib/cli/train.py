"""``chinchilla-lib train``: train one run, alone or data-parallel under ``torchrun``."""

import argparse
import logging
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._outside import parse_json
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._terminal import say, stop
from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.folder import SweepFolder

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib train --config run.json --corpus-dir shards --out big --save-model
  torchrun --nproc-per-node 2 -m chinchilla_lib train --config run.json --corpus-dir shards --out big

The config is that of a run in a plan or a record, as JSON. The folder gets records/RUN.json as that of a
sweep does, so it may be a sweep's folder.
"""

_SECONDS_BETWEEN_LINES: Final = 10.0


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "train",
        help=COMMANDS["train"],
        description="Train one run. Under torchrun all its processes share each batch, by gloo on CPUs and "
        "nccl on GPUs. A stopped run goes on where it was when the same command is given again.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the run, as JSON")
    parser.add_argument("--corpus-dir", type=Path, required=True, metavar="DIR", help="token shards")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the record")
    parser.add_argument("--save-model", action="store_true", help="write models/RUN.safetensors there, too")
    parser.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="time between two states to go on from (60)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train the run, unless its record is there."""
    from chinchilla_lib.training.distributed import ReplicaLostError, join_world, train_replicated  # torch

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    config = _read_config(options.config)
    shards = open_shards(options.corpus_dir)
    folder = SweepFolder(options.out)
    model_path = options.out / "models" / f"{config.run_id}.safetensors" if options.save_model else None
    if config.run_id in folder.finished() and (model_path is None or model_path.exists()):
        say(f"run {config.run_id} is finished: {options.out / 'records'}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, stop)
    try:
        with join_world() as world:
            record = train_replicated(
                config,
                shards,
                world,
                checkpoint_folder=folder.checkpoints(config.run_id),
                checkpoint_seconds=options.checkpoint_seconds,
                model_path=model_path,
                on_step=_progress(config) if world.rank == 0 else None,
            )
            if world.rank == 0:
                folder.write_record(record)
                shutil.rmtree(folder.checkpoints(config.run_id), ignore_errors=True)
                print(f"run {config.run_id}: held-out loss {record.loss:.4f} in {record.seconds:.0f} s")
    except (DivergedError, ReplicaLostError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; the same command goes on from the last state kept")
        raise
    return 0


def _read_config(path: Path) -> RunConfig:
    try:
        return RunConfig.from_dict(parse_json(path.read_bytes()))
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}; give the JSON of a run") from None
    except InputError as error:
        raise InputError(f"--config {path}: {error}") from None


def _progress(config: RunConfig) -> Callable[[int, float], None]:
    """Say now and then how far the run is."""
    said = time.monotonic()

    def on_step(step: int, loss: float) -> None:
        nonlocal said
        if time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            say(f"step {step} of {config.n_steps}: training loss {loss:.4f}")

    return on_step
