"""Scores are foretold by size and loss where they follow a law, and only for tasks that show signal."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Results
from chinchilla_lib.experiments.loss_to_task import BITS, CHANCE, LOSS_TO_TASK, OURS, check_forecast
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.laws import ParametricLoss
from tests.experiments.small_truth import simulate

BITS_LAW = ParametricLoss(E=0.4, A=30, B=80, alpha=0.37, beta=0.37)
ITEMS = 1000


def cloze(bits: float) -> float:
    return 0.25 + 0.6 / (1 + math.exp((bits - 1.2) / 0.3))


def with_scores(results: Results, accuracies: dict[str, Callable[[float], float]], noise: float) -> Results:
    """Rows whose scores follow the law of their bits."""
    rng = np.random.default_rng(0)
    scored: dict[str, list[Any]] = {}
    for part, rows in results.items():
        scored[part] = []
        for row in rows:
            own: dict[str, Any] = dict(row)
            for task, accuracy in accuracies.items():
                bits = BITS_LAW.loss(float(row["n_params"]), float(row["n_tokens"]))
                own[f"{task} {BITS}"] = bits * math.exp(rng.normal(0, 0.002))
                own[f"{task} acc"] = accuracy(bits) + rng.normal(0, noise)
                own[f"{task} acc n"] = ITEMS
            scored[part].append(own)
    return scored


LAWFUL = {
    "minimal_pairs": lambda bits: 0.5 + 0.6 * (cloze(bits) - 0.25),
    "induction": lambda _: 0.5,
    "cloze": cloze,
}


@pytest.fixture(scope="module")
def results() -> Results:
    tier = "cpu-60"
    assert LOSS_TO_TASK.later is not None
    parts = (*LOSS_TO_TASK.parts_of(tier), *LOSS_TO_TASK.later(tier, {}))
    return with_scores(simulate(parts), LAWFUL, noise=0.004)


@pytest.fixture(scope="module")
def forecast(results: Results) -> Any:
    assert LOSS_TO_TASK.foretell is not None
    return LOSS_TO_TASK.foretell["cpu-60"]({"fit": results["fit"]})


def test_a_lawful_task_is_foretold(results: Results, forecast: Any) -> None:
    checked = check_forecast(results, forecast)
    assert [one.task for one in checked] == 3 * ["minimal_pairs"] + 3 * ["cloze"]
    assert forecast["highest"] == 3e12
    assert not forecast["tasks"]["induction"]["signal"]
    for one in checked:
        assert one.by_size == pytest.approx(one.measured, abs=0.03)
        assert one.by_loss == pytest.approx(one.measured, abs=0.05)
        assert one.loss_interval[0] < one.by_loss < one.loss_interval[1]
        assert one.size_interval[0] < one.by_size < one.size_interval[1]
        assert one.bits_by_size == pytest.approx(one.bits, rel=0.02)
    law = forecast["tasks"]["cloze"]["bits_law"]
    assert law["alpha"] == pytest.approx(BITS_LAW.alpha, abs=0.05)


def test_the_verdict_follows_the_rule(results: Results, forecast: Any) -> None:
    verdict = LOSS_TO_TASK.judge(results, forecast)
    checked = [one for one in check_forecast(results, forecast) if one.task in OURS]
    assert verdict.numbers["inside"] == np.mean([one.inside for one in checked])
    assert verdict.numbers["tasks_with_signal"] == 2
    assert verdict.numbers["error"] < verdict.numbers["error_no_change"]
    right = {
        name: [{**row, **{f"{one.task} acc": one.by_loss for one in checked if one.d_model == row["d_model"]}}
               for row in rows]
        for name, rows in results.items()
    }  # fmt: skip
    found = LOSS_TO_TASK.judge(right, forecast)
    assert (found.outcome, found.numbers["inside"]) == ("holds", 1.0)
    assert found.numbers["error"] == pytest.approx(0)
    shifted = [{**row, "cloze acc": float(row["cloze acc"]) - 0.3} for row in results["test"]]
    shifted = [{**row, "minimal_pairs acc": float(row["minimal_pairs acc"]) - 0.3} for row in shifted]
    assert LOSS_TO_TASK.judge({**results, "test": shifted}, forecast).outcome == "does not hold"
    alone = {**forecast, "tasks": {"cloze": forecast["tasks"]["cloze"]}}
    assert LOSS_TO_TASK.judge(results, alone).outcome == "cannot tell"


def test_the_models_are_those_of_other_experiments() -> None:
    """Run ids of the fit are the main sweep's, and of the test little Chinchilla's."""
    (fit,) = LOSS_TO_TASK.parts_of("cpu-60")
    main = set(MAIN.parts_of("cpu-60")[0].plan("corpus").run_ids)
    assert set(fit.plan("corpus").run_ids) <= main
    assert fit.keeps_models
    assert set(OURS) <= set(CHANCE)


def test_runs_that_were_not_asked_are_refused(results: Results, forecast: Any) -> None:
    assert LOSS_TO_TASK.foretell is not None
    unasked = simulate(LOSS_TO_TASK.parts_of("ci"))
    with pytest.raises(InputError, match="tasks minimal_pairs, induction, cloze have not been asked"):
        LOSS_TO_TASK.foretell["ci"](unasked)
    without = [{k: v for k, v in row.items() if k != "cloze acc"} for row in results["test"]]
    with pytest.raises(InputError, match="'cloze acc' is missing of a run; ask the models first"):
        check_forecast({**results, "test": without}, forecast)
