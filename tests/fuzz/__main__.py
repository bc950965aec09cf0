"""Look for files that a reader stumbles over: ``python -m tests.fuzz``, or ``make fuzz``.

Each target has its share of the time in a process of its own, in which atheris follows the coverage of the
library's code. What makes a reader fail is kept below the folder of the campaign, once for each place of the
code; put it into ``tests/fuzz/findings/TARGET`` and mend the reader. A campaign goes on where it was stopped.
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "chinchilla_lib" / "reference" / "recorded" / "fuzz"


def main() -> int:
    """Run a campaign, or one target of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="of all targets together (default 3600)")
    parser.add_argument("--targets", default="", metavar="A,B", help="only these")
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / "fuzz", help="of what was found")
    parser.add_argument("--record", action="store_true", help="write the result where the book reads it")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        fuzz(options.one, options.seconds, options.folder)
        return 0
    return campaign(options)


def campaign(options: argparse.Namespace) -> int:
    """Each target in turn, a share of the time each."""
    from chinchilla_lib.reference.recorded import (
        checkout_commit,
        describe_computation,
        rows_table,
        write_recorded,
    )
    from tests.fuzz.targets import TARGETS

    commit = checkout_commit()
    names = options.targets.split(",") if options.targets else list(TARGETS)
    share = options.seconds / len(names)
    results = [result(name, share, options.folder) for name in names]
    for found in results:
        told = ("{executions:>10,} files{accepted:>8,} read{edges:>7} edges{findings:>4} findings").format(
            **found
        )
        print(f"{found['target']:22}{told}")
    n_files, total = (sum(found[name] for found in results) for name in ("executions", "findings"))
    seconds = sum(found["seconds"] for found in results)
    print(f"{n_files:,} files in {seconds / 60:.0f} min: {total} findings")
    if options.record:
        command = f"make fuzz ARGS='--seconds {options.seconds:g} --record'"
        about = describe_computation(
            command, commit=commit, seed=0, n_runs=len(names), seconds=seconds, corpus="changed files"
        )
        write_recorded(RECORD, rows_table(results), about)
    return min(total, 1)


def result(name: str, share: float, folder: Path) -> dict[str, Any]:
    """A target's tally, which is kept, so that a campaign that was stopped goes on."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    tally = place / "tally.json"
    while (found := read_tally(tally))["seconds"] < share - 1:
        command = [sys.executable, "-m", "tests.fuzz", "--one", name, "--folder", str(folder)]
        started = time.monotonic()
        with (place / "log").open("a") as log:
            ended = subprocess.run(
                [*command, "--seconds", str(share - found["seconds"])], cwd=ROOT, stdout=log, stderr=log
            )
        after = read_tally(tally)
        if ended.returncode:  # a crash of the process, a time-out or too much memory: libFuzzer kept the file
            after["seconds"] = max(after["seconds"], found["seconds"] + time.monotonic() - started)
            tally.write_text(json.dumps(after))
    edges = [line for line in (place / "log").read_text(errors="replace").splitlines() if " cov: " in line]
    kept = [
        path for path in place.iterdir() if path.name.startswith(("finding-", "crash-", "timeout-", "oom-"))
    ]
    return {
        "target": name,
        **found,
        "edges": int(edges[-1].split(" cov: ")[1].split()[0]) if edges else 0,
        "findings": len(kept),
    }


def read_tally(path: Path) -> dict[str, Any]:
    """What is known of a target."""
    if path.is_file():
        return dict(json.loads(path.read_text()))
    return {"executions": 0, "accepted": 0, "seconds": 0.0}


def fuzz(name: str, seconds: float, folder: Path) -> None:
    """One target, for some time; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["chinchilla_lib"]):
        from tests.fuzz.targets import TARGETS, exercise
    from tests.fuzz.changes import change_bytes, change_json

    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    target, place = TARGETS[name], folder / name
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    before, started = read_tally(place / "tally.json"), time.monotonic()
    tally = dict(before)

    def fresh() -> Path:
        shutil.rmtree(scratch / "f", ignore_errors=True)
        (scratch / "f").mkdir()
        return scratch / "f"

    def once(data: bytes) -> None:
        tally["executions"] += 1
        try:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                tally["accepted"] += exercise(target, data, fresh())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} {frame.filename} {frame.lineno}"
            mark = hashlib.sha256(where.encode()).hexdigest()[:8]
            path = place / f"finding-{mark}"
            if not path.exists():
                path.write_bytes(data)
                (place / f"about-{mark}").write_text("".join(traceback.format_exception(error)))
        if tally["executions"] % 64 == 0:
            keep()

    def keep() -> None:
        tally["seconds"] = before["seconds"] + time.monotonic() - started
        draft = place / "tally.part"
        draft.write_text(json.dumps(tally))
        draft.replace(place / "tally.json")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        kind = chance.random()
        if kind < 0.25:
            return bytes(atheris.Mutate(data, max_size))[:max_size]
        change = change_json if target.structured and kind < 0.9 else change_bytes
        return change(data, chance)[:max_size]

    quiet = open(os.devnull, "w")  # noqa: PTH123, SIM115
    corpus = place / "corpus"
    corpus.mkdir(exist_ok=True)
    for i, seed in enumerate(target.seeds(fresh())):
        (corpus / f"seed-{i}").write_bytes(seed)
    longest = 2 * max(path.stat().st_size for path in corpus.iterdir())
    settings = {
        "max_total_time": max(1, round(seconds)), "timeout": 30, "rss_limit_mb": 6000, "max_len": longest,
        "artifact_prefix": f"{place}/", "seed": 1 + tally["executions"],
    }  # fmt: skip
    atheris.Setup(
        [name, str(corpus), *(f"-{key}={value}" for key, value in settings.items())],
        once,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
