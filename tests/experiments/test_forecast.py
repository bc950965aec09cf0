import math
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.forecast import FORECAST, FORMS, foretell, held_back_error
from tests.experiments.small_truth import LAW, simulate

FIT = FORECAST.parts_of("cpu-120")


@pytest.fixture(scope="module")
def forecast() -> dict[str, Any]:
    return foretell(3e11, 2, simulate(FIT, noise=0.002))


def test_a_law_that_is_true_is_foretold_well(forecast: dict[str, Any]) -> None:
    assert set(forecast["held_back_errors"]) == set(FORMS)
    assert forecast["form"] in FORMS
    for ahead, factor in zip(forecast["ahead"], (10, 100), strict=True):
        assert ahead["flops"] == factor * 3e11
        assert ahead["n_opt"] == pytest.approx(LAW.n_opt(ahead["flops"]), rel=0.5)
        for run in ahead["runs"]:
            truth = LAW.loss(run["n_params"], run["n_tokens"])
            assert run["interval"][0] < truth < run["interval"][1]
        best, larger, smaller = (run["n_params"] for run in ahead["runs"])
        assert 2.5 < larger / best < 6
        assert 2.5 < best / smaller < 6
    widths = [
        math.log(ahead["runs"][0]["interval"][1] / ahead["runs"][0]["interval"][0])
        for ahead in forecast["ahead"]
    ]
    assert widths[0] < widths[1], "a law is trusted less far away"


def test_the_interval_holds_what_the_budget_held_back_missed(forecast: dict[str, Any]) -> None:
    missed = abs(forecast["held_back_errors"][forecast["form"]])
    steps = math.log(10) / math.log(3e11 / 1e11)
    for ahead, distance in zip(forecast["ahead"], (steps, 2 * steps), strict=True):
        low, high = ahead["runs"][0]["interval"]
        assert math.log(high / low) > 2 * missed * distance


def test_an_error_on_the_budget_held_back_is_seen() -> None:
    rows = simulate(FIT, noise=0.0)["fit"]
    form = FORMS["additive law by least squares"]
    assert abs(held_back_error(rows, form)) < 1e-4
    raised = [
        {**row, "loss": float(row["loss"]) * 1.02} if row["flops_budget"] == 3e11 else row for row in rows
    ]
    assert held_back_error(raised, form) == pytest.approx(-math.log(1.02), abs=1e-3)


def test_the_verdict_goes_by_the_rule(forecast: dict[str, Any]) -> None:
    parts = FORECAST.parts_of("cpu-120", forecast)
    assert [part.name for part in parts] == ["fit", "test"]
    held = simulate(parts[1:], noise=0.0)
    good = FORECAST.judge(held, forecast)
    assert good.numbers["10x_inside"] == good.numbers["10x_best_is_best"] == 1
    assert good.outcome == ("holds" if abs(good.numbers["10x_error"]) <= 0.007 else "cannot tell")
    off = {"test": [{**row, "loss": float(row["loss"]) * 1.5} for row in held["test"]]}
    assert FORECAST.judge(off, forecast).outcome == "does not hold"
    best = forecast["ahead"][0]["runs"][0]
    worse = {
        "test": [
            {**row, "loss": float(row["loss"]) + (0.5 if row["d_model"] == best["d_model"] else 0)}
            for row in held["test"]
        ]
    }
    assert FORECAST.judge(worse, forecast).numbers["10x_best_is_best"] == 0


def test_one_budget_foretells_nothing() -> None:
    rows = [row for row in simulate(FIT)["fit"] if row["flops_budget"] == 3e10]
    with pytest.raises(InputError, match="one budget tells nothing of larger ones"):
        foretell(3e10, 1, {"fit": rows})
