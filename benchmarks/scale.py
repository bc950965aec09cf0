"""What grows with size, and how: ``python -m benchmarks.scale``, or ``make bench-scale``.

Each measurement has a process of its own, so that its peak of memory is its own. Finished ones are kept in
the folder of the benchmark, so that it goes on where it was stopped. Nothing passes or fails.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference.recorded import (
    checkout_commit,
    describe_computation,
    rows_table,
    write_recorded,
)

__all__ = ["PARTS", "main"]

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "chinchilla_lib" / "reference" / "recorded" / "scale"
LAW: Final = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
_MEGABYTE: Final = 10**6


def fit(method: str, resamples: int, n_runs: int, folder: Path) -> Iterator[None]:
    """Fit a table of simulated runs, read from its file; with so many resamples for its intervals."""
    from chinchilla_lib.cli import main as command
    from chinchilla_lib.sweeps.simulate import simulate_table

    n_budgets = min(100, max(3, n_runs // 20))
    rng = np.random.default_rng(0)
    budgets = np.repeat(np.geomspace(6e18, 3e21, n_budgets), -(-n_runs // n_budgets))[:n_runs]
    n_params = LAW.n_opt_law.predict(budgets) * np.exp(rng.uniform(-1.5, 1.5, n_runs))
    table = simulate_table(LAW, n_params, budgets / (6 * n_params), noise=0.003, seed=0, flops_budget=budgets)
    rows = zip(table.n_params, table.n_tokens, table.loss, budgets, strict=True)
    lines = [",".join(map(repr, map(float, row))) for row in rows]
    path = folder / "runs.csv"
    path.write_text("\n".join(["n_params,n_tokens,loss,flops_budget", *lines]) + "\n")
    yield
    if command(["fit", str(path), "--method", method, "--bootstrap", str(resamples)]):
        raise InputError(f"the fit of {n_runs} runs failed")
    yield


def evaluation(n_items: int, folder: Path) -> Iterator[None]:
    """Read two reports of as many items, and compare them item by item."""
    from chinchilla_lib.evaluation.report import compare_reports, read_report

    rng = np.random.default_rng(0)
    paths = []
    for model, share in (("first", 0.5), ("second", 0.52)):
        right = rng.random(n_items) < share
        items = [
            {"index": i, "log_likelihoods": [-1.5, -2.5], "metrics": {"acc": float(r)}}
            for i, r in enumerate(right)
        ]
        score = {"value": float(right.mean()), "standard_error": 0.01, "n": n_items}
        task = {
            "version": 1, "n_items": n_items, "n_shots": 0, "limit": None, "metrics": {"acc": score},
            "chance": 0.5, "parts": {}, "sha256": "0" * 64, "examples_from": "", "example_prompt": "",
            "seconds": 1.0, "items": items,
        }  # fmt: skip
        paths.append(folder / f"{model}.json")
        paths[-1].write_text(json.dumps({"model": model, "tasks": {"piqa": task}}))
    del items, task
    yield
    [found] = compare_reports(*map(read_report, paths))
    if found.n != n_items:
        raise InputError(f"{found.n} items were compared")
    yield


def corpus(n_bytes: int, folder: Path) -> Iterator[None]:
    """Prepare shards of invented text from a file, with a vocabulary of 2,048."""
    from chinchilla_lib.cli import main as command

    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(20_000)])
    odds = 1 / np.arange(1, len(words) + 1)
    path, written = folder / "text.jsonl", 0
    with path.open("w") as file:
        while written < n_bytes:
            for text in rng.choice(words, (200, 500), p=odds / odds.sum()):
                written += file.write(json.dumps({"text": " ".join(text)}) + "\n")
    yield
    options = ["--vocab-size", "2048", "--out", str(folder / "shards")]
    if command(["corpus", "prepare", "files", str(path), *options]):
        raise InputError("the corpus could not be prepared")
    yield


def plan(n_runs: int, folder: Path) -> Iterator[None]:
    """Plan, run (simulated), tabulate and read the state of a sweep."""
    from chinchilla_lib.sweeps.folder import SweepFolder
    from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    from chinchilla_lib.sweeps.runner import run_sweep
    from chinchilla_lib.sweeps.simulate import simulate_run
    from chinchilla_lib.sweeps.status import read_status
    from chinchilla_lib.sweeps.tiers import TIERS

    widths = tuple(range(8, 88, 4))
    budgets = [1e11, 1.1e11, 1.2e11, 1.3e11, 1.4e11]
    tier = replace(TIERS["ci"], widths=dict.fromkeys(budgets, widths))
    yield
    sweep = plan_isoflop_sweep(tier, corpus="none", seeds=range(n_runs // 100))
    run_sweep(sweep, partial(simulate_run, law=LAW, noise=0.01), folder / "s", n_workers=0)
    status = read_status(folder / "s")
    if status.n_done != n_runs or len(SweepFolder(folder / "s").load_records()) != n_runs:
        raise InputError(f"{status.n_done} of {n_runs} runs are done")
    yield


def nodes(n_nodes: int, folder: Path) -> Iterator[None]:
    """A sweep of 64 runs of a second each, which compute nothing, on a Ray cluster of local nodes."""
    import ray
    from ray.cluster_utils import Cluster

    from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    from chinchilla_lib.sweeps.ray_tasks import RayTasks
    from chinchilla_lib.sweeps.runner import run_sweep
    from chinchilla_lib.sweeps.tiers import TIERS

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
    cluster: Any = Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False, "no_monitor": True}
    )
    try:
        for _ in range(n_nodes - 1):
            cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        ray.get([ray.remote(num_cpus=1)(_wait).remote() for _ in range(n_nodes)])  # workers have started
        tier = replace(TIERS["ci"], widths={1e11: tuple(range(8, 72, 4)), 2e11: tuple(range(8, 72, 4))})
        sweep = plan_isoflop_sweep(tier, corpus="none", seeds=range(2))
        yield
        run_sweep(sweep, partial(slow_run, seconds=1.0), folder / "s", executor=RayTasks())
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def _wait() -> None:
    time.sleep(1)


def slow_run(config: Any, *, seconds: float) -> Any:
    """A simulated run that takes its time."""
    from chinchilla_lib.sweeps.simulate import simulate_run

    time.sleep(seconds)
    return simulate_run(config, LAW)


PARTS: Final[Mapping[str, tuple[Callable[[int, Path], Iterator[Any]], tuple[int, ...]]]] = {
    "fit isoflop": (partial(fit, "isoflop", 0), (50, 500, 5_000, 50_000)),
    "fit parametric": (partial(fit, "parametric", 0), (50, 500, 5_000, 50_000)),
    "fit valley": (partial(fit, "valley", 0), (50, 500, 5_000, 50_000)),
    "intervals parametric": (partial(fit, "parametric", 200), (50, 500, 5_000, 50_000)),
    "evaluation": (evaluation, (1_000, 10_000, 100_000, 1_000_000)),
    "plan": (plan, (100, 1_000, 10_000)),
    "ray nodes": (nodes, (1, 2, 4, 8)),
    "corpus": (corpus, (20 * _MEGABYTE, 200 * _MEGABYTE, 2000 * _MEGABYTE)),
}


def measure(part: str, size: int) -> dict[str, Any]:
    """Seconds of wall time of what is measured, and the peak of memory of the whole process."""
    run, _ = PARTS[part]
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        steps = run(size, Path(folder))
        next(steps)
        before = _peak()
        started = time.perf_counter()
        next(steps)
        seconds = time.perf_counter() - started
        peak = _peak()
        steps.close()  # type: ignore[attr-defined]
    return {
        "part": part, "size": size, "seconds": round(seconds, 3), "peak_mib": round(peak, 1),
        "peak_before_mib": round(before, 1),
    }  # fmt: skip


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measure what has not been measured yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), metavar="A,B")
    parser.add_argument(
        "--largest", type=float, default=float("inf"), help="leave out larger sizes of corpora, in bytes"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / "scale")
    parser.add_argument("--record", action="store_true", help="write the result where the book reads it")
    parser.add_argument("--one", nargs=2, metavar=("PART", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write("\n" + json.dumps(measure(options.one[0], int(options.one[1]))) + "\n")
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    commit, rows = checkout_commit(), []
    for part in options.parts.split(","):
        for size in PARTS[part][1]:
            kept = options.folder / f"{part}-{size}.json"
            if part == "corpus" and size > options.largest:
                continue
            if not kept.exists():
                command = [sys.executable, "-m", "benchmarks.scale", "--one", part, str(size)]
                said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                if said.returncode:
                    sys.stderr.write(said.stderr)
                    return 1
                kept.write_text(said.stdout.splitlines()[-1] + "\n")
            rows.append(json.loads(kept.read_text()))
            print("{part:16}{size:>14,}{seconds:>10.2f} s{peak_mib:>9.0f} MiB".format(**rows[-1]), flush=True)
    if options.record:
        seconds = sum(row["seconds"] for row in rows)
        about = describe_computation(
            "make bench-scale ARGS=--record", commit=commit, seed=0, n_runs=len(rows), seconds=seconds
        )
        write_recorded(RECORD, rows_table(rows), about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
