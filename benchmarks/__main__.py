"""Measure everything against its peers, one after the other, for the book's page: ``make bench``.

Some ten minutes on two idle cores. Each benchmark is a process of its own; what it has written is kept, so
that ``make bench`` goes on where it was stopped, unless there has been another commit since.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chinchilla_lib._files import open_whole
from chinchilla_lib.reference.recorded import (
    checkout_commit,
    describe_computation,
    rows_table,
    write_recorded,
)

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "performance"
COMMANDS: Final = {
    "training": ("benchmarks.train", "--compiled"),
    "fits": ("benchmarks.fit",),
    "evaluation": ("benchmarks.evaluate",),
}
THREADS: Final = {"training": "1", "fits": "1", "evaluation": "2"}


def compared(area: str, content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each ratio that a benchmark wrote: how many times as fast ours is, and the extremes.

    Examples
    --------
    >>> fits = {"rows": [{"name": "SciPy", "cpu_seconds": 2.0, "ratio": 40.0, "note": ""}]}
    >>> [(row["peer"], row["ratio"]) for row in compared("fits", fits)]
    [('SciPy', 40.0)]
    """
    for rows in (rows for rows in content.values() if isinstance(rows, list)):
        for row in (row for row in rows if isinstance(row, dict)):
            if area == "fits" and row["ratio"] is not None:
                what = "one checked fit" if "starts" in row["name"] else "fit and 4,000 resamples"
                yield _row(area, f"Approach 3, {what}", row["name"], row["ratio"])
            elif area == "evaluation":
                ends = row["times_faster_low"], row["times_faster_high"]
                yield _row(area, row["kind"], "lm-eval HFLM", row["times_faster"], *ends)
            elif area == "training" and "ratio" in row and "ours" in row:
                ratio = row["ratio"]
                what = f"{row['shape']} {row['ours']}"
                yield _row(area, what, row["peer"], ratio["median"], ratio["low"], ratio["high"])


def _row(area: str, what: str, peer: str, ratio: float, low: Any = "", high: Any = "") -> dict[str, Any]:
    ends = [f"{end:.4g}" if end != "" else "" for end in (low, high)]
    return {
        "area": area,
        "ours": what,
        "peer": peer,
        "ratio": f"{ratio:.4g}",
        "low": ends[0],
        "high": ends[1],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that have not run yet, and record all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / "bench")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    commit = checkout_commit()
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    for area in COMMANDS:
        file = options.folder / f"{area}.json"
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if options.again or kept.get("commit") != commit:
            started = time.monotonic()
            content = _measure(area, file.with_suffix(".part"))
            kept = {"commit": commit, "seconds": time.monotonic() - started, "content": content}
            with open_whole(file) as handle:
                json.dump(kept, handle)
        rows += compared(area, kept["content"])
        seconds += kept["seconds"]
    about = describe_computation(
        "make bench", commit=commit, seed=0, n_runs=len(rows), seconds=seconds,
        corpus="the same inputs for both sides, in turns",
    )  # fmt: skip
    write_recorded(RECORD, rows_table(rows), about)
    print(f"[bench] {len(rows)} ratios recorded in {RECORD}; `make book` draws them")
    return 0


def _measure(area: str, file: Path) -> dict[str, Any]:
    """What a benchmark writes into a file; one that fails has said why, and ends this."""
    module, *arguments = COMMANDS[area]
    print(f"[bench] {area}: python -m {module} {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": THREADS[area]},
    )
    if done.returncode:
        sys.exit(done.returncode)
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    return content


if __name__ == "__main__":
    sys.exit(main())
