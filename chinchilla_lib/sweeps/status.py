"""How a sweep stands, read from its folder alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chinchilla_lib.runs import RunConfig, RunFailure
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.locks import Runner, live_runners
from chinchilla_lib.sweeps.plan import SweepPlan

__all__ = ["SweepStatus", "read_status", "rebuild_tables", "runs_left"]


@dataclass(frozen=True)
class SweepStatus:
    """How a sweep stands.

    Attributes
    ----------
    name : str
        Of the plan.
    n_done, n_left : int
        Finished runs, and those neither finished nor in quarantine. Of budgets that are not yet staged
        the expected runs count.
    quarantined : tuple of RunFailure
        Diverged runs.
    runners : tuple of Runner
        Those at work, by their locks.
    seconds_left : float or None
        Seconds until the runners at work, or one worker if there is none, have done what is left, by the
        seconds per FLOP of the finished runs; none while there are none.
    """

    name: str
    n_done: int
    n_left: int
    quarantined: tuple[RunFailure, ...]
    runners: tuple[Runner, ...]
    seconds_left: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "done": self.n_done,
            "left": self.n_left,
            "quarantined": {failure.config.run_id: failure.reason for failure in self.quarantined},
            "runners": [
                {"shard": runner.shard and str(runner.shard), "workers": runner.n_workers}
                for runner in self.runners
            ],
            "seconds_left": self.seconds_left,
        }


def read_status(path: Path) -> SweepStatus:
    """Status of the sweep in a folder, whether runners are at work on it or not.

    Raises
    ------
    InputError
        If the folder holds no sweep, or a file in it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from functools import partial
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.runner import run_sweep
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_sweep(plan, partial(simulate_run, law=law), Path(folder), n_workers=0)
    ...     status = read_status(Path(folder))
    >>> status.n_done, status.n_left
    (18, 0)
    """
    folder = SweepFolder(path)
    plan = folder.load_plan()
    records, quarantined = folder.load_records(), folder.load_quarantine()
    left = runs_left(plan, folder)
    runners = live_runners(path)
    flops = sum(record.config.flops for record in records)
    n_workers = max(1, sum(runner.n_workers for runner in runners))
    per_flop = sum(record.seconds for record in records) / flops if flops else None
    return SweepStatus(
        name=plan.name,
        n_done=len(records),
        n_left=len(left),
        quarantined=tuple(quarantined),
        runners=tuple(runners),
        seconds_left=per_flop and per_flop * sum(config.flops for config in left) / n_workers,
    )


def runs_left(plan: SweepPlan, folder: SweepFolder) -> list[RunConfig]:
    """Runs of a plan that have neither finished nor diverged; of budgets not yet staged, the expected runs.

    Parameters
    ----------
    plan : SweepPlan
        As the folder's ``plan.json`` has it.
    folder : SweepFolder
        Need not exist.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> len(runs_left(plan, SweepFolder(Path("not-there")))) == len(plan.configs)
    True
    """
    ended = folder.finished() | folder.quarantined()
    planned = _with_stages(plan, folder).configs
    budgets = {config.flops_budget for config in planned}
    later = [config for config in plan.preview().configs if config.flops_budget not in budgets]
    return [config for config in planned if config.run_id not in ended] + later


def rebuild_tables(path: Path) -> int:
    """Write the tables of a sweep folder again, from its records.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    int
        Rows of ``runs.csv``.

    Raises
    ------
    InputError
        If the folder holds no sweep, or a file in it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from functools import partial
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.runner import run_sweep
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_sweep(plan, partial(simulate_run, law=law), Path(folder), n_workers=0)
    ...     rebuild_tables(Path(folder)) == len(plan.configs)
    True
    """
    folder = SweepFolder(path)
    plan = _with_stages(folder.load_plan(), folder)
    records = {record.config.run_id: record for record in folder.load_records()}
    folder.write_tables(plan, records)
    return sum(run_id in records for run_id in plan.run_ids)


def _with_stages(plan: SweepPlan, folder: SweepFolder) -> SweepPlan:
    configs = [config for stage in folder.load_stages() for config in stage.configs]
    return SweepPlan(plan.name, (*plan.configs, *configs), plan.corpus, plan.ladder)
