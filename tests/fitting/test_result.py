"""What a fit answers: allocations, intervals, bands, and a text for people."""

import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import bootstrap_fit
from chinchilla_lib.fitting.isoflop import ISOFLOP, fit_isoflop_profiles
from chinchilla_lib.fitting.result import Allocation, FrontierDraws
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.fitting.test_isoflop import BUDGETS
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, BUDGETS, noise=0.002, seed=2)
FIT = bootstrap_fit(ISOFLOP, TABLE, n_draws=500, seed=4)


def test_allocation_is_the_law_and_its_interval_that_of_the_draws() -> None:
    allocation = FIT.allocate(5.76e23, level=0.8)
    assert allocation.n_params == FIT.n_opt.predict(5.76e23)
    assert allocation.n_tokens == FIT.d_opt.predict(5.76e23)
    assert allocation.tokens_per_param == pytest.approx(allocation.n_tokens / allocation.n_params)
    assert FIT.draws is not None and allocation.n_params_interval is not None
    sizes = np.exp(FIT.draws.log_n_coefficient + FIT.draws.a * math.log(5.76e23))
    low, high = allocation.n_params_interval
    # Linear interpolation between draws on the log scale may differ from the plain scale by a draw.
    assert np.mean(sizes < low) == pytest.approx(0.1, abs=0.003)
    assert np.mean(sizes > high) == pytest.approx(0.1, abs=0.003)
    assert low < allocation.n_params < high


def test_intervals_widen_with_the_level_and_away_from_the_runs() -> None:
    narrow, wide = FIT.interval("a", 0.5), FIT.interval("a", 0.95)
    assert wide[0] < narrow[0] < FIT.a < narrow[1] < wide[1]
    low, high = FIT.band("n_params", np.array([3e19, 1e24]))
    assert math.log(high[1] / low[1]) > 2 * math.log(high[0] / low[0])


def test_b_mirrors_a_under_six_nd() -> None:
    low, high = FIT.interval("a")
    assert FIT.interval("b") == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_without_draws_there_is_a_value_and_no_interval() -> None:
    fit = fit_isoflop_profiles(TABLE)
    allocation = fit.allocate(1e22)
    assert allocation.n_params_interval is None and allocation.level is None
    with pytest.raises(InputError, match="no bootstrap draws"):
        fit.interval("a")
    assert "interval" not in str(fit)


def test_refusals() -> None:
    with pytest.raises(InputError, match="knows intervals of a, b"):
        FIT.interval("alpha")
    with pytest.raises(InputError, match="level must lie between 0 and 1"):
        FIT.interval("a", 90)
    with pytest.raises(InputError, match="'n_params' and 'n_tokens'"):
        FIT.band("loss", np.array([1e20]))
    for flops in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="must be finite and above 0"):
            FIT.allocate(flops)


def test_text_for_people() -> None:
    text = str(FIT)
    assert "isoflop: 81 of 81 runs, 9 of 9 valleys of simulated" in text
    assert f"a = {FIT.a:.4f}" in text and "90% interval" in text
    assert "six_nd" in text
    before = text.partition("\n  note: ")[0]
    assert len(before.splitlines()) == 5 + len(BUDGETS) + 1
    assert text.count("\n  note: ") == len(FIT.diagnostics.messages)
    allocation = Allocation(
        1e21, 1.5e9, 1.1e11, 2.3, (1.4e9, 1.6e9), (1.0e11, 1.2e11), (2.29, 2.315), level=0.9
    )
    assert str(allocation) == (
        "1e21 FLOPs: 1.5B parameters (1.4B to 1.6B), 110B tokens (100B to 120B), "
        "loss 2.3000 (2.2900 to 2.3150), 90% intervals"
    )
    assert str(Allocation(1e21, 1.5e9, 1.1e11)) == "1e21 FLOPs: 1.5B parameters, 110B tokens"


def test_many_points_are_shown_in_part_from_first_to_last() -> None:
    budgets = np.geomspace(1e17, 1e23, 30)
    text = str(fit_isoflop_profiles(simulate_isoflop_sweep(PUBLISHED, budgets)))
    shown = [line.split()[0] for line in text.splitlines() if line.endswith(tuple("0123456789"))][2:]
    assert (len(shown), shown[0], shown[-1]) == (12, "1e17", "1e23")
    assert "(12 of 30 points)" in text


def test_draws_join_in_order() -> None:
    parts = [FrontierDraws(*(np.array([k + i]) for i in range(4))) for k in (0.0, 10.0)]
    joined = FrontierDraws.concatenate(parts)
    np.testing.assert_array_equal(joined.a, [0, 10])
    np.testing.assert_array_equal(joined.log_d_coefficient, [3, 13])
