"""Runs that can be bought: where they lie, and what they cost."""

import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.offered_runs import Candidates, candidate_grid
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.001, seed=0)


def test_candidates_cost_what_the_table_counts() -> None:
    """FLOPs that are a multiple of 6ND by size are interpolated in ln N."""
    ratio = 1 + 0.1 * (np.log10(TABLE.n_params) - 8)
    other = SweepTable(
        run_id=TABLE.run_id, n_params=TABLE.n_params, n_tokens=TABLE.n_tokens, loss=TABLE.loss,
        flops=ratio * TABLE.flops, flops_convention="matmul", source="simulated",
    )  # fmt: skip
    grid = candidate_grid(other, factor=1.0)
    expected = 6 * grid.n_params * grid.n_tokens * (1 + 0.1 * (np.log10(grid.n_params) - 8))
    np.testing.assert_allclose(grid.flops, expected, rtol=2e-3)
    beyond = candidate_grid(other, n_params=(1e12, 1e12), ratio=(0, math.inf))
    np.testing.assert_allclose(beyond.flops / (6 * beyond.n_params * beyond.n_tokens), ratio.max())
    assert len(beyond) == 25
    plain = candidate_grid(TABLE, ratio=(0, math.inf))
    assert len(plain) == 25**2
    np.testing.assert_allclose(plain.flops, 6 * plain.n_params * plain.n_tokens, rtol=1e-12)
    assert plain.n_params.min() == pytest.approx(TABLE.n_params.min() / 2, rel=1e-6)
    assert plain.n_tokens.max() == pytest.approx(TABLE.n_tokens.max() * 2, rel=1e-6)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_runs_offered_are_like_those_so_far(factor: float) -> None:
    """Where the largest size meets the fewest tokens, no run has been near."""
    known = TABLE.n_tokens / TABLE.n_params
    grid = candidate_grid(TABLE, factor=factor)
    offered = grid.n_tokens / grid.n_params
    assert len(grid) < 0.8 * 25**2
    assert known.min() / factor <= offered.min() < known.min() / factor * 1.5
    assert known.max() * factor / 1.5 < offered.max() <= known.max() * factor


def test_bounds_are_kept_and_a_range_may_be_a_point() -> None:
    grid = candidate_grid(TABLE, n_params=(1e8, 1e9), n_tokens=(5e9, 5e9), flops=(1e19, 2e19), n_grid=9)
    assert set(grid.n_tokens) == {5e9}
    assert 1e8 <= grid.n_params.min() <= grid.n_params.max() <= 1e9
    assert 1e19 <= grid.flops.min() <= grid.flops.max() <= 2e19
    with pytest.raises(
        InputError, match=r"none has tokens per parameter in 1e\+09 to 2e\+09 and FLOPs in any"
    ):
        candidate_grid(TABLE, ratio=(1e9, 2e9))


def test_bad_candidates_and_grids() -> None:
    with pytest.raises(InputError, match="n_params of candidates must be finite and above 0, found -1"):
        Candidates(np.array([-1.0]), np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="columns of one length"):
        Candidates(np.ones(2), np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="factor must be finite and 1 or above"):
        candidate_grid(TABLE, factor=0.5)
    for n_grid in (1, 201):
        with pytest.raises(InputError, match=f"n_grid must be from 2 to 200, found {n_grid}"):
            candidate_grid(TABLE, n_grid=n_grid)
    with pytest.raises(InputError, match="n_tokens must go from a count of 1,000"):
        candidate_grid(TABLE, n_tokens=(2e9, 1e9))
