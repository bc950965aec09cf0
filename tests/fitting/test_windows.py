"""What a valley must have, and when its minimum counts."""

import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.windows import check_minima, check_valleys, edge_reason, size_numbers
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.fitting.test_isoflop import rebuilt
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], n_sizes=5)


def test_sizes_are_numbered_with_replicates_sharing_one() -> None:
    log_n = np.log([1e6, 1e6, 2e6, 2e6 * (1 + 1e-11), 5e6])
    assert size_numbers(log_n).tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("at", "loss", "reason"),
    [
        (2.5e6, [3.2, 3.0, 3.1], None),
        (1e6, [3.2, 3.0, 3.1], "the minimum lies below the sampled sizes, beyond the edge 1M"),
        (4e6, [3.2, 3.0, 3.1], "the minimum lies above the sampled sizes, beyond the edge 4M"),
        (2.5e6, [2.9, 3.0, 3.1], "the lowest loss is that of the smallest size, at the edge 1M"),
        (2.5e6, [3.2, 3.0, 2.9], "the lowest loss is that of the largest size, at the edge 4M"),
    ],
)
def test_a_minimum_counts_inside_only(at: float, loss: list[float], reason: str | None) -> None:
    assert edge_reason(np.log([1e6, 2e6, 4e6]), np.array(loss), math.log(at)) == reason


def test_the_lowest_size_is_that_of_the_lowest_mean() -> None:
    """One lucky run of the smallest size among three does not make it the best."""
    log_n = np.log([1e6, 1e6, 1e6, 2e6, 4e6])
    assert edge_reason(log_n, np.array([2.9, 3.3, 3.3, 3.0, 3.1]), math.log(2e6)) is None


def test_valleys_of_three_sizes_and_two_budgets_are_asked_for() -> None:
    assert [valley.flops for valley in check_valleys(TABLE)] == [1e18, 1e19, 1e20]
    with pytest.raises(InputError, match="all runs belong to one budget, 1e18"):
        check_valleys(rebuilt(TABLE, flops_budget=np.full(len(TABLE), 1e18)))
    sizes = TABLE.n_params.copy()
    sizes[:5] = np.repeat(sizes[:2], [3, 2])
    with pytest.raises(InputError, match="the valley at 1e18 FLOPs has 5 runs of 2 sizes"):
        check_valleys(rebuilt(TABLE, n_params=sizes))


def test_two_minima_inside_are_asked_for() -> None:
    fits = fit_isoflop_profiles(TABLE).diagnostics.valleys
    falling = fit_isoflop_profiles(
        rebuilt(TABLE, loss=np.where(TABLE.flops_budget == 1e20, 4 - 1e-11 * TABLE.n_params, TABLE.loss))
    ).diagnostics.valleys[2]
    assert falling.reason is not None
    check_minima(TABLE, (fits[0], fits[1], falling))
    with pytest.raises(InputError, match=r"1 of 2 valleys have a minimum inside .* \(1e20: "):
        check_minima(TABLE, (fits[0], falling))
