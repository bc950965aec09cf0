"""What a sweep at the paper's own scale would need, by arithmetic: chips, hours, storage, failures.

Nothing here was measured or reported. Failures are taken to strike each chip at random and independently; a
failure stops the whole run, which goes on from its last checkpoint. The interval between checkpoints then has
an optimum: the first-order one of Young (1974) and the one of Daly (2006).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.memory import training_memory
from chinchilla_lib.reference.accelerators import Accelerator

__all__ = ["Cluster", "Needs", "PlannedRun", "daly_interval", "isoflop_runs", "time_lost", "young_interval"]

_HOUR = 3600.0
_TOKEN_BYTES = 2  # a vocabulary of up to 65,536


def _check_positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value!r}; it must be finite and above 0")


def young_interval(write_seconds: float, mtbf_seconds: float) -> float:
    """Seconds of work between two checkpoints that lose the least time, to first order: sqrt(2 d M).

    Parameters
    ----------
    write_seconds : float
        d, which a checkpoint takes.
    mtbf_seconds : float
        M, mean time between failures of all chips of the run together.

    Raises
    ------
    InputError
        If a number is not finite and above 0.

    Examples
    --------
    >>> young_interval(60, 12 * 3600) / 60
    37.94733192202055
    """
    _check_positive(write_seconds=write_seconds, mtbf_seconds=mtbf_seconds)
    return math.sqrt(2 * write_seconds * mtbf_seconds)


def daly_interval(write_seconds: float, mtbf_seconds: float) -> float:
    """Daly's estimate of the same, which holds where failures are frequent, too.

    Parameters
    ----------
    write_seconds, mtbf_seconds : float
        As for :func:`young_interval`.

    Raises
    ------
    InputError
        If a number is not finite and above 0.

    Examples
    --------
    >>> round(daly_interval(60, 12 * 3600) / 60, 1)
    37.3
    """
    young = young_interval(write_seconds, mtbf_seconds)
    if write_seconds >= 2 * mtbf_seconds:
        return mtbf_seconds
    share = math.sqrt(write_seconds / (2 * mtbf_seconds))
    return young * (1 + share / 3 + share**2 / 9) - write_seconds


def time_lost(interval: float, write_seconds: float, restart_seconds: float, mtbf_seconds: float) -> float:
    """Share by which failures and checkpoints lengthen a run, expected: Daly's exact expression.

    Parameters
    ----------
    interval : float
        Seconds of work between two checkpoints.
    write_seconds, restart_seconds : float
        Which a checkpoint takes, and which a failure takes until work goes on.
    mtbf_seconds : float

    Returns
    -------
    float
        0.1 where the run takes a tenth longer than its work.

    Raises
    ------
    InputError
        If a number is not finite and above 0, or the run would hardly ever end.

    Examples
    --------
    >>> round(time_lost(40 * 60, 60, 600, 12 * 3600), 4)
    0.0695
    """
    _check_positive(interval=interval, write_seconds=write_seconds, mtbf_seconds=mtbf_seconds)
    if not (math.isfinite(restart_seconds) and restart_seconds >= 0):
        raise InputError(f"restart_seconds is {restart_seconds!r}; it must be finite and at least 0")
    if max(interval + write_seconds, restart_seconds) > 100 * mtbf_seconds:
        raise InputError(f"mtbf_seconds is {mtbf_seconds:g}; with failures so frequent the run never ends")
    m = mtbf_seconds
    return m * math.exp(restart_seconds / m) * math.expm1((interval + write_seconds) / m) / interval - 1


@dataclass(frozen=True)
class PlannedRun:
    """A run by its size and length."""

    n_params: float
    n_tokens: float

    def __post_init__(self) -> None:
        _check_positive(n_params=self.n_params, n_tokens=self.n_tokens)

    @property
    def flops(self) -> float:
        """6ND."""
        return 6 * self.n_params * self.n_tokens


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What runs need."""

    n_runs: int
    flops: float
    chip_hours: float
    """With what failures and checkpoints cost."""
    longest_hours: float
    """Wall time of the longest run."""
    failures: float
    """Expected, over all runs."""
    checkpoint_bytes: float
    """Of the largest run, one checkpoint."""
    storage_bytes: float
    """Two checkpoints of each run that is under way at once, the weights of all, and the longest corpus."""
    write_seconds: float
    """A checkpoint of the largest run."""
    interval_seconds: float
    """Daly's, of the largest run."""
    lost: float
    """Share of time lost in the largest run, at that interval."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where runs are trained.

    Attributes
    ----------
    accelerator : Accelerator
    n_chips : int
        Of the whole cluster; a run takes as many as its memory and `flops_per_chip` ask for.
    utilisation : float
        Share of the peak that is reached.
    chip_mtbf_hours : float
        Mean time between failures of one chip, with all that belongs to it.
    write_bytes_per_second : float
        Of checkpoints, to storage, all chips of a run together.
    restart_seconds : float
        From a failure until work goes on.
    flops_per_chip : float
        Training FLOPs for which a run gets one more chip.

    Examples
    --------
    >>> from chinchilla_lib.reference.accelerators import load_accelerators
    >>> a100 = load_accelerators()[2]
    >>> cluster = Cluster(accelerator=a100, n_chips=1024, utilisation=0.4, chip_mtbf_hours=50_000)
    >>> needs = cluster.needs([PlannedRun(70e9, 1.4e12)])
    >>> round(needs.chip_hours / 1e6, 2), round(needs.failures)
    (1.35, 27)
    """

    accelerator: Accelerator
    n_chips: int
    utilisation: float
    chip_mtbf_hours: float
    write_bytes_per_second: float = 10e9
    restart_seconds: float = 600.0
    flops_per_chip: float = 2e19

    def __post_init__(self) -> None:
        _check_positive(
            n_chips=self.n_chips,
            chip_mtbf_hours=self.chip_mtbf_hours,
            write_bytes_per_second=self.write_bytes_per_second,
            restart_seconds=self.restart_seconds,
            flops_per_chip=self.flops_per_chip,
        )

    def chips_of(self, run: PlannedRun) -> int:
        """Chips that a run gets.

        Raises
        ------
        InputError
            If it does not fit into the memory of all.
        """
        least = self.accelerator.holding(training_memory(run.n_params).total)
        if least > self.n_chips:
            raise InputError(
                f"n_chips is {self.n_chips}; a model of {run.n_params:g} parameters needs {least}"
            )
        return min(self.n_chips, max(least, math.ceil(run.flops / self.flops_per_chip)))

    def needs_of(self, run: PlannedRun) -> Needs:
        """What one run needs."""
        chips = self.chips_of(run)
        checkpoint = training_memory(run.n_params).master_weights + training_memory(run.n_params).moments
        write = checkpoint / self.write_bytes_per_second
        mtbf = self.chip_mtbf_hours * _HOUR / chips
        interval = daly_interval(write, mtbf)
        lost = time_lost(interval, write, self.restart_seconds, mtbf)
        chip_hours = self.accelerator.days(run.flops, self.utilisation) * 24 * (1 + lost)
        return Needs(
            n_runs=1,
            flops=run.flops,
            chip_hours=chip_hours,
            longest_hours=chip_hours / chips,
            failures=chip_hours / self.chip_mtbf_hours,
            checkpoint_bytes=checkpoint,
            storage_bytes=2 * checkpoint
            + training_memory(run.n_params).weights
            + _TOKEN_BYTES * run.n_tokens,
            write_seconds=write,
            interval_seconds=interval,
            lost=lost,
        )

    def needs(self, runs: Iterable[PlannedRun]) -> Needs:
        """What runs need together.

        Raises
        ------
        InputError
            If there are none, or one does not fit.
        """
        runs = list(runs)
        if not runs:
            raise InputError("runs is empty; give one at least")
        each = [self.needs_of(run) for run in runs]
        largest = max(each, key=lambda needs: needs.checkpoint_bytes)
        kept = self._under_way(runs, each)
        weights = sum(training_memory(run.n_params).weights for run in runs)
        text = _TOKEN_BYTES * max(run.n_tokens for run in runs)
        return Needs(
            n_runs=len(runs),
            flops=sum(needs.flops for needs in each),
            chip_hours=sum(needs.chip_hours for needs in each),
            longest_hours=max(needs.longest_hours for needs in each),
            failures=sum(needs.failures for needs in each),
            checkpoint_bytes=largest.checkpoint_bytes,
            storage_bytes=2 * kept + weights + text,
            write_seconds=largest.write_seconds,
            interval_seconds=largest.interval_seconds,
            lost=largest.lost,
        )

    def _under_way(self, runs: Sequence[PlannedRun], each: Sequence[Needs]) -> float:
        """Bytes of one checkpoint of each run at work at once, the largest ones first."""
        free, held = self.n_chips, 0.0
        for run, needs in sorted(zip(runs, each, strict=True), key=lambda pair: -pair[1].checkpoint_bytes):
            if (chips := self.chips_of(run)) <= free:
                free, held = free - chips, held + needs.checkpoint_bytes
        return held


def isoflop_runs(
    law: ParametricLoss, budgets: Sequence[float], *, n_sizes: int, spread: float = 4.0
) -> list[PlannedRun]:
    """Runs of IsoFLOP profiles: sizes spread evenly in the logarithm about a law's optimum.

    Parameters
    ----------
    law : ParametricLoss
    budgets : sequence of float
        FLOPs.
    n_sizes : int
        At each budget, 2 at least.
    spread : float
        The largest size over the optimum, and the optimum over the smallest; above 1.

    Raises
    ------
    InputError
        If a number is out of its range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> [round(run.n_params / 1e6) for run in isoflop_runs(law, [6e18], n_sizes=3, spread=2)]
    [90, 181, 362]
    """
    if n_sizes < 2 or not (math.isfinite(spread) and spread > 1):
        raise InputError(f"n_sizes is {n_sizes} and spread {spread!r}; give 2 sizes or more, and above 1")
    steps = [spread ** (2 * i / (n_sizes - 1) - 1) for i in range(n_sizes)]
    return [
        PlannedRun(n_params, budget / (6 * n_params))
        for budget in budgets
        for n_params in (law.n_opt(budget) * step for step in steps)
    ]
