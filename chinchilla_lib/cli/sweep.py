"""``chinchilla-lib sweep``: plan, price and train an IsoFLOP sweep."""

import argparse
import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.architecture import count_params
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.plan import TIERS, SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import Progress, SweepError, run_sweep

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib sweep plan --tier ci
  chinchilla-lib sweep run --tier ci --out sweep-ci
  chinchilla-lib fit sweep-ci/runs.csv --method isoflop
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "sweep",
        help=COMMANDS["sweep"],
        description="Plan, price and train an IsoFLOP sweep. A stopped sweep goes on where it was when "
        "the same command is given again.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    plan = actions.add_parser("plan", help="list and price the runs", epilog=_EXAMPLES)
    start = actions.add_parser("run", help="train the runs and write the tables", epilog=_EXAMPLES)
    for action in (plan, start):
        action.add_argument(
            "--tier",
            choices=list(TIERS),
            required=True,
            help="; ".join(f"{tier.name}: {tier.title}" for tier in TIERS.values()),
        )
        action.add_argument("--seed", type=int, default=0, metavar="S", help="seed of every run (0)")
        action.add_argument(
            "--corpus-dir",
            type=Path,
            metavar="DIR",
            help="token shards (in the workspace)",
        )
        action.add_argument("--workers", type=int, default=2, metavar="N", help="processes (2)")
        action.set_defaults(run=run)
    start.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this sweep alone")


def run(options: argparse.Namespace) -> int:
    """Price the plan; with ``run``, carry it out."""
    from chinchilla_lib.training.trainer import ShardTrainer  # torch, only when a sweep is asked for

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; give 1 or more")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; give 0 or more")
    tier = TIERS[options.tier]
    started = time.monotonic()
    _say(f"corpus {tier.corpus}: preparing or checking")
    folder = options.corpus_dir or workspace.folder("corpora", f"{tier.corpus}-{tier.vocab_size}")
    shards = prepare_corpus(tier.corpus, folder, vocab_size=tier.vocab_size)
    plan = plan_isoflop_sweep(tier, corpus=shards.identity, seeds=[options.seed])
    trainer = ShardTrainer(folder.resolve())
    seconds = trainer.estimate_seconds(plan.configs)
    _price(plan, shards, sum(seconds) / min(options.workers, len(plan.configs)), options.workers)
    if options.action == "plan":
        _list(plan, seconds)
        return 0

    def on_progress(progress: Progress) -> None:
        _say(_describe(progress, time.monotonic() - started))

    signal.signal(signal.SIGTERM, _stop)
    try:
        run_sweep(
            plan,
            trainer,
            options.out,
            n_workers=options.workers,
            expected_seconds=seconds,
            on_progress=on_progress,
        )
    except KeyboardInterrupt:
        _say(f"stopped; finished runs are in {options.out} and the same command goes on from there")
        raise
    except SweepError as error:
        _say(f"error: {error}")
        return 1
    print(f"{options.out / 'runs.csv'}: {len(plan.configs)} runs in {time.monotonic() - started:.0f} s")
    return 0


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _price(plan: SweepPlan, shards: Shards, seconds: float, workers: int) -> None:
    epochs = plan.epochs(shards.train.n_tokens)
    _say(
        f"tier {plan.name}: {len(plan.configs)} runs, {format_flops(plan.flops)} FLOPs, "
        f"{format_count(plan.n_tokens)} tokens, at most {epochs:.2f} epochs of the corpus; "
        f"about {_duration(seconds)} with {workers} processes"
    )


def _list(plan: SweepPlan, seconds: list[float]) -> None:
    print("  budget d_model  n_params  n_tokens  batch  steps      lr     s")
    for config, cost in zip(plan.configs, seconds, strict=True):
        print(
            f"{format_flops(config.flops_budget):>8} {config.shape.d_model:>7} "
            f"{format_count(count_params(config.shape).total):>9} {format_count(config.n_tokens):>9} "
            f"{config.batch_size_tokens:>6} {config.n_steps:>6} {config.learning_rate:>7.4f} {cost:>5.0f}"
        )


def _describe(progress: Progress, elapsed: float) -> str:
    text = f"[{progress.n_done:>2}/{progress.n_total}] {_duration(elapsed):>8}"
    if progress.record is not None:
        config = progress.record.config
        text += (
            f"  {format_flops(config.flops_budget)} FLOPs, width {config.shape.d_model:>3}: "
            f"loss {progress.record.loss:.4f}"
        )
    if progress.n_done < progress.n_total and progress.seconds_left is not None:
        text += f"  about {_duration(progress.seconds_left)} left"
    return text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
