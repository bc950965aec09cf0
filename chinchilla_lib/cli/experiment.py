"""``chinchilla-lib experiment``: list, price and run the experiments of the book, judge and record them."""

import argparse
import datetime
import json
import logging
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib import workspace
from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib._outside import parse_json
from chinchilla_lib.cli import COMMANDS
from chinchilla_lib.cli._asked import Asked
from chinchilla_lib.cli._terminal import duration, say, stop
from chinchilla_lib.corpus.prepare import prepare_corpus
from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.again import compare_with_record
from chinchilla_lib.experiments.catalogue import (
    EXPERIMENTS,
    TIERS_BY_MINUTES,
    UNPREPARED,
    choose_tier,
    find_experiment,
    known_parts,
    list_entries,
)
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row
from chinchilla_lib.experiments.runner import (
    FORECAST,
    MODELS,
    Sitting,
    read_commits,
    run_parts,
    write_forecast,
)
from chinchilla_lib.experiments.tables import curves_table, runs_table
from chinchilla_lib.reference.recorded import (
    attach_scores,
    is_committed,
    list_recorded,
    load_forecast,
    load_recorded,
    rows_table,
    write_recorded,
)
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.jobs import Trainer
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.pricing import Prices
from chinchilla_lib.sweeps.runner import Progress, SweepError

__all__ = ["register", "run"]

_EXAMPLES: Final = """\
examples:
  chinchilla-lib experiment list
  chinchilla-lib experiment plan main --tier cpu-120
  chinchilla-lib experiment run main --tier cpu-120
  chinchilla-lib experiment run --all --tier cpu-60
"""


def register(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "experiment",
        help=COMMANDS["experiment"],
        description="The experiments of the book: list them, price one, run it. A stopped one goes on where "
        "it was when the same command is given again.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list", help="list experiments, tiers and what is recorded", epilog=_EXAMPLES
    )
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    listing.set_defaults(run=_list)
    plan = actions.add_parser("plan", help="price an experiment on this machine", epilog=_EXAMPLES)
    start = actions.add_parser("run", help="train, judge, record", epilog=_EXAMPLES)
    plan.add_argument("name", choices=list(EXPERIMENTS), metavar="NAME")
    start.add_argument("name", nargs="?", choices=list(EXPERIMENTS), metavar="NAME")
    start.add_argument(
        "--all", action="store_true", help="all whose plans together are priced within the tier's minutes"
    )
    for action in (plan, start):
        action.add_argument(
            "--tier", required=True, metavar="T", help="how much is done; see 'experiment list'"
        )
        action.add_argument("--workers", type=int, default=2, metavar="N", help="processes (2)")
    plan.add_argument("--json", action="store_true", help="print the price as JSON")
    plan.set_defaults(run=_plan)
    start.add_argument("--out", type=Path, metavar="DIR", help="folder of its runs (in the workspace)")
    start.add_argument("--record", type=Path, metavar="DIR", help="write DIR/NAME-TIER with its provenance")
    start.set_defaults(run=_run)


def run(options: argparse.Namespace) -> int:
    """Carry out an action of the command."""
    status: int = options.run(options)
    return status


def _list(options: argparse.Namespace) -> int:
    """List the experiments."""
    entries = list_entries()
    if options.json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=1))
        return 0
    last = None
    for entry in entries:
        if entry.experiment is not last:
            print(f"{entry.experiment.name}: {entry.experiment.title} (section {entry.experiment.section})")
        last = entry.experiment
        done = "no"
        if entry.provenance is not None:
            done = f"{entry.provenance['date']}, {duration(entry.provenance['run_seconds'])} of training"
        print(
            f"  --tier {entry.tier:8} {entry.n_runs:4} runs {format_flops(entry.flops):>8} FLOPs   "
            f"recorded: {done}"
        )
    return 0


def _plan(options: argparse.Namespace) -> int:
    """Price an experiment."""
    experiment = find_experiment(options.name)
    price = _price(experiment, options.tier, options.workers, _prices(options))
    if options.json:
        print(json.dumps(price, indent=1))
        return 0
    print(f"{experiment.name}, tier {options.tier}: {experiment.title}")
    print(f"claim (section {experiment.section}): {experiment.claim}")
    print(f"rule: {experiment.rule}")
    for part in price["parts"]:
        print(
            f"  {part['name']} on {part['corpus']}: {part['runs']} runs, "
            f"{format_flops(part['flops'])} FLOPs, "
            f"longest {format_count(part['longest'])} tokens, about {duration(part['seconds'])}"
        )
    if price["later_unknown"]:
        print("  and runs that its forecast will ask for, priced when it is there")
    print(f"about {duration(price['seconds'])} with {options.workers} processes, nothing done yet assumed")
    return 0


def _run(options: argparse.Namespace) -> int:
    """Run one experiment, or those that a tier affords."""
    if options.all == (options.name is not None):
        raise InputError("give the NAME of an experiment, or --all")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, stop)
    prices = _prices(options)
    if not options.all:
        return _run_one(find_experiment(options.name), options.tier, options, prices)
    if options.tier not in TIERS_BY_MINUTES:
        raise InputError(f"--tier is {options.tier!r}; --all knows {', '.join(TIERS_BY_MINUTES)}")
    if options.out:
        raise InputError("--out is given with --all; each experiment has its own folder in the workspace")
    chosen, left = [], 60.0 * TIERS_BY_MINUTES[options.tier]
    for experiment in EXPERIMENTS.values():
        tier = choose_tier(experiment, options.tier)
        seconds = _price(experiment, tier, options.workers, prices)["seconds"] if tier else 0.0
        if tier is None or seconds > left:
            why = (
                "it has no tier so small" if tier is None else f"{tier} takes about {duration(seconds)} more"
            )
            say(f"left out: {experiment.name} ({why})")
        else:
            chosen.append((experiment, tier))
            left -= seconds
    status = 0
    for experiment, tier in chosen:
        say(f"== {experiment.name}, tier {tier}")
        try:
            status = max(status, _run_one(experiment, tier, options, prices))
        except InputError as error:  # such as a corpus that cannot be had here: the others can be done
            say(f"error: {experiment.name}: {error}")
            status = 2
    return status


def _run_one(experiment: Experiment, tier: str, options: argparse.Namespace, prices: Prices) -> int:
    name = f"{experiment.name}-{tier}"
    parts = experiment.parts_of(tier)
    folder: Path = options.out or workspace.folder("experiments", name)
    neighbours = [path for path in workspace.folder("experiments").glob("*/*") if path.is_dir()]
    corpora: dict[str, dict[str, Any]] = {}
    sitting = Sitting(
        prepare=lambda part: _prepare(part, folder, corpora),
        n_workers=options.workers,
        estimate_seconds=prices,
        on_part=lambda part, plan: say(
            f"{name}, {part.name}: {len(plan.configs)} runs, {format_flops(plan.flops)} FLOPs"
        ),
        on_progress=_show,
    )
    asked = Asked(experiment, folder, options.workers)
    try:
        records = run_parts(parts, folder, sitting, neighbours=neighbours)
        forecast = None
        if experiment.foretell is not None:
            rows = _rows(experiment, records, asked.ask(parts, records))
            forecast = _find_forecast(experiment, tier, folder, options.record, rows)
            if forecast is None:
                return 0
            later = experiment.parts_of(tier, forecast)[len(parts) :]
            records |= run_parts(later, folder, sitting, neighbours=neighbours)
            parts = (*parts, *later)
    except KeyboardInterrupt:
        say(f"stopped; finished runs are in {folder} and the same command goes on from there")
        raise
    except SweepError as error:
        say(f"error: {error}")
        return 1
    rows = _rows(experiment, records, asked.ask(parts, records))
    print(f"{name}: {experiment.judge(rows, forecast)}")
    if name in list_recorded():
        plain = [experiment.row(record) for done in records.values() for record in done]
        print(f"{name}: {compare_with_record(plain, load_recorded(name).rows)}")
    if options.record:
        target = options.record / name
        about = _provenance(experiment.name, tier, folder, records) | {"corpora": corpora}
        runs, curves = runs_table(records, experiment.row), curves_table(records)
        if experiment.tasks:
            last = [record.config.run_id for record in records[parts[-1].name]]
            write_recorded(
                target,
                runs,
                about | {"tasks": asked.tasks},
                curves,
                scores=rows_table(asked.score_rows),
                answers=rows_table(asked.answer_rows(last)),
            )
        else:
            write_recorded(target, runs, about, curves)
        say(f"recorded in {target}")
    return 0


def _rows(
    experiment: Experiment, records: Mapping[str, Sequence[RunRecord]], score_rows: Sequence[Row]
) -> dict[str, list[Row]]:
    """Rows by part, with what the models scored where they were asked."""
    rows = {part: [experiment.row(record) for record in done] for part, done in records.items()}
    return {part: attach_scores(done, score_rows) for part, done in rows.items()}


def _find_forecast(
    experiment: Experiment,
    tier: str,
    folder: Path,
    record: Path | None,
    rows: Results,
) -> Forecast | None:
    """The forecast that was written down; none if it has just been, and must be committed first."""
    name = f"{experiment.name}-{tier}"
    path = (record / name if record else folder) / FORECAST
    if path.is_file():
        if record and not is_committed(path):
            raise InputError(f"{path} is not committed; commit the forecast, then run again to test it")
        try:
            forecast: Forecast = parse_json(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}; bring it back as it was written") from None
        return forecast
    if (shipped := load_forecast(name)) is not None:
        return shipped
    forecast = write_forecast(experiment, tier, rows, path)
    print(json.dumps(forecast, indent=1))
    if record:
        say(f"the forecast is in {path}; commit it, then run the same command again to test it")
        return None
    return forecast


def _price(experiment: Experiment, tier: str, n_workers: int, prices: Prices) -> dict[str, Any]:
    parts = []
    for part in known_parts(experiment, tier):
        configs = part.plan(UNPREPARED).preview().configs
        parts.append(
            {
                "name": part.name,
                "corpus": part.corpus,
                "runs": len(configs),
                "flops": sum(config.flops for config in configs),
                "longest": max(config.n_tokens for config in configs),
                "seconds": prices.wall_seconds(configs, n_workers),
            }
        )
    return {
        "name": experiment.name,
        "tier": tier,
        "parts": parts,
        "later_unknown": experiment.later is not None and len(parts) == len(experiment.parts[tier]),
        "seconds": sum(part["seconds"] for part in parts),
    }


def _prices(options: argparse.Namespace) -> Prices:
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; give 1 or more")

    def estimate(configs: Sequence[RunConfig]) -> list[float]:
        from chinchilla_lib.training.trainer import estimate_seconds  # torch, only when it is asked for

        return estimate_seconds(configs)

    return Prices(estimate)


def _prepare(part: Part, folder: Path, corpora: dict[str, dict[str, Any]]) -> tuple[str, Trainer]:
    """Shards and a trainer for a part; what is to be recorded of the corpus goes into `corpora`."""
    from chinchilla_lib.training.trainer import ShardTrainer  # torch, only when runs are asked for

    say(f"corpus {part.corpus}: preparing or checking")
    at = workspace.folder("corpora", f"{part.corpus}-{part.vocab_size}")
    shards: Shards = prepare_corpus(part.corpus, at, vocab_size=part.vocab_size)
    corpora[shards.identity] = {
        "name": shards.name,
        "version": shards.manifest["version"],
        "train_tokens": shards.train.n_tokens,
        "validation_tokens": shards.validation.n_tokens,
        "train_bytes": shards.manifest["splits"]["train"]["n_bytes"],
        "subsets": shards.manifest.get("subsets"),
        "downloads": shards.manifest.get("downloads"),
    }
    plan: SweepPlan = part.plan(shards.identity).preview()
    if (epochs := plan.epochs(shards.train.n_tokens)) > 1:
        say(f"{part.name}: the longest run passes over its corpus {epochs:.2f} times")
    plan.check_epochs(shards.train.n_tokens)
    models = (folder / MODELS).resolve() if part.keeps_models else None
    return shards.identity, ShardTrainer(at.resolve(), models_folder=models)


def _provenance(
    name: str, tier: str, folder: Path, records: Mapping[str, Sequence[RunRecord]]
) -> dict[str, Any]:
    everything = [record for done in records.values() for record in done]
    environments = [dict(record.environment) for record in everything]
    devices = sorted({environment.pop("device") for environment in environments})
    commits = dict.fromkeys(commit for part in records for commit in read_commits(folder / part))
    return {
        "command": f"chinchilla-lib experiment run {name} --tier {tier}",
        "commit": ", ".join(commits),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": devices,
        "versions": [dict(pairs) for pairs in sorted({tuple(sorted(e.items())) for e in environments})],
        "seeds": sorted({record.config.seed for record in everything}),
        "n_runs": len(everything),
        "run_seconds": round(sum(record.seconds for record in everything), 1),
        "corpus": ", ".join(dict.fromkeys(record.config.corpus for record in everything)),
    }


def _show(progress: Progress) -> None:
    ended = ""
    if progress.result is not None:
        config = progress.result.config
        loss = "failed" if isinstance(progress.result, RunFailure) else f"{progress.result.loss:.4f}"
        ended = f"  {format_flops(config.flops_budget)} FLOPs, width {config.shape.d_model}: {loss}"
    left = "" if progress.seconds_left is None else f", about {duration(progress.seconds_left)} left"
    say(f"[{progress.n_done}/{progress.n_total}] {time.strftime('%H:%M:%S')}{left}{ended}")
