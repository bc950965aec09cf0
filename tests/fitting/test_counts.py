"""Counts that are no counts, and rows that stand twice."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.counts import check_counts, repeated_rows
from tests.fitting.test_isoflop import rebuilt
from tests.fitting.test_parametric import NOISY


@pytest.mark.parametrize("name", ["n_params", "n_tokens"])
def test_a_thousand_is_the_fewest(name: str) -> None:
    counts = getattr(NOISY, name).copy()
    counts[4] = 1000
    check_counts(rebuilt(NOISY, **{name: counts}))
    counts[4] = 999.9
    with pytest.raises(InputError, match=rf"record 5, column '{name}': found 999.9, fewer than 1,000"):
        check_counts(rebuilt(NOISY, **{name: counts}))


def test_one_size_is_refused_and_two_are_not() -> None:
    one = np.full(len(NOISY), 1e8)
    with pytest.raises(InputError, match="all runs have one size, 100M"):
        check_counts(rebuilt(NOISY, n_params=one))
    one[3] = 2e8
    check_counts(rebuilt(NOISY, n_params=one))


def test_only_the_copies_are_named() -> None:
    assert repeated_rows(NOISY) == ()
    index = [0, 1, 2, 1, 3, 1]
    columns = {name: getattr(NOISY, name)[index] for name in ("n_params", "n_tokens", "loss")}
    [message] = repeated_rows(rebuilt(NOISY, **columns, flops_budget=None))
    assert "records 4, 6, column 'loss': 2 of 6 rows repeat" in message
    seeds = np.arange(6)
    assert repeated_rows(rebuilt(NOISY, **columns, flops_budget=None, seed=seeds)) == ()
    seeds[5] = 3
    [message] = repeated_rows(rebuilt(NOISY, **columns, flops_budget=None, seed=seeds))
    assert "record 6, column 'loss': 1 of 6 rows" in message
