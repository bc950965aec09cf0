"""How often do intervals hold the truth, and verdicts? ``python -m benchmarks.coverage`` (``make coverage``).

Three campaigns of simulated sweeps: `coverage`, `verdicts` and `spans` in `chinchilla_lib.experiments` hold
what is done. Finished data sets are kept, so that a run goes on where another stopped (Ctrl-C is safe); what
is left is estimated after the first of each kind. Each keeps the commit that it was fitted at, and the record
names them all.
"""

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.experiments import coverage, spans, verdicts
from chinchilla_lib.reference.recorded import checkout_commit, describe_computation, write_recorded

__all__ = ["CAMPAIGNS", "Campaign", "main", "read_state"]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORDED: Final = ROOT / "chinchilla_lib" / "reference" / "recorded"
_DIGITS: Final = 4


@dataclass(frozen=True)
class Campaign:
    """Data sets of several kinds, what is done with each, and how they are counted."""

    kinds: Sequence[str]
    fit: Callable[[str, int, int], dict[str, Any]]
    """From kind, seed and number to what was found."""
    summarise: Callable[[Mapping[str, Sequence[Mapping[str, Any]]]], list[dict[str, Any]]]
    columns: Sequence[str]
    n_sets: int
    """Of each kind."""


_CELLS: Final = {cell.name: cell for cell in coverage.CELLS}

CAMPAIGNS: Final[Mapping[str, Campaign]] = {
    "coverage": Campaign(
        kinds=tuple(_CELLS),
        fit=lambda kind, seed, number: coverage.fit_data_set(_CELLS[kind], seed, number),
        summarise=lambda results: coverage.summarise({_CELLS[kind]: sets for kind, sets in results.items()}),
        columns=coverage.COLUMNS,
        n_sets=1000,
    ),
    "verdicts": Campaign(
        kinds=tuple(verdicts.KINDS),
        fit=verdicts.fit_sweep,
        summarise=verdicts.summarise,
        columns=verdicts.COLUMNS,
        n_sets=100,
    ),
    "spans": Campaign(
        kinds=tuple(spans.KINDS),
        fit=spans.fit_sweep,
        summarise=spans.summarise,
        columns=spans.COLUMNS,
        n_sets=40,
    ),
}
"""By the name under which they are recorded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left of the campaigns, and record each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--only", choices=list(CAMPAIGNS), help="one of the campaigns")
    parser.add_argument(
        "--sets", type=int, metavar="N", help="data sets of each kind (coverage 1000, verdicts 100, spans 40)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the campaigns (0)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="finished data sets")
    parser.add_argument(
        "--record", type=Path, default=RECORDED, metavar="FOLDER", help="where to record them"
    )
    options = parser.parse_args(arguments)
    folder = options.state or ROOT / "_build" / "work" / "coverage"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (options.only,) if options.only else CAMPAIGNS:
        state = folder / f"{name}-{options.seed}.jsonl"
        n_sets = options.sets or CAMPAIGNS[name].n_sets
        _campaign(name, n_sets, options.seed, options.workers, state, options.record / name)
    return 0


def read_state(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Finished data sets by kind and number; a torn line, as a stop leaves behind, is passed over."""
    done: dict[tuple[str, int], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        done[entry["kind"], entry["set"]] = entry
    return done


def _campaign(name: str, n_sets: int, seed: int, n_workers: int, state: Path, record: Path) -> None:
    campaign = CAMPAIGNS[name]
    done = read_state(state)
    # Sets outermost: what is there after a stop has all kinds.
    left = [(name, kind, seed, k) for k in range(n_sets) for kind in campaign.kinds if (kind, k) not in done]
    _run(left, len(campaign.kinds), n_workers, state)
    done = read_state(state)
    chosen = {kind: [done[kind, k] for k in range(n_sets)] for kind in campaign.kinds}
    rows = campaign.summarise({kind: [entry["found"] for entry in sets] for kind, sets in chosen.items()})
    entries = [entry for sets in chosen.values() for entry in sets]
    seconds = sum(entry["seconds"] for entry in entries)
    provenance = describe_computation(
        f"make coverage ARGS='--only {name} --sets {n_sets} --seed {seed}'",
        commit=", ".join(dict.fromkeys(entry["commit"] for entry in entries)),
        seed=seed,
        n_runs=len(entries),
        seconds=seconds,
    )
    write_recorded(record, _table(campaign.columns, rows), provenance)
    print(f"{name}: {len(entries)} data sets, {seconds:.0f} CPU-s; recorded in {record}")


def _fit(task: tuple[str, str, int, int]) -> dict[str, Any]:
    """Fit one data set: an entry of the state."""
    name, kind, seed, k = task
    started = time.process_time()
    found = CAMPAIGNS[name].fit(kind, seed, k)
    return {"kind": kind, "set": k, "seconds": round(time.process_time() - started, 4), "found": found}


def _run(left: Sequence[tuple[str, str, int, int]], n_kinds: int, n_workers: int, state: Path) -> None:
    """Fit data sets and append them to the state."""
    total, commit = 0.0, checkout_commit()
    with ExitStack() as stack:
        file = stack.enter_context(state.open("a", encoding="utf-8"))
        file.write("\n")  # after a torn line
        entries: Iterable[dict[str, Any]] = map(_fit, left)
        if n_workers > 1:
            entries = stack.enter_context(Pool(n_workers)).imap(_fit, left)
        for number, entry in enumerate(entries, 1):
            total += entry["seconds"]
            file.write(json.dumps({"commit": commit, **entry}) + "\n")
            file.flush()
            if number in (n_kinds, 10 * n_kinds) or number % 600 == 0:
                each = total / number
                rest = each * (len(left) - number) / n_workers / 60
                print(
                    f"{left[0][0]}: {number} of {len(left)} data sets, {each:.2f} CPU-s each, "
                    f"{rest:.0f} min left",
                    flush=True,
                )


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            f"{value:.{_DIGITS}g}" if isinstance(value, float) else value
            for value in (row[name] for name in columns)
        )
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
