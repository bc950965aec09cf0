"""Measure what fits cost, and print it: ``python -m benchmarks.fit``.

CPU seconds of one process on one thread. Long ones are measured on a sample, spread evenly, and scaled up:
the sample is printed. Nothing passes or fails.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy

from benchmarks.fit_peers import (
    Descend,
    automatic_gradients,
    descend_epoch,
    descend_scipy,
    fit_package,
    refit_epoch,
    refit_scipy,
)
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, bootstrap_fit, fit_parametric
from chinchilla_lib.fitting.envelope import envelope_estimator
from chinchilla_lib.fitting.objective import paper_grid
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import load_published
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_isoflop_sweep, simulate_table
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["main"]

FloatArray = npt.NDArray[np.float64]

_TRUTH: Final = ParametricLoss(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
_DRAWS: Final = 4000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options ask for."""
    options = _parser().parse_args(arguments)
    table = _table()
    measured: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
        },
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "load_average": os.getloadavg(),
        "data": f"{len(table)} runs of {table.source}",
        "rows": [],
    }  # fmt: skip
    print("\n".join(f"{name}: {value}" for name, value in measured.items() if name != "rows"))

    def row(name: str, seconds: float, ours: float | None = None, note: str = "") -> None:
        times = "" if ours is None else f"{seconds / ours:9,.0f}x"
        print(f"{name:<62} {seconds:10.4f} s {times:>10}  {note}", flush=True)
        measured["rows"].append(
            {"name": name, "cpu_seconds": seconds, "ratio": ours and seconds / ours, "note": note}
        )

    fit = fit_parametric(table)
    assert fit.law is not None
    law = fit.law
    fitted = np.array([np.log(law.A), np.log(law.B), np.log(law.E), law.alpha, law.beta])
    ours = _median(lambda: fit_parametric(table), options.rounds)
    assert fit.diagnostics.optimum is not None
    checks = f"objective {fit.objective:.13e}, {fit.diagnostics.optimum.n_starts} starts, checked"
    row("Approach 3, one checked fit", ours, note=checks)
    grid = paper_grid()
    for name, descend in (
        ("Epoch's procedure, L-BFGS-B and differences, 4,500 starts", descend_epoch),
        ("SciPy L-BFGS-B, closed gradient, tight, 4,500 starts", descend_scipy),
    ):
        starts = _sample(grid, options.starts)
        seconds, ends = _timed(partial(_each, descend, table, starts))
        best = min(value for value, _ in ends)
        note = f"{len(starts)} starts, best {best:.6e}"
        row(name, seconds * len(grid) / len(starts), ours, note)
    with tempfile.TemporaryDirectory() as folder:
        seconds, value = _timed(partial(fit_package, table, folder, grid)) if options.package else (0.0, None)
        if value is not None:
            row("PyPI chinchilla 0.2.0, same objective, 4,500 starts", seconds, ours, f"sum {value:.6e}")
    ours = _median(lambda: bootstrap_fit(PARAMETRIC, table, n_draws=_DRAWS), options.rounds)
    row("Approach 3, fit and 4,000 resamples", ours)
    gradients = "autograd" if automatic_gradients() else "gradients in closed form"
    rng = np.random.default_rng(0)
    resamples = [_take(table, rng.integers(len(table), size=len(table))) for _ in range(options.resamples)]
    for name, refit in (
        (f"Epoch's resamples, BFGS from the paper's law, {gradients}, 4,000", refit_epoch),
        ("SciPy L-BFGS-B, tight, from the fit, 4,000", refit_scipy),
    ):
        seconds, _ = _timed(partial(_refit_each, refit, resamples, fitted))
        row(name, seconds * _DRAWS / len(resamples), ours, f"{len(resamples)} resamples")
    sweep = simulate_isoflop_sweep(_TRUTH, list(np.geomspace(6e18, 3e21, 9)), noise=0.003, seed=0)
    row(
        "Approach 2, 9 budgets, 4,000 resamples",
        _median(lambda: bootstrap_fit(ISOFLOP, sweep, n_draws=_DRAWS), options.rounds),
    )
    many = simulate_table(_TRUTH, *_design(40, 10), noise=0.005)
    envelope = envelope_estimator(simulate_curves(_TRUTH, many))
    row(
        "Approach 1, 400 curves, 1,000 resamples",
        _median(lambda: bootstrap_fit(envelope, many, n_draws=1000), options.rounds),
    )
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__)
    add = parser.add_argument
    add("--starts", type=int, default=450, metavar="N", help="of the 4,500 starts of peers (450)")
    add("--resamples", type=int, default=200, metavar="N", help="of the 4,000 resamples of peers (200)")
    add("--package", action="store_true", help="also PyPI's chinchilla 0.2.0, where installed (minutes)")
    add("--rounds", type=int, default=5, metavar="N", help="repeats of ours, of which the median (5)")
    add("--json", type=Path, metavar="FILE", help="also write all of it to a file")
    return parser


def _design(n_sizes: int, n_lengths: int) -> tuple[FloatArray, FloatArray]:
    """Sizes, each trained to the same token counts."""
    sizes, tokens = np.meshgrid(np.geomspace(5e7, 1e10, n_sizes), np.geomspace(5e8, 2e11, n_lengths))
    return sizes.ravel(), tokens.ravel()


def _table() -> SweepTable:
    """The 240 published points, or as many simulated ones."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "published"
    for folder in (None, beside):
        try:
            return load_published("epoch_fig4", folder=folder, download=False)
        except InputError:
            continue
    rng = np.random.default_rng(0)
    return simulate_table(
        _TRUTH, 10 ** rng.uniform(7.7, 10.2, 240), 10 ** rng.uniform(8.5, 11.5, 240), noise=0.01
    )


def _take(table: SweepTable, index: npt.NDArray[np.int64]) -> SweepTable:
    return SweepTable(
        run_id=tuple(map(str, range(len(index)))),
        source="resample",
        flops_convention=table.flops_convention,
        n_params=table.n_params[index],
        n_tokens=table.n_tokens[index],
        loss=table.loss[index],
        flops=table.flops[index],
    )


def _each(descend: Descend, table: SweepTable, starts: FloatArray) -> list[tuple[float, FloatArray]]:
    return [descend(table, start) for start in starts]


def _refit_each(refit: Descend, tables: Sequence[SweepTable], fitted: FloatArray) -> list[float]:
    return [refit(table, fitted)[0] for table in tables]


def _sample(grid: FloatArray, n: int) -> FloatArray:
    return grid[np.random.default_rng(0).permutation(len(grid))[: max(1, min(n, len(grid)))]]


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    with np.errstate(all="ignore"):
        result = do()
    return time.process_time() - started, result


def _median(do: Callable[[], object], rounds: int) -> float:
    do()
    return statistics.median(_timed(do)[0] for _ in range(rounds))


if __name__ == "__main__":
    sys.exit(main())
