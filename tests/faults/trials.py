"""One sweep and one fault: the command in a process of its own, the fault, and what its message asks for."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chinchilla_lib.corpus.shards import open_shards
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.executors import Executor, Processes
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.ray_tasks import RayTasks
from chinchilla_lib.sweeps.runner import SweepError, run_sweep
from chinchilla_lib.training.loop import train_job
from chinchilla_lib.training.trainer import ShardTrainer
from tests.sweeps.killable import TINY

__all__ = ["FAULTS", "PLANS", "Nodes", "Trial", "possible", "run"]

ROOT: Final = Path(__file__).resolve().parents[2]
FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
WIDTHS: Final = {2e9: (8, 16, 24), 5e9: (16, 24, 32)}
PLANS: Final = {
    "cosine": replace(TINY, widths=WIDTHS),
    "cooldowns": replace(TINY, widths=WIDTHS, schedule="wsd", horizons=(0.5, 1.0)),
    "stages": replace(TINY, widths=WIDTHS, staged=True),
}
FAULTS: Final = (
    "kill runner", "kill all", "kill worker", "stop and continue", "full disk", "damaged file", "clock jump",
)  # fmt: skip
PATIENCE: Final = 240.0


@dataclass(frozen=True)
class Keeping(ShardTrainer):
    """Keeps the state of runs every fifth of a second, so that faults strike between states."""

    def train(
        self, job: tuple[RunConfig, ...], checkpoint_folder: Path | None
    ) -> Iterator[RunRecord | RunFailure]:
        """Train a job."""
        shards = open_shards(self.shards_folder)
        return train_job(job, shards, checkpoint_folder=checkpoint_folder, checkpoint_seconds=0.2)


def run(plan: Path, shards: Path, folder: Path, executor: str) -> int:
    """The sweep of a trial, in a process of its own."""
    kinds: dict[str, Callable[[], Executor]] = {"processes": lambda: Processes(2), "ray": RayTasks}
    try:
        run_sweep(
            SweepPlan.from_dict(json.loads(plan.read_bytes())),
            Keeping(shards),
            folder,
            executor=kinds[executor](),
        )
    except (SweepError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


@dataclass
class Trial:
    """One sweep and one fault."""

    number: int
    executor: str
    plan: str
    fault: str
    folder: Path
    shards: Path
    address: str = ""
    said: list[str] = field(default_factory=list)
    struck: str = ""
    finished: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.folder.name} {self.number}")
        self.sweep = SweepFolder(self.folder / "sweep")
        self.clock = self.folder / "clock"

    def start(self) -> "subprocess.Popen[bytes]":
        """Give the command."""
        command = [
            sys.executable,
            "-m",
            "tests.faults",
            "--run",
            str(self.folder.parent / f"{self.plan}.json"),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": self.address or "local"}
        if self.fault == "clock jump":
            environment |= {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, str(self.shards), str(self.sweep.path), self.executor],
                cwd=ROOT, stderr=log, stdout=log, start_new_session=True, env=environment,
            )  # fmt: skip

    def carry_out(self, nodes: "Nodes | None") -> int:
        """Start, strike, and start again until it succeeds; the number of starts, 0 if it ended before."""
        self.sweep.path.mkdir(parents=True)
        if self.fault == "full disk":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", self.sweep.path], check=True)
        self.clock.write_text("+0")
        wanted = self.chance.randrange(self.n_runs())
        runner = self.start()
        wait_for(
            lambda: (
                (len(self.sweep.finished()) >= wanted and bool(self.workers(runner, nodes)))
                or runner.poll() is not None
            )
        )
        time.sleep(self.chance.uniform(0, 0.5))
        self.finished = len(self.sweep.finished())
        if runner.poll() is not None:
            return 0
        self.strike(runner, nodes)
        for starts in range(1, 8):
            try:
                if runner.wait(PATIENCE) == 0:
                    return starts
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(runner.pid, signal.SIGKILL)
                runner.wait()
            self.obey()
            time.sleep(1.2)  # workers that lost their runner notice within half a second
            runner = self.start()
        raise AssertionError(f"trial {self.number} does not end: {self.said}")

    def workers(self, runner: "subprocess.Popen[bytes]", nodes: "Nodes | None") -> list[int]:
        """Processes that train."""
        return nodes.workers() if nodes else children(runner.pid, b"spawn_main")

    def n_runs(self) -> int:
        """Runs of the plan."""
        data = json.loads((self.folder.parent / f"{self.plan}.json").read_bytes())
        return len(SweepPlan.from_dict(data).preview().configs)

    def strike(self, runner: "subprocess.Popen[bytes]", nodes: "Nodes | None") -> None:
        """Bring about the fault."""
        workers = self.workers(runner, nodes)
        chosen = self.chance.choice([*workers, runner.pid])
        if self.fault == "kill runner":
            runner.kill()
        elif self.fault == "kill all":
            os.killpg(runner.pid, signal.SIGKILL)
            if nodes:
                nodes.kill_one()
        elif self.fault == "kill worker" and nodes and self.chance.random() < 0.5:
            self.struck = "node"
            nodes.kill_one()
        elif self.fault == "kill worker":
            for pid in workers[:1]:
                kill(pid, signal.SIGKILL)
        elif self.fault == "stop and continue":
            kill(chosen, signal.SIGSTOP)
            time.sleep(self.chance.uniform(0.5, 4))
            kill(chosen, signal.SIGCONT)
        elif self.fault == "full disk":
            with (
                contextlib.suppress(OSError),
                (self.sweep.path / "ballast").open("wb", buffering=0) as ballast,
            ):
                while True:
                    ballast.write(b"0" * 4096)
            time.sleep(self.chance.uniform(0, 3))
        elif self.fault == "damaged file":
            os.killpg(runner.pid, signal.SIGKILL)
            runner.wait()
            time.sleep(1.2)
            self.damage()
        elif self.fault == "clock jump":
            self.clock.write_text(self.chance.choice(("-30d", "+30d", "-2h", "+2h", "-9000d")))

    def damage(self) -> None:
        """Cut, flip a bit of, or empty a file of the sweep's folder."""
        files = sorted(path for path in self.sweep.path.rglob("*") if path.is_file() and path.stat().st_size)
        path = self.chance.choice(files)
        data = bytearray(path.read_bytes())
        how = self.chance.choice(("cut", "flip", "empty"))
        if how == "flip":
            data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        path.write_bytes(data if how == "flip" else b"" if how == "empty" else data[: len(data) // 2])
        self.struck = f"{how} {path.relative_to(self.sweep.path).parts[0]}"

    def obey(self) -> None:
        """Do what the last message says: remove the file, make room."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        message = next((line for line in reversed(lines) if line.startswith("error: ")), "")
        self.said.append(message)
        (self.sweep.path / "ballast").unlink(missing_ok=True)
        if (named := re.match(r"error: (\S+\.json): .*remove the file", message)) is not None:
            Path(named[1]).unlink()


def children(pid: int, word: bytes) -> list[int]:
    """Processes that a process has started, whose command line holds a word."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(p) for p in found if word in Path(f"/proc/{p}/cmdline").read_bytes()]
    except OSError:
        return []


def kill(pid: int, how: signal.Signals) -> None:
    """Send a signal to a process that may have gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Nodes:
    """A Ray cluster of two local nodes, of which the second may be killed and is then replaced."""

    def __init__(self) -> None:
        os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")
        from ray.cluster_utils import Cluster

        self._node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
        head = {**self._node, "include_dashboard": False, "no_monitor": True}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._second = self._cluster.add_node(**self._node)
        self.address: str = self._cluster.address

    def workers(self) -> list[int]:
        """Processes in which tasks run."""
        found = []
        for path in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if path.name.isdigit() and (path / "cmdline").read_bytes().startswith(b"ray::_task"):
                    found.append(int(path.name))
        return found

    def kill_one(self) -> None:
        """Kill the second node at once."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None

    def mend(self) -> None:
        """Two nodes again."""
        if self._second is None:
            self._second = self._cluster.add_node(**self._node)

    def close(self) -> None:
        """End it."""
        self._cluster.shutdown()


def possible(fault: str) -> bool:
    """Whether this machine lets it happen."""
    if fault == "full disk":
        return os.geteuid() == 0
    return fault != "clock jump" or FAKETIME.exists()
