"""A sweep's wall time from timed steps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import whole_sweep
from benchmarks.contestants import bench_config, bench_shape
from benchmarks.whole_sweep import compare_sweeps, wall_seconds
from tests.benchmarks.conftest import own_peer

CONFIG = bench_config(bench_shape(8, 1, vocab_size=40, seq_len=8), n_sequences=2, n_steps=100)


def test_workers_take_the_next_job_when_they_are_free() -> None:
    assert wall_seconds([3, 2, 2], 2) == 4
    assert wall_seconds([3, 2, 2], 1) == 7


@given(st.lists(st.floats(0, 1e3), min_size=1), st.integers(1, 4))
def test_wall_time_lies_between_its_bounds(jobs: list[float], n_workers: int) -> None:
    fair = sum(jobs) / n_workers
    wall = wall_seconds(jobs, n_workers)
    assert max(max(jobs), fair) * (1 - 1e-9) <= wall <= (fair + max(jobs)) * (1 + 1e-9)


def test_a_trunk_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_sweep, "_step_seconds", lambda contestant: 1.0)
    assert whole_sweep._time_job((CONFIG,)) == 100
    assert whole_sweep._time_job((CONFIG, replace(CONFIG, seed=1))) == 100
    long = replace(CONFIG, schedule="wsd", cooldown_steps=20)
    short = replace(long, n_steps=50, cooldown_steps=10)
    assert whole_sweep._time_job((short, long)) == 80 + 20 + 10


def test_both_ways_are_timed() -> None:
    found = compare_sweeps([CONFIG, replace(CONFIG, n_steps=50)], {"peer": own_peer}, n_rounds=1)
    assert [(row.peer, row.peer_threads, row.n_runs) for row in found] == [("peer", 2, 2), ("peer", 1, 2)]
    for row in found:
        assert row.ratio.median == pytest.approx(row.peer_seconds.median / row.ours_seconds.median)
