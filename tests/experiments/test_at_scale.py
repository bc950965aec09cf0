"""The arithmetic of large sweeps against simulated failures, limits that are known, and a published run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.at_scale import (
    Cluster,
    PlannedRun,
    daly_interval,
    isoflop_runs,
    time_lost,
    young_interval,
)
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference.accelerators import load_accelerators

A100 = load_accelerators()[2]
LAW = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
CLUSTER = Cluster(accelerator=A100, n_chips=1024, utilisation=0.4, chip_mtbf_hours=50_000)


def simulated_loss(interval: float, write: float, restart: float, mtbf: float, n_segments: int) -> float:
    """Time lost in a run whose failures come at random, also while it writes or restarts."""
    rng = np.random.default_rng(0)
    time = 0.0
    for _ in range(n_segments):
        while (failure := rng.exponential(mtbf)) < interval + write:
            time += failure
            while (again := rng.exponential(mtbf)) < restart:
                time += again
            time += restart
        time += interval + write
    return time / (n_segments * interval) - 1


@pytest.mark.parametrize(("interval", "mtbf"), [(1800.0, 4 * 3600.0), (600.0, 3600.0), (7200.0, 9000.0)])
def test_the_time_lost_is_that_of_simulated_failures(interval: float, mtbf: float) -> None:
    expected = time_lost(interval, 60.0, 300.0, mtbf)
    assert simulated_loss(interval, 60.0, 300.0, mtbf, 40_000) == pytest.approx(expected, rel=0.03)


@given(st.floats(1, 1000), st.floats(2, 1e4))
def test_daly_loses_next_to_nothing_over_the_best_interval(write: float, ratio: float) -> None:
    mtbf = write * ratio
    grid = np.geomspace(daly_interval(write, mtbf) / 5, daly_interval(write, mtbf) * 5, 400)
    best = min(time_lost(float(one), write, 0.0, mtbf) for one in grid)
    assert 1 + time_lost(daly_interval(write, mtbf), write, 0.0, mtbf) <= (1 + best) * 1.02


def test_rare_failures_leave_the_writing_alone_and_young_and_daly_agree() -> None:
    assert time_lost(3600, 36, 600, 1e12) == pytest.approx(0.01, rel=1e-5)
    assert daly_interval(1, 1e10) == pytest.approx(young_interval(1, 1e10), rel=1e-4)
    assert daly_interval(100, 40) == 40


def test_chinchilla_by_hand() -> None:
    needs = CLUSTER.needs_of(PlannedRun(70e9, 1.4e12))
    work = 6 * 70e9 * 1.4e12 / (A100.peak_flops * 0.4) / 3600
    assert needs.chip_hours == pytest.approx(work * (1 + needs.lost))
    assert needs.longest_hours == pytest.approx(needs.chip_hours / 1024)
    assert needs.failures == pytest.approx(needs.chip_hours / 50_000)
    assert needs.checkpoint_bytes == 12 * 70e9
    assert needs.storage_bytes == pytest.approx(2 * 12 * 70e9 + 2 * 70e9 + 2 * 1.4e12)
    mtbf = 50_000 * 3600 / 1024
    assert needs.interval_seconds == daly_interval(84.0, mtbf)
    assert CLUSTER.needs([PlannedRun(70e9, 1.4e12)]).chip_hours == needs.chip_hours


def test_a_sweep_is_the_sum_of_its_runs_and_its_longest() -> None:
    runs = isoflop_runs(LAW, [6e18, 3e21], n_sizes=5)
    assert [run.flops for run in runs] == pytest.approx([6e18] * 5 + [3e21] * 5)
    assert runs[2].n_params == pytest.approx(LAW.n_opt(6e18))
    each = [CLUSTER.needs_of(run) for run in runs]
    needs = CLUSTER.needs(runs)
    assert needs.n_runs == 10
    assert needs.chip_hours == pytest.approx(sum(one.chip_hours for one in each))
    assert needs.longest_hours == max(one.longest_hours for one in each)
    assert needs.checkpoint_bytes == max(one.checkpoint_bytes for one in each)
    small = Cluster(accelerator=A100, n_chips=16, utilisation=0.4, chip_mtbf_hours=50_000)
    assert small.needs(runs).storage_bytes < needs.storage_bytes  # fewer are under way at once


def test_a_run_gets_chips_by_its_work_and_its_memory() -> None:
    assert CLUSTER.chips_of(PlannedRun(1e8, 2e9)) == 1
    assert CLUSTER.chips_of(PlannedRun(70e9, 1e8)) == math.ceil(16 * 70e9 / A100.memory_bytes)
    assert CLUSTER.chips_of(PlannedRun(70e9, 1.4e12)) == 1024


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: young_interval(0, 1), "write_seconds is 0"),
        (lambda: time_lost(1, 1, -1, 1), "restart_seconds is -1"),
        (lambda: time_lost(1e6, 1, 1, 10), "the run never ends"),
        (lambda: PlannedRun(math.nan, 1), "n_params is nan"),
        (lambda: CLUSTER.needs([]), "runs is empty"),
        (lambda: CLUSTER.needs_of(PlannedRun(1e13, 1e12)), "n_chips is 1024"),
        (lambda: isoflop_runs(LAW, [1e20], n_sizes=1), "n_sizes is 1"),
        (lambda: Cluster(accelerator=A100, n_chips=0, utilisation=0.4, chip_mtbf_hours=1), "n_chips is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(call: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()  # type: ignore[operator]
