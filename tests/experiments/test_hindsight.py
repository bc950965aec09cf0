import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.forecast import FORMS, error_rates, half_width
from chinchilla_lib.experiments.hindsight import look_back
from chinchilla_lib.experiments.main_sweep import ladder_part, rows_up_to
from tests.experiments.small_truth import LAW, simulate

ROWS = simulate([ladder_part("english", "english", 3e12)], noise=0.0)["english"]


def test_all_spans_below_the_largest_budget_are_looked_at() -> None:
    spans = [(look.lowest, look.highest, look.n_budgets) for look in look_back(ROWS)]
    assert spans == [(3e10, 3e11, 3), (3e10, 1e12, 4), (1e11, 1e12, 3)]
    assert [look.factor for look in look_back(ROWS)] == pytest.approx([10, 3, 3])


def test_the_true_form_errs_least_and_is_chosen_where_a_budget_can_be_held_back() -> None:
    for look in look_back(ROWS):
        assert set(look.errors) == set(FORMS)
        assert abs(look.errors["additive law"]) == min(map(abs, look.errors.values())) < 0.005
        assert look.errors["line in ln C"] < 0, "the frontier of a law with a floor is convex"
    three, four, _ = look_back(ROWS)
    assert three.form is None and three.half_width is None
    rates = error_rates(rows_up_to(ROWS, 1e12))
    assert four.form == "additive law" == min(rates, key=lambda name: rates[name])
    assert four.half_width == pytest.approx(half_width(rates["additive law"], 3))
    assert half_width(0.01, math.e) == pytest.approx(0.01645)


def test_a_largest_budget_without_a_minimum_is_refused() -> None:
    with pytest.raises(InputError, match="3e\\+10, 1e\\+11 FLOPs; to look back from 1e\\+11 it needs one"):
        look_back(rows_up_to(ROWS, 1e11))
    optimum = LAW.n_opt(3e12)
    tilted = [row for row in ROWS if float(row["flops_budget"]) < 3e12 or float(row["n_params"]) > optimum]
    with pytest.raises(InputError, match="look back from 3e\\+12"):
        look_back(tilted)
