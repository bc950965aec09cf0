import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.floor import Floor, judge_floor
from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, bootstrap_fit
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.experiments.small_truth import LAW


@pytest.mark.parametrize(
    ("interval", "factor", "label"),
    [
        ((1.0, 1.0), 1.0, "identifiable"),
        ((0.8, 1.2), 1.2 / 0.8, "identifiable"),
        ((0.7, 1.2), 1.3 / 0.8, "weakly identifiable"),
        ((0.5, 1.5), 3.0, "weakly identifiable"),
        ((0.0, 1.5), 4.0, "not identifiable"),
        ((0.0, 2.0), math.inf, "not identifiable"),
    ],
)
def test_e_is_judged_by_the_excess_it_leaves(
    interval: tuple[float, float], factor: float, label: str
) -> None:
    floor = Floor(1.0, interval, lowest=2.0)
    assert floor.factor == pytest.approx(factor)
    assert floor.label == label
    assert label in str(floor)


def test_e_of_a_fit_is_that_of_the_law_and_its_interval() -> None:
    table = simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13], noise=0.001)
    fit = bootstrap_fit(PARAMETRIC, table, n_draws=50, seed=0)
    floor = judge_floor(fit)
    assert fit.law is not None
    assert (floor.estimate, floor.interval) == (fit.law.E, fit.interval("E"))
    assert floor.lowest == pytest.approx(LAW.loss(LAW.n_opt(1e13), LAW.d_opt(1e13)), rel=0.01)
    with pytest.raises(InputError, match="isoflop with 3 optima tells no E"):
        judge_floor(bootstrap_fit(ISOFLOP, table, n_draws=50, seed=0))
