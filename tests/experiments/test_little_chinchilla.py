import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.experiments.little_chinchilla import LITTLE, ROLES, nearest_width
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.sweeps.tiers import tier_shape
from tests.experiments.small_truth import LAW, simulate


@pytest.mark.parametrize("width", [8, 64, 128, 320])
def test_the_nearest_width_is_that_of_its_own_size(width: int) -> None:
    assert nearest_width(count_params(tier_shape(DESIGN, width)).total * 1.01) == width


def test_the_budget_is_spent_three_ways_and_judged() -> None:
    assert LITTLE.foretell is not None
    rows = simulate(LITTLE.parts_of("cpu-120"))
    forecast = LITTLE.foretell["cpu-120"](rows)
    models = forecast["models"]
    assert set(models) == set(ROLES)
    best = models["recommended"]["n_params"]
    assert best == pytest.approx(LAW.n_opt(1e13), rel=0.3)
    assert models["larger"]["n_params"] == pytest.approx(4 * best)
    start = forecast["kaplan_from"]
    assert start["n_params"] == pytest.approx(LAW.n_opt(3e11), rel=0.2)
    assert models["kaplan"]["n_params"] == pytest.approx(start["n_params"] * (1e13 / 3e11) ** 0.73)

    later = LITTLE.parts_of("cpu-120", forecast)[1:]
    assert [part.keeps_models for part in later] == [True]
    results = simulate(later)
    assert len(results["test"]) == 9
    verdict = LITTLE.judge(results, forecast)
    assert verdict.outcome == "holds", verdict
    truth = [LAW.loss(float(row["n_params"]), float(row["n_tokens"])) for row in results["test"][:7:3]]
    assert verdict.numbers["loss_recommended"] == pytest.approx(truth[0], abs=0.02)

    turned = {"test": [{**row, "loss": 6 - float(row["loss"])} for row in results["test"]]}
    assert LITTLE.judge(turned, forecast).outcome == "does not hold"
    flat = {"test": [{**row, "loss": 3 + 0.1 * (i % 2)} for i, row in enumerate(results["test"])]}
    assert LITTLE.judge(flat, forecast).outcome == "cannot tell"
