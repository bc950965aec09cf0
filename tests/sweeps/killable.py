"""Run a small sweep in a process of its own, so that tests can kill it.

``python -m tests.sweeps.killable FOLDER LOG SECONDS`` trains nothing: each run sleeps, writes its id to the
log and returns a loss computed from its config. With a folder of shards as a fourth argument it trains.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from chinchilla_lib.runs import LossCurve, RunConfig, RunRecord
from chinchilla_lib.sweeps.plan import TIERS, SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import run_sweep

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
        started = time.perf_counter()
        time.sleep(self.seconds)
        with self.log.open("a") as file:
            file.write(config.run_id + "\n")
        return RunRecord(
            config=config,
            loss=5 - config.shape.d_model / 100,
            loss_se=0.01,
            bits_per_byte=2.0,
            curve=LossCurve((config.n_steps,), (4.0,)),
            seconds=time.perf_counter() - started,
        )


def tiny_plan(corpus: str = "none") -> SweepPlan:
    """Six runs in two valleys."""
    return plan_isoflop_sweep(TINY, corpus=corpus)


if __name__ == "__main__":
    folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    if len(sys.argv) > 4:
        from chinchilla_lib.corpus.shards import open_shards
        from chinchilla_lib.training.trainer import ShardTrainer

        shards = Path(sys.argv[4])
        run_sweep(tiny_plan(open_shards(shards).identity), ShardTrainer(shards), folder)
    else:
        run_sweep(tiny_plan(), SleepyTrainer(log, seconds), folder)
