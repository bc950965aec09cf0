"""Sweeps that train nothing, in this process or in one of its own that tests can kill.

``python -m tests.sweeps.killable FOLDER LOG SECONDS [SHARD]``: each run sleeps, writes its id to the log and
returns a loss computed from its config.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chinchilla_lib.errors import DivergedError
from chinchilla_lib.runs import LossCurve, RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.locks import Shard
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import run_sweep
from chinchilla_lib.sweeps.tiers import TIERS

TINY = replace(
    TIERS["ci"],
    vocab_size=300,
    seq_len=32,
    widths={4e8: (8, 16, 24), 1e9: (16, 24, 32)},
    eval_sequences=32,
    batch_factor=0.05,
)


@dataclass(frozen=True)
class SleepyTrainer:
    """Sleeps, writes the run's id to a log, and invents a loss."""

    log: Path
    seconds: float

    def __call__(self, config: RunConfig) -> RunRecord:
        time.sleep(self.seconds)
        with self.log.open("a") as file:
            file.write(config.run_id + "\n")
        return RunRecord(
            config=config,
            loss=5 - config.shape.d_model / 100,
            loss_se=0.01,
            bits_per_byte=2.0,
            curve=LossCurve((config.n_steps,), (4.0,)),
            seconds=max(self.seconds, 0.01),
        )


@dataclass(frozen=True)
class Faulty:
    """Fails, diverges or dies on some runs."""

    marks: Path
    bad: tuple[str, ...]
    how: str

    def __call__(self, config: RunConfig) -> RunRecord:
        record = SleepyTrainer(self.marks / "log", 0)(config)
        if config.run_id in self.bad:
            tried = self.marks / config.run_id
            if self.how == "raise":
                raise RuntimeError("out of luck")
            if self.how == "diverge":
                raise DivergedError(f"run {config.run_id}: the loss is nan at step 3")
            if self.how == "nan":
                return replace(record, loss=float("nan"))
            if self.how == "die always" or not tried.exists():
                tried.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return record


@dataclass(frozen=True)
class Stacked:
    """Trains the runs of each budget as one job; its worker dies once, after the first run of a job."""

    marks: Path
    dies: bool = False

    def group(self, configs: Sequence[RunConfig]) -> list[tuple[RunConfig, ...]]:
        budgets = sorted({config.flops_budget for config in configs})
        return [tuple(c for c in configs if c.flops_budget == budget) for budget in budgets]

    def train(
        self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
    ) -> Iterator[RunRecord | RunFailure]:
        assert checkpoint_folder is not None
        checkpoint = checkpoint_folder / "state"
        resumed = checkpoint.exists()
        checkpoint.write_text("half way")
        for config in job:
            yield SleepyTrainer(self.marks / "log", 0)(config)
            if self.dies and not resumed:
                time.sleep(0.2)  # let the result leave the pipe
                os.kill(os.getpid(), signal.SIGKILL)


def tiny_plan(corpus: str = "none") -> SweepPlan:
    """Six runs in two valleys."""
    return plan_isoflop_sweep(TINY, corpus=corpus)


def tables(folder: Path) -> tuple[bytes, bytes]:
    """The tables that must repeat exactly."""
    return (folder / "runs.csv").read_bytes(), (folder / "curves.csv").read_bytes()


def logged(folder: Path) -> list[str]:
    """Ids of the runs that a trainer has finished, in its order."""
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


if __name__ == "__main__":
    folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    shard = Shard.parse(sys.argv[4]) if len(sys.argv) > 4 else None
    run_sweep(tiny_plan(), SleepyTrainer(log, seconds), folder, shard=shard)
