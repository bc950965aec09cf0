"""``chinchilla-lib sweep``: plan, price and train an IsoFLOP sweep, and see how it stands."""

import argparse
import json
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib._outside import parse_json
from chinchilla_lib.architecture import FAMILIES, count_params
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._json import write_json
from chinchilla_lib.cli._terminal import duration, say, stop
from chinchilla_lib.corpus.shards import Shards, open_shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import PRECISIONS, SCHEDULES, RunConfig, RunFailure
from chinchilla_lib.sweeps.executors import Executor, Processes
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.locks import Shard
from chinchilla_lib.sweeps.plan import MAX_EPOCHS, SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.pricing import Prices
from chinchilla_lib.sweeps.runner import Progress, SweepError, run_sweep
from chinchilla_lib.sweeps.status import read_status, rebuild_tables, runs_left
from chinchilla_lib.sweeps.tiers import TIERS, Tier

__all__ = ["register", "run"]

_FEW_STEPS: Final = 900
_WEIGHT_DECAY: Final = {"adam": 0.0, "adamw": 0.1}
_PLANNING: Final = (
    "family",
    "schedule",
    "horizons",
    "optimizer",
    "precision",
    "corpus",
    "seed",
    "seeds",
    "staged",
)

_EXAMPLES: Final = """\
examples:
  chinchilla-lib sweep plan --tier ci
  chinchilla-lib sweep run --tier ci --out sweep-ci
  chinchilla-lib sweep status sweep-ci
  chinchilla-lib fit sweep-ci/runs.csv --method isoflop

one plan on four machines with a shared folder, each with its own first number:
  chinchilla-lib sweep plan --tier cpu-60 --schedule wsd --horizons 0.25,0.5,1 --out plan.json
  chinchilla-lib sweep run --plan plan.json --out sweep --shard 1/4
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
        _add_planning(action)
    plan.add_argument("--out", type=Path, metavar="FILE", help="write the plan, for 'sweep run --plan'")
    plan.add_argument("--json", action="store_true", help="print price and runs as JSON")
    plan.set_defaults(run=_plan)
    start.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this sweep alone")
    start.add_argument("--shard", metavar="I/N", help="do part I of N; other runners do the others in DIR")
    start.add_argument(
        "--executor",
        choices=("processes", "ray"),
        default="processes",
        help="where to train: processes on this machine (default), or a Ray cluster",
    )
    start.add_argument(
        "--gpus-per-job", type=float, metavar="G", help="ray: GPUs that a job takes, for example 0.25"
    )
    start.add_argument("--retry-quarantined", action="store_true", help="try diverged runs again")
    start.set_defaults(run=_run)
    status = actions.add_parser("status", help="say how a sweep stands", epilog=_EXAMPLES)
    status.add_argument("folder", type=Path, metavar="DIR", help="folder of the sweep")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(run=_status)
    table = actions.add_parser("table", help="write the tables again, from the records", epilog=_EXAMPLES)
    table.add_argument("folder", type=Path, metavar="DIR", help="folder of the sweep")
    table.set_defaults(run=_table)


def _add_planning(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--tier",
        choices=list(TIERS),
        help="; ".join(f"{tier.name}: {tier.title}" for tier in TIERS.values()),
    )
    source.add_argument("--plan", type=Path, metavar="FILE", help="a plan written by 'sweep plan --out'")
    add = parser.add_argument
    add("--family", choices=FAMILIES, help="architecture (the tier's)")
    add("--schedule", choices=SCHEDULES, help="of the learning rate (the tier's)")
    add("--horizons", metavar="H,H", help="also train each run to these shares of its budget (1)")
    add("--optimizer", choices=list(_WEIGHT_DECAY), help="adamw, or adam without weight decay (the tier's)")
    add("--precision", choices=("auto", *PRECISIONS), help="of the matrix products; auto: the device's best")
    add("--seed", type=int, metavar="S", help="seed of every run (0)")
    add("--seeds", type=int, metavar="N", help="repeat every run with N seeds from --seed on (the tier's)")
    add(
        "--staged", action=argparse.BooleanOptionalAction, help="centre each budget on what smaller ones show"
    )
    add("--corpus", metavar="NAME", help="named corpus in place of the tier's")
    add("--corpus-dir", type=Path, metavar="DIR", help="token shards (in the workspace)")
    add("--allow-repeats", action="store_true", help=f"allow more than {MAX_EPOCHS} passes over the corpus")
    add("--workers", type=int, default=2, metavar="N", help="processes (2)")


def run(options: argparse.Namespace) -> int:
    """Carry out an action of the command."""
    status: int = options.run(options)
    return status


def _plan(options: argparse.Namespace) -> int:
    """List and price the runs."""
    plan, shards = _make_plan(options)
    preview, prices = plan.preview(), _prices(shards)
    seconds = prices(preview.configs)
    wall = prices.wall_seconds(preview.configs, options.workers)
    _say_price(preview, shards, wall, options.workers)
    if plan.ladder:
        say(
            f"in stages: the widths above {format_flops(plan.ladder.budgets[0])} FLOPs are those expected; "
            "each budget is centred on what the smaller ones measure"
        )
    if options.out:
        write_json(options.out, plan.to_dict(), option="--out")
        say(f"{options.out}: plan {plan.identity}")
    if options.json:
        print(json.dumps(_report(preview, shards, seconds, wall, options.workers), indent=1))
    else:
        _list(preview.configs, seconds)
    return 0


def _run(options: argparse.Namespace) -> int:
    """Train the runs."""
    from chinchilla_lib.training.trainer import ShardTrainer  # torch, only when a sweep is asked for

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    shard = Shard.parse(options.shard) if options.shard else None
    executor = _executor(options)
    started = time.monotonic()
    plan, shards = _make_plan(options)
    folder, prices = SweepFolder(options.out), _prices(shards)
    if left := runs_left(plan, folder):
        n_workers = executor.n_workers * (shard.count if shard else 1)
        _say_price(plan.preview(), shards, prices.wall_seconds(left, n_workers), n_workers)
    signal.signal(signal.SIGTERM, stop)
    try:
        records = run_sweep(
            plan,
            ShardTrainer(shards.folder.resolve()),
            options.out,
            executor=executor,
            shard=shard,
            estimate_seconds=prices,
            retry_quarantined=options.retry_quarantined,
            on_progress=lambda progress: say(_describe(progress, time.monotonic() - started)),
        )
    except KeyboardInterrupt:
        say(f"stopped; finished runs are in {options.out} and the same command goes on from there")
        raise
    except SweepError as error:
        say(f"error: {error}")
        return 1
    if quarantined := folder.load_quarantine():
        names = ", ".join(failure.config.run_id for failure in quarantined)
        say(
            f"{len(quarantined)} runs diverged and are in quarantine, not in the tables: {names}; "
            "--retry-quarantined tries them again"
        )
    if shard:
        say(f"shard {shard} is done; {len(runs_left(plan, folder))} runs are left to other shards")
    print(f"{options.out / 'runs.csv'}: {len(records)} runs in {time.monotonic() - started:.0f} s")
    return 0


def _status(options: argparse.Namespace) -> int:
    """Say how a sweep stands."""
    status = read_status(options.folder)
    if options.json:
        print(json.dumps(status.to_dict(), indent=1))
        return 0
    print(
        f"{status.name}: {status.n_done} done, {len(status.quarantined)} in quarantine, {status.n_left} left"
    )
    for runner in status.runners:
        part = f"shard {runner.shard}" if runner.shard else "the whole sweep"
        print(f"at work on {part}, {runner.n_workers} at once")
    if not status.runners:
        print("no runner is at work")
    if status.n_left and status.seconds_left is not None:
        whom = "" if status.runners else " for one worker"
        print(f"about {duration(status.seconds_left)} left{whom}")
    for failure in status.quarantined:
        print(f"in quarantine: {failure.config.run_id}: {failure.reason}")
    return 0


def _table(options: argparse.Namespace) -> int:
    """Write the tables again."""
    n_runs = rebuild_tables(options.folder)
    print(f"{options.folder / 'runs.csv'}: {n_runs} runs")
    return 0


def _make_plan(options: argparse.Namespace) -> tuple[SweepPlan, Shards]:
    """The plan asked for, and its corpus."""
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; give 1 or more")
    if options.plan:
        plan, shards = _read_plan(options)
    else:
        plan, shards = _plan_tier(options)
    if not options.allow_repeats:
        try:
            plan.preview().check_epochs(shards.train.n_tokens)
        except InputError as error:
            raise InputError(f"{error} with --allow-repeats") from None
    return plan, shards


def _read_plan(options: argparse.Namespace) -> tuple[SweepPlan, Shards]:
    for name in _PLANNING:
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is given with --plan, which has it already; edit {options.plan}")
    try:
        plan = SweepPlan.from_dict(parse_json(options.plan.read_bytes()))
    except (OSError, InputError) as error:
        raise InputError(f"--plan {options.plan}: {error}") from None
    shards = _open_corpus(plan.corpus, plan.configs[0].shape.vocab_size, options.corpus_dir)
    strange = next((config for config in plan.configs if config.corpus != shards.identity), None)
    if strange:
        raise InputError(
            f"--plan {options.plan}: run {strange.run_id} is planned for corpus {strange.corpus}, but "
            f"{shards.folder} holds {shards.name} {shards.identity}; give its --corpus-dir, or plan again"
        )
    return plan, shards


def _plan_tier(options: argparse.Namespace) -> tuple[SweepPlan, Shards]:
    tier = _adapt(TIERS[options.tier], options)
    first = options.seed or 0
    if first < 0:
        raise InputError(f"--seed is {first}; give 0 or more")
    n_seeds = tier.n_seeds if options.seeds is None else options.seeds
    if n_seeds < 1:
        raise InputError(f"--seeds is {n_seeds}; give 1 or more")
    shards = _open_corpus(tier.corpus, tier.vocab_size, options.corpus_dir, named=options.corpus is not None)
    plan = plan_isoflop_sweep(
        replace(tier, corpus=shards.name),
        corpus=shards.identity,
        seeds=range(first, first + n_seeds),
        max_tokens=None if options.allow_repeats else MAX_EPOCHS * shards.train.n_tokens,
    )
    return plan, shards


def _adapt(tier: Tier, options: argparse.Namespace) -> Tier:
    """The tier with what the options change."""
    changes = {
        name: value
        for name in ("family", "schedule", "precision", "corpus", "staged")
        if (value := getattr(options, name)) is not None
    }
    if options.optimizer is not None:
        changes["weight_decay"] = _WEIGHT_DECAY[options.optimizer]
    if options.horizons is not None:
        try:
            changes["horizons"] = tuple(float(share) for share in options.horizons.split(","))
        except ValueError:
            raise InputError(f"--horizons is {options.horizons!r}; give shares such as 0.25,0.5,1") from None
    if changes.get("precision") == "auto":
        from chinchilla_lib.training.cuda import best_precision
        from chinchilla_lib.training.loop import find_device

        changes["precision"] = best_precision(find_device())
    return replace(tier, **changes)


def _open_corpus(name: str, vocab_size: int, folder: Path | None, *, named: bool = False) -> Shards:
    """Shards as they are in a folder that was given, else those of a named corpus, made if need be."""
    if folder and (folder / "manifest.json").is_file():
        shards = open_shards(folder)
        if shards.vocab_size != vocab_size or (named and shards.name != name):
            raise InputError(
                f"--corpus-dir {folder} holds {shards.name} with a vocabulary of {shards.vocab_size}; this "
                f"sweep needs {name if named else 'one'} of {vocab_size}: prepare it with 'corpus prepare "
                f"--vocab-size {vocab_size}'"
            )
        return shards
    from chinchilla_lib.corpus.prepare import prepare_corpus  # needs more packages than prepared shards do

    say(f"corpus {name}: preparing or checking")
    folder = folder or workspace.folder("corpora", f"{name}-{vocab_size}")
    return prepare_corpus(name, folder, vocab_size=vocab_size)


def _executor(options: argparse.Namespace) -> Executor:
    if options.executor == "processes":
        if options.gpus_per_job is not None:
            raise InputError("--gpus-per-job is given without --executor ray; processes share the GPU")
        return Processes(options.workers)
    from chinchilla_lib.sweeps.ray_tasks import RayTasks

    return RayTasks(gpus_per_job=options.gpus_per_job)


def _prices(shards: Shards) -> Prices:
    from chinchilla_lib.training.trainer import ShardTrainer  # torch, only when a sweep is asked for

    return Prices(ShardTrainer(shards.folder.resolve()).estimate_seconds)


def _report(
    plan: SweepPlan, shards: Shards, seconds: Sequence[float], wall: float, n_workers: int
) -> dict[str, Any]:
    return {
        "name": plan.name,
        "corpus": {"name": shards.name, "identity": shards.identity},
        "price": {
            "runs": len(plan.configs),
            "flops": plan.flops,
            "tokens": plan.n_tokens,
            "unique_tokens": shards.train.n_tokens,
            "epochs": plan.epochs(shards.train.n_tokens),
            "workers": n_workers,
            "seconds": wall,
        },
        "runs": [
            {
                "run_id": config.run_id,
                "flops_budget": config.flops_budget,
                "d_model": config.shape.d_model,
                "n_params": count_params(config.shape).total,
                "n_tokens": config.n_tokens,
                "batch_size_tokens": config.batch_size_tokens,
                "n_steps": config.n_steps,
                "few_steps": config.n_steps < _FEW_STEPS,
                "learning_rate": config.learning_rate,
                "seed": config.seed,
                "seconds": cost,
            }
            for config, cost in zip(plan.configs, seconds, strict=True)
        ],
    }


def _say_price(plan: SweepPlan, shards: Shards, seconds: float, workers: int) -> None:
    unique = shards.train.n_tokens
    say(
        f"tier {plan.name}: {len(plan.configs)} runs, {format_flops(plan.flops)} FLOPs, "
        f"{format_count(plan.n_tokens)} tokens, at most {plan.epochs(unique):.2f} epochs of the corpus's "
        f"{format_count(unique)}; about {duration(seconds)} with {workers} processes"
    )


def _list(configs: Sequence[RunConfig], seconds: Sequence[float]) -> None:
    print("  budget d_model  n_params  n_tokens  batch  steps      lr     s")
    for config, cost in zip(configs, seconds, strict=True):
        steps = f"{config.n_steps}{'*' if config.n_steps < _FEW_STEPS else ' '}"
        print(
            f"{format_flops(config.flops_budget):>8} {config.shape.d_model:>7} "
            f"{format_count(count_params(config.shape).total):>9} {format_count(config.n_tokens):>9} "
            f"{config.batch_size_tokens:>6} {steps:>7}{config.learning_rate:>7.4f} {cost:>5.0f}"
        )
    if any(config.n_steps < _FEW_STEPS for config in configs):
        say("* fewer than about 1,000 steps: the run may end above what its budget allows")


def _describe(progress: Progress, elapsed: float) -> str:
    text = f"[{progress.n_done:>2}/{progress.n_total}] {duration(elapsed):>8}"
    if progress.result is not None:
        config = progress.result.config
        ended = "failed" if isinstance(progress.result, RunFailure) else f"loss {progress.result.loss:.4f}"
        text += f"  {format_flops(config.flops_budget)} FLOPs, width {config.shape.d_model:>3}: {ended}"
    if progress.n_done < progress.n_total and progress.seconds_left is not None:
        text += f"  about {duration(progress.seconds_left)} left"
    return text
