"""Recommendations for one budget: against the laws and tables that they come from."""

import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.recommendations import (
    GROUPS,
    Recommendation,
    chinchilla_ratio,
    recommendations,
)
from chinchilla_lib.fitting.serving import cheapest_for_loss, training_overhead
from chinchilla_lib.reference import LAWS, load_paper_table

FLOPS = 5.76e23
ROWS = {row.name: row for row in recommendations()}
EPOCH = LAWS["epoch"].law


def test_groups_follow_one_another_and_none_is_empty() -> None:
    groups = [row.group for row in recommendations()]
    assert list(dict.fromkeys(groups)) == list(GROUPS)
    assert groups == sorted(groups, key=GROUPS.index)


def test_lines_pass_through_the_rows_that_the_tables_print_for_this_budget() -> None:
    """Table 3 prints 67B for 5.76e23 FLOPs, from a row that its own line misses by little more than 1 %."""
    row = load_paper_table("table3_approach1_projection").rows[3]
    assert float(row["flops"]) == FLOPS
    assert ROWS["Approach 1, its table"].n_params == pytest.approx(float(row["n_params"]), rel=0.02)


def test_each_budget_is_spent_whole_where_all_of_it_is_training() -> None:
    for name, row in ROWS.items():
        budget = 6 * 70e9 * 1.4e12 if name.startswith("Porian") else FLOPS
        if not name.endswith("served"):
            assert 6 * row.n_params * row.n_tokens == pytest.approx(budget)


def test_the_refit_is_the_optimum_of_its_law_and_its_interval_holds_it() -> None:
    row = ROWS["Besiroglu et al. (2024)"]
    assert row.tokens_per_param == pytest.approx(EPOCH.d_opt(FLOPS) / EPOCH.n_opt(FLOPS))
    for one in ROWS.values():
        if one.interval is not None:
            assert one.interval[0] < one.tokens_per_param < one.interval[1]


def test_serving_rows_cost_least_for_the_loss_of_the_optimum() -> None:
    loss = EPOCH.loss(EPOCH.n_opt(FLOPS), EPOCH.d_opt(FLOPS))
    best = cheapest_for_loss(EPOCH, loss, 1e13)
    row = ROWS["10T tokens served"]
    assert row.n_params == pytest.approx(best.n_params, rel=1e-6)
    assert EPOCH.loss(row.n_params, row.n_tokens) == pytest.approx(loss, rel=1e-9)


def test_endless_data_change_nothing_and_short_data_ask_for_a_smaller_model() -> None:
    sizes = [recommendations(unique_tokens=unique)[9].n_params for unique in (1e14, 3e11, 1e11)]
    assert sizes[0] == pytest.approx(EPOCH.n_opt(FLOPS), rel=1e-4)
    assert sizes[0] > sizes[1] > sizes[2]


def test_printed_sizes_of_porian_et_al_come_from_the_first_and_the_last_step() -> None:
    assert ROWS["Porian et al., RefinedWeb"].n_params == 7.69e10
    assert ROWS["Porian et al., OpenWebText2"].n_params == 9.88e10
    assert ROWS["Porian et al., Kaplan's recipe"].n_params == 3.03e12


def test_another_budget_moves_laws_and_lines_with_their_exponents() -> None:
    later = {row.name: row for row in recommendations(100 * FLOPS)}
    for name, exponent in (("Besiroglu et al. (2024)", EPOCH.a), ("Kaplan et al. (2020)", 0.73)):
        growth = math.log(later[name].n_params / ROWS[name].n_params) / math.log(100)
        assert growth == pytest.approx(exponent)


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (10.0, None, "does not"),
        (40.0, None, "does not"),
        (41.0, None, "moves it"),
        (9.0, None, "moves it"),
        (41.0, (41, 90), "moves it"),
        (60.0, (39, 90), "may move it"),
        (9.0, (4, 11), "may move it"),
        (9.0, (4, 9.9), "moves it"),
        (20.0, (1, 400), "does not"),
    ],
)
def test_verdicts_at_both_sides_of_a_factor_of_two(
    value: float, interval: tuple[float, float] | None, expected: str
) -> None:
    assert Recommendation("one", "fitted again", 1.0, value, interval).judge(20, 2) == expected


def test_a_factor_of_two_is_where_the_valley_of_the_refit_is_still_flat() -> None:
    """Why a factor of two is asked: the square root of it in size costs about a twentieth of the compute."""
    costs = [training_overhead(EPOCH, factor) for factor in (2**-0.5, 2**0.5)]
    assert all(0.03 < cost < 0.06 for cost in costs)


def test_chinchilla_has_twenty_tokens_for_each_parameter() -> None:
    assert chinchilla_ratio() == 20


@pytest.mark.parametrize("flops", [0.0, -1.0, math.inf, math.nan])
def test_a_budget_that_is_none_is_refused(flops: float) -> None:
    with pytest.raises(InputError, match="flops must be finite and above 0"):
        recommendations(flops)


@pytest.mark.parametrize(("ratio", "factor"), [(0.0, 2.0), (math.inf, 2.0), (20.0, 1.0), (20.0, math.nan)])
def test_verdicts_refuse_what_is_no_ratio_and_no_factor(ratio: float, factor: float) -> None:
    with pytest.raises(InputError, match=r"ratio must be|factor must be"):
        Recommendation("one", "fitted again", 1.0, 20.0).judge(ratio, factor)
