"""``chinchilla-lib experiment``: run an experiment of the book, judge it, record it."""

import argparse
import datetime
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib._format import format_flops
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.recipe import (
    EXPERIMENTS,
    compare_costs,
    judge_rates,
    judge_schedules,
    plan_experiment,
)
from chinchilla_lib.reference.recorded import checkout_commit, write_recorded
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.runner import Progress, SweepError, run_sweep

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib experiment rates-ci --out rates-ci
  chinchilla-lib experiment schedules-ci --out schedules-ci --record chinchilla_lib/reference/recorded
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "experiment",
        help=COMMANDS["experiment"],
        description="Run an experiment of the book and judge it by the rule written down before. A stopped "
        "one goes on where it was.",
        epilog=_EXAMPLES,
    )
    names = "; ".join(f"{name}: {text}" for name, text in EXPERIMENTS.items())
    parser.add_argument("name", choices=list(EXPERIMENTS), help=names)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of its runs")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--record", type=Path, metavar="DIR", help="write DIR/NAME with its provenance")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train what is not there yet, judge, record."""
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; give 1 or more")
    from chinchilla_lib.training.trainer import ShardTrainer  # torch

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = workspace.folder("corpora", "sotu-512")
    shards = prepare_corpus("sotu", folder, vocab_size=512)
    plan = plan_experiment(options.name, corpus=shards.identity)
    commit = checkout_commit()
    print(f"{options.name}: {len(plan.configs)} runs, {format_flops(plan.flops)} FLOPs", file=sys.stderr)
    try:
        records = run_sweep(
            plan,
            ShardTrainer(folder.resolve()),
            options.out,
            n_workers=options.workers,
            on_progress=_show,
        )
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if len(records) < len(plan.configs):
        missing = len(plan.configs) - len(records)
        print(
            f"error: {missing} runs diverged, so there is no verdict: {options.out / 'quarantine'}",
            file=sys.stderr,
        )
        return 1
    print(_judge(plan, [record.to_row() for record in records]))
    if options.record:
        runs = (options.out / "runs.csv").read_text(encoding="utf-8")
        target = options.record / options.name
        write_recorded(target, runs, _provenance(options, plan, records, commit))
        print(f"recorded in {target}", file=sys.stderr)
    return 0


def _judge(plan: SweepPlan, rows: Sequence[Mapping[str, str | int | float]]) -> str:
    if plan.name.startswith("schedules"):
        check = judge_schedules(rows, cost_ratio=compare_costs(plan.configs))
        lines = [
            f"width {d_model:>3}, {n_steps:>5} steps: cooldown less cosine {difference:+.4f}"
            for (d_model, n_steps), difference in check.differences.items()
        ]
        return "\n".join(
            [
                *lines,
                f"mean |difference| {check.mean_difference:.4f}, seed sd {check.seed_sd:.4f}: "
                f"{'equal within seed noise' if check.holds else 'NOT equal within seed noise'}; "
                f"cosine costs {check.cost_ratio:.2f} times as many FLOPs",
            ]
        )
    return "\n".join(
        f"width {check.d_model:>3}: rate {check.rate:.4f}, losses at half, once, twice "
        f"{', '.join(f'{loss:.4f}' for loss in check.losses)}; best at {check.best_factor:.2f} times "
        f"the rule, excess {check.excess:.4f}: {'holds' if check.holds else 'DOES NOT HOLD'}"
        for check in judge_rates(rows)
    )


def _provenance(
    options: argparse.Namespace, plan: SweepPlan, records: Sequence[RunRecord], commit: str
) -> dict[str, Any]:
    environments = [dict(record.environment) for record in records]
    return {
        "command": f"chinchilla-lib experiment {options.name} --out DIR --workers {options.workers}",
        "commit": commit,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": sorted({environment.pop("device") for environment in environments}),
        "versions": [dict(pairs) for pairs in sorted({tuple(sorted(e.items())) for e in environments})],
        "seeds": sorted({config.seed for config in plan.configs}),
        "n_runs": len(records),
        "run_seconds": round(sum(record.seconds for record in records), 1),
        "corpus": plan.configs[0].corpus,
    }


def _show(progress: Progress) -> None:
    left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
    print(f"[{progress.n_done}/{progress.n_total}] {time.strftime('%H:%M:%S')}{left}", file=sys.stderr)
