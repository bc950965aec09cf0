"""A sweep under random faults, again and again: ``python -m tests.faults``, or ``make fault-campaign``.

In each trial a sweep of real training runs as a user would run it, on processes or on a Ray cluster of two
local nodes. One fault strikes at a random moment; the same command is given again until it succeeds, after
removing what its message says to remove. The tables must then be those of the sweep that nothing happened to.
Trials that are done are kept, so that a campaign goes on where it was stopped.

Filling a disk needs root, for a small file system of its own, and a clock that jumps needs libfaketime
(``apt install faketime``); without these the other faults are drawn.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.reference.recorded import (
    checkout_commit,
    describe_computation,
    rows_table,
    write_recorded,
)
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import run_sweep
from chinchilla_lib.training.trainer import ShardTrainer
from tests.faults.trials import FAULTS, PLANS, Nodes, Trial, possible, run
from tests.sweeps.killable import tables
from tests.tiny_corpus import write_tiny_shards

ROOT: Final = Path(__file__).resolve().parents[2]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "faults"


def campaign(options: argparse.Namespace) -> int:
    """All trials, those that are done left out."""
    options.folder.mkdir(parents=True, exist_ok=True)
    commit, shards = checkout_commit(), options.folder / "shards"
    if not shards.exists():
        write_tiny_shards(shards)
    identity = open_shards(shards).identity
    undisturbed = {}
    for name, tier in PLANS.items():
        plan = plan_isoflop_sweep(tier, corpus=identity)
        (options.folder / f"{name}.json").write_text(json.dumps(plan.to_dict()))
        place = options.folder / f"undisturbed-{name}"
        run_sweep(plan, ShardTrainer(shards), place)
        undisturbed[name] = tables(place)
    faults = [fault for fault in FAULTS if possible(fault)]
    kept = options.folder / "trials.csv"
    rows: list[dict[str, Any]] = list(csv.DictReader(kept.open())) if kept.exists() else []
    nodes: Nodes | None = None
    try:
        for executor in ("processes", "ray"):
            if executor == "ray":
                nodes = Nodes()
            for number in range(options.trials // 2):
                number += options.trials // 2 * (executor == "ray")
                if any(int(row["trial"]) == number for row in rows):
                    continue
                chance = random.Random(f"{options.seed} {number}")
                rows.append(attempt(number, executor, chance, faults, options.folder, nodes, undisturbed))
                kept.write_text(rows_table(rows))
                row = rows[-1]
                told = "{trial:>3} {executor:10}{plan:10}{fault:18}{struck:18}".format(**row)
                after = f"after {row['finished']:>2} runs, {row['starts']} starts"
                print(f"{told}{after}, equal: {row['equal']}", flush=True)
    finally:
        if nodes is not None:
            nodes.close()
    equal = sum(str(row["equal"]) == "True" for row in rows)
    print(f"{equal} of {len(rows)} tables are those of the undisturbed sweep")
    if options.record:
        seconds = sum(float(row["seconds"]) for row in rows)
        command = f"make fault-campaign ARGS='--trials {options.trials} --seed {options.seed} --record'"
        about = describe_computation(
            command,
            commit=commit,
            seed=options.seed,
            n_runs=len(rows),
            seconds=seconds,
            corpus="invented words",
        )
        write_recorded(RECORD, rows_table(rows), about)
    return int(equal < len(rows))


def attempt(
    number: int,
    executor: str,
    chance: random.Random,
    faults: Sequence[str],
    folder: Path,
    nodes: Nodes | None,
    undisturbed: dict[str, tuple[bytes, bytes]],
) -> dict[str, Any]:
    """One trial, and what came of it."""
    plan, fault = chance.choice(list(PLANS)), chance.choice(faults)
    started = time.monotonic()
    starts = again = 0
    while not starts:  # a sweep that ended before the fault came is no trial of it
        place = folder / f"trial-{number}-{again}"
        again += 1
        if place.exists():  # of a campaign that was stopped
            subprocess.run(["umount", "-q", place / "sweep"], check=False)
            subprocess.run(["rm", "-rf", place], check=True)
        place.mkdir()
        trial = Trial(
            number, executor, plan, fault, place, folder / "shards", address=nodes.address if nodes else ""
        )
        try:
            starts = trial.carry_out(nodes)
            equal = tables(trial.sweep.path) == undisturbed[plan]
        finally:
            if nodes:
                nodes.mend()
            if fault == "full disk":
                subprocess.run(["umount", trial.sweep.path], check=False)
    if equal:
        subprocess.run(["rm", "-rf", place], check=True)
    return {
        "trial": number, "executor": executor, "plan": trial.plan, "fault": trial.fault,
        "struck": trial.struck, "finished": trial.finished, "starts": starts, "equal": equal,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def main() -> int:
    """Run a campaign, or the sweep of one trial."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="half of them on Ray (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / "faults")
    parser.add_argument("--record", action="store_true", help="write the result where the book reads it")
    parser.add_argument(
        "--run", nargs=4, metavar=("PLAN", "SHARDS", "FOLDER", "EXECUTOR"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.run:
        plan, shards, folder, executor = options.run
        return run(Path(plan), Path(shards), Path(folder), executor)
    return campaign(options)


if __name__ == "__main__":
    sys.exit(main())
