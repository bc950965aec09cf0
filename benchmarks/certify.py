"""Is the fast search of Approach 3 ever worse than a full one? ``python -m benchmarks.certify``.

300 seeded random data sets, 10 to 200 runs, noise up to 5 %. The full search takes the lowest of: 256
projection starts followed in stages of delta, 64 followed at delta alone, and the best 8 of the paper's 4,500
starts polished by SciPy's L-BFGS-B, then by Newton's method. A data set counts as worse where the fast
search ends more than 1e-9 of the value above it. Finished data sets are kept, so that a run goes on where
another stopped.
"""

import argparse
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from chinchilla_lib._files import open_whole
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.objective import HuberSum, Runs, paper_grid, paper_objective
from chinchilla_lib.fitting.projection import projection_starts
from chinchilla_lib.fitting.search import Space, approach, find_optimum, finish
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference.recorded import checkout_commit, describe_computation, write_recorded
from chinchilla_lib.sweeps.simulate import simulate_table
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["certify", "full_search", "main", "random_table"]

FloatArray = npt.NDArray[np.float64]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "certify-parametric"
COLUMNS: Final = (
    "data_set", "n_runs", "noise", "fast", "full", "excess", "n_starts", "agreeing_share", "passed",
    "fast_seconds", "full_seconds",
)  # fmt: skip
_DELTA: Final = 1e-3
_POLISHED: Final = 8
_EXCESS: Final = 1e-9


def random_table(seed: int, number: int) -> SweepTable:
    """A data set of a random law on a random design.

    Parameters
    ----------
    seed, number : int
        Of the campaign, and of the data set in it.
    """
    rng = np.random.default_rng([seed, number])
    n_runs = round(10 ** rng.uniform(1, np.log10(200)))
    noise = float(10 ** rng.uniform(-4, np.log10(0.05)))
    alpha, beta = rng.uniform(0.15, 0.8, 2)
    size, tokens = (
        10 ** (middle + rng.uniform(0.5, 2) * rng.uniform(-1, 1, n_runs)) for middle in (8.0, 10.0)
    )
    law = ParametricLoss(
        E=float(rng.uniform(0.5, 2.5)),
        A=float(rng.uniform(0.2, 2) * 1e8**alpha),
        B=float(rng.uniform(0.2, 2) * 1e10**beta),
        alpha=float(alpha),
        beta=float(beta),
    )
    return simulate_table(law, size, tokens, noise=noise, seed=int(rng.integers(2**31)))


def full_search(table: SweepTable, runs: Runs) -> float:
    """The lowest objective that any of many starts leads to."""
    space = Space()
    ends = [
        finish(runs, approach(runs, projection_starts(runs, 256)[0], _DELTA, space), _DELTA, space),
        finish(runs, projection_starts(runs, 64)[0], _DELTA, space),
    ]
    grid = paper_grid()
    law = np.stack([np.exp(grid[:, 2]), grid[:, 0], grid[:, 1], grid[:, 3], grid[:, 4]], axis=1)
    objective = HuberSum(runs, _DELTA)
    blocks = np.array_split(np.arange(len(grid)), 100)
    values = [objective(runs.from_law(law[rows]), rows)[0] for rows in blocks]
    best = np.argsort(np.concatenate(values))[:_POLISHED]
    to_minimise = paper_objective(table, delta=_DELTA)
    polished = []
    for start in grid[best]:
        found = minimize(
            to_minimise,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-12},
        ).x
        polished.append([np.exp(found[2]), found[0], found[1], found[3], found[4]])
    laws = np.array(polished)
    ends.append(finish(runs, runs.from_law(laws[np.isfinite(laws).all(axis=1)]), _DELTA, space))
    return float(min(end.value.min() for end in ends))


def certify(seed: int, number: int) -> dict[str, Any]:
    """Compare the two searches on one data set: a row of the record."""
    table = random_table(seed, number)
    runs = Runs.from_table(table, np.arange(len(table)))
    started = time.process_time()
    fast = find_optimum(runs, _DELTA, Space())
    between = time.process_time()
    full = full_search(table, runs)
    return {
        "data_set": number,
        "n_runs": len(table),
        "noise": f"{float(table.source.split('noise ')[1].split(',')[0]):.6g}",
        "fast": repr(fast.value),
        "full": repr(full),
        "excess": f"{fast.value / full - 1:.3g}",
        "n_starts": fast.check.n_starts,
        "agreeing_share": f"{fast.check.agreeing_share:.4g}",
        "passed": fast.check.passed,
        "fast_seconds": f"{between - started:.3g}",
        "full_seconds": f"{time.process_time() - between:.3g}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left of the campaign, then record it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certify", description=__doc__)
    parser.add_argument("--sets", type=int, default=300, metavar="N", help="data sets (300)")
    parser.add_argument("--seed", type=int, default=0, help="of the campaign (0)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="finished data sets")
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FOLDER", help="where to record it")
    options = parser.parse_args(arguments)
    commit = checkout_commit()
    # What one version of the search did says nothing of another.
    state = options.state or ROOT / "_build" / "work" / f"certify-{options.seed}-{commit[:10]}.csv"
    state.parent.mkdir(parents=True, exist_ok=True)
    rows = _read(state)
    for number in range(options.sets):
        if number in rows:
            continue
        rows[number] = certify(options.seed, number)
        _write(state, rows)
        print(" ".join(f"{name} {value}" for name, value in rows[number].items()), flush=True)
    chosen = {number: rows[number] for number in range(options.sets)}
    worse = [number for number, row in chosen.items() if float(row["excess"]) > _EXCESS]
    seconds = sum(float(row["fast_seconds"]) + float(row["full_seconds"]) for row in chosen.values())
    _write(state, rows)
    command = f"make certify ARGS='--sets {options.sets} --seed {options.seed}'"
    try:
        write_recorded(
            options.record,
            _text(chosen),
            describe_computation(
                command, commit=commit, seed=options.seed, n_runs=len(chosen), seconds=seconds
            ),
        )
    except InputError as error:
        sys.stderr.write(f"certify: error: {error}\n")
        return 2
    print(f"{len(worse)} of {len(chosen)} data sets worse than the full search: {worse}")
    return 0


def _read(path: Path) -> dict[int, Mapping[str, Any]]:
    if not path.is_file():
        return {}
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {int(row["data_set"]): row for row in rows}


def _text(rows: Mapping[int, Mapping[str, Any]]) -> str:
    lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows.values())]
    return "\n".join(lines) + "\n"


def _write(path: Path, rows: Mapping[int, Mapping[str, Any]]) -> None:
    with open_whole(path) as file:
        file.write(_text(rows))


if __name__ == "__main__":
    sys.exit(main())
