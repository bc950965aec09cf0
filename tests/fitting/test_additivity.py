from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.additivity import check_additivity
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.experiments.small_truth import LAW, law_with

BUDGETS = np.geomspace(1e11, 1e13, 5).tolist()


@pytest.mark.parametrize("law", [LAW, law_with(0.6)])
def test_an_additive_law_bends_as_its_valleys_ask(law) -> None:
    check = check_additivity(simulate_isoflop_sweep(law, BUDGETS, decades=0.4))
    for gain in check.gains[1:-1]:  # a quadratic is off at the ends of a power law
        slope = law.alpha * law.A / law.n_opt(gain.flops) ** law.alpha
        assert gain.slope == pytest.approx(slope, rel=0.1)
        assert gain.exponent_sum == pytest.approx(law.alpha + law.beta, rel=0.1)
    exact = (BUDGETS[-1] / BUDGETS[0]) ** -(law.alpha * law.beta / (law.alpha + law.beta))
    assert check.required == pytest.approx(exact, rel=0.05)
    assert check.measured == pytest.approx(check.required, rel=0.25)


def test_a_frontier_that_goes_on_straight_is_told_from_one_that_must_bend() -> None:
    runs = simulate_isoflop_sweep(LAW, BUDGETS, decades=0.4)
    log_c = np.log(runs.flops_budget / BUDGETS[0])
    optimum = LAW.n_opt_law.predict(runs.flops_budget), LAW.d_opt_law.predict(runs.flops_budget)
    straight = replace(runs, loss=runs.loss - LAW.loss(*optimum) + 4 - 0.25 * log_c)
    check = check_additivity(straight)
    assert check.measured == pytest.approx(1, abs=0.02)
    assert check.required < 0.7


def test_too_few_budgets_and_a_rising_loss_are_refused() -> None:
    with pytest.raises(InputError, match="minima at 2 budgets; give 3 or more"):
        check_additivity(simulate_isoflop_sweep(LAW, BUDGETS[:2]))
    runs = simulate_isoflop_sweep(LAW, BUDGETS)
    with pytest.raises(InputError, match="does not fall"):
        check_additivity(replace(runs, loss=runs.loss + np.log(runs.flops_budget)))
