import math
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.experiments.forecast import FIT_WIDTHS, FORECAST, FORMS, error_rates, foretell
from chinchilla_lib.experiments.main_sweep import DESIGN
from tests.experiments.small_truth import LAW, simulate

FIT = FORECAST.parts_of("cpu-120")


@pytest.fixture(scope="module")
def forecast() -> dict[str, Any]:
    return foretell(2, simulate(FIT, noise=0.001))


def bent(row: Row, bend: float) -> Row:
    """The loss of a run where the frontier falls ever faster in ln C."""
    distance = math.log(float(row["flops_budget"]) / 3e10)
    return {**row, "loss": float(row["loss"]) - bend * distance**2}


def test_the_runs_it_is_made_from_are_small_and_shared_with_the_main_sweep() -> None:
    configs = FIT[0].plan("c").configs
    assert max(config.flops_budget for config in configs) == 3e11
    assert len(configs) == 3 * sum(map(len, FIT_WIDTHS.values()))
    assert {budget for budget in FIT_WIDTHS if budget in DESIGN.widths} == {3e10, 1e11, 3e11}


def test_a_law_that_is_true_is_foretold_well(forecast: dict[str, Any]) -> None:
    assert set(forecast["error_rates"]) == set(FORMS)
    assert forecast["error_rates"][forecast["form"]] == min(forecast["error_rates"].values())
    for ahead, factor in zip(forecast["ahead"], (10, 100), strict=True):
        assert ahead["flops"] == factor * 3e11
        assert ahead["n_opt"] == pytest.approx(LAW.n_opt(ahead["flops"]), rel=0.5)
        assert ahead["n_opt_interval"][0] < ahead["n_opt"] < ahead["n_opt_interval"][1]
        best, larger, smaller = ahead["runs"]
        assert best["loss"] == pytest.approx(LAW.loss(best["n_params"], best["n_tokens"]), rel=0.05)
        for other in (larger, smaller):
            truth = LAW.loss(other["n_params"], other["n_tokens"])
            gap = truth - LAW.loss(best["n_params"], best["n_tokens"])
            assert other["loss"] - best["loss"] == pytest.approx(gap, abs=0.05)
        assert 2.5 < larger["n_params"] / best["n_params"] < 6
        assert 2.5 < best["n_params"] / smaller["n_params"] < 6


def test_the_interval_grows_with_the_error_on_budgets_held_back(forecast: dict[str, Any]) -> None:
    rate = forecast["error_rates"][forecast["form"]]
    for ahead, factor in zip(forecast["ahead"], (10, 100), strict=True):
        for run in ahead["runs"]:
            low, high = run["interval"]
            assert math.log(high / low) == pytest.approx(2 * 1.645 * rate * math.log(factor))


def test_each_form_is_exact_where_it_is_true() -> None:
    rows = simulate(FIT, noise=0.0)["fit"]
    lawful = error_rates(rows)
    assert lawful["additive law"] < 0.002  # but for the parabola's place of the minimum
    faster = error_rates([bent(row, 0.05) for row in rows])
    assert faster["additive law"] > 3 * lawful["additive law"]
    assert faster["parabola in ln C"] < faster["line in ln C"] < faster["additive law"]


def test_too_few_budgets_are_refused() -> None:
    rows = [row for row in simulate(FIT)["fit"] if float(row["flops_budget"]) <= 1e11]
    with pytest.raises(InputError, match="minima at 3 budgets; to hold one back give 4 or more"):
        error_rates(rows)


def test_the_verdict_goes_by_the_rule(forecast: dict[str, Any]) -> None:
    parts = FORECAST.parts_of("cpu-120", forecast)
    assert [part.name for part in parts] == ["fit", "test"]
    held = simulate(parts[1:], noise=0.0)
    best = forecast["ahead"][0]["runs"][0]

    def judged(factor: float, own: float = 0.0) -> Any:
        rows = [
            {**row, "loss": float(row["loss"]) * factor + (own if row["d_model"] == best["d_model"] else 0)}
            for row in held["test"]
        ]
        return FORECAST.judge({"test": rows}, forecast)

    exact = best["loss"] / LAW.loss(best["n_params"], best["n_tokens"])
    assert judged(exact).outcome == "holds"
    assert judged(exact * 1.5).outcome == "does not hold"
    assert judged(exact, own=0.5).outcome == "does not hold"
    assert judged(exact, own=0.5).numbers["10x_best_is_best"] == 0
    wide = {**forecast, "ahead": [
        {**ahead, "runs": [{**run, "interval": [1.0, 9.0]} for run in ahead["runs"]]}
        for ahead in forecast["ahead"]
    ]}  # fmt: skip
    rows = [{**row, "loss": float(row["loss"]) * exact * 1.01} for row in held["test"]]
    assert FORECAST.judge({"test": rows}, wide).outcome == "cannot tell"
