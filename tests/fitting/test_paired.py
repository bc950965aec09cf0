import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.paired import PairedDifference, pair_differences


def test_one_group_is_the_paired_t_of_a_textbook() -> None:
    # Three values one apart: standard deviation 1, 95 % quantile 2.920 of t with two degrees of freedom.
    found = pair_differences([(1.0, 2.0, 3.0)])
    assert (found.mean, found.sd, found.freedom) == (2.0, 1.0, 2)
    assert found.half_width == pytest.approx(2.920 / math.sqrt(3), abs=1e-3)
    assert found.interval == (found.mean - found.half_width, found.mean + found.half_width)


def test_groups_may_lie_apart_without_widening_the_interval() -> None:
    near = pair_differences([(1.0, 2.0, 3.0), (1.0, 2.0, 3.0)])
    apart = pair_differences([(1.0, 2.0, 3.0), (11.0, 12.0, 13.0)])
    assert apart.half_width == near.half_width < pair_differences([(1.0, 2.0, 3.0)]).half_width
    assert (near.mean, apart.mean) == (2.0, 7.0)
    assert near.freedom == 4


def test_nine_intervals_in_ten_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal((1.0, 5.0), 0.3, size=(2000, 4, 2))  # two groups of four, far apart
    found = [pair_differences(draw.T.tolist()) for draw in draws]
    share = np.mean([abs(pairs.mean - 3) <= pairs.half_width for pairs in found])
    assert share == pytest.approx(0.9, abs=0.02)  # three standard errors of a share of 2,000


def test_a_detectable_mean_is_seen_nine_times_in_ten() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.3, size=(2000, 2, 4))
    typical = PairedDifference(0, 0.3, 1.943 * 0.3 / math.sqrt(8), 6)  # as wide as scatter of .3 makes it
    seen = [pair_differences((draw + typical.detectable).tolist()).above(0) for draw in noise]
    assert np.mean(seen) == pytest.approx(0.9, abs=0.02)


def test_above_and_below_ask_for_the_whole_interval() -> None:
    found = PairedDifference(mean=0.02, sd=1, half_width=0.005, freedom=3)
    assert [found.above(bound) for bound in (0.014, 0.016)] == [True, False]
    assert [found.below(bound) for bound in (0.024, 0.026)] == [False, True]
    assert str(found) == "+0.0200 +- 0.0050"


@pytest.mark.parametrize("groups", [[], [[]], [(1.0,)], [(1.0,), (2.0,)], [(1.0, 2.0), ()]])
def test_differences_without_scatter_are_refused(groups: list[tuple[float, ...]]) -> None:
    with pytest.raises(InputError, match="two to one of them at least"):
        pair_differences(groups)
