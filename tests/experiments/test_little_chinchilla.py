import math

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.little_chinchilla import (
    LITTLE,
    ROLES,
    Model,
    budget_for,
    crossing,
    models_of,
    nearest_width,
)
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit, fit_isoflop_profiles
from chinchilla_lib.laws import PowerLaw
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
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

    models = models_of(results["test"], forecast)
    assert [model.role for model in models] == list(ROLES)
    for model in models:
        assert model.loss == pytest.approx(verdict.numbers[f"loss_{model.role}"])
        assert model.d_model == forecast["models"][model.role]["d_model"]
        assert 0 < model.half_width < 0.05
    assert models[0].n_params * 2.5 < models[1].n_params
    assert models[0].n_tokens > 2.5 * models[1].n_tokens

    turned = {"test": [{**row, "loss": 6 - float(row["loss"])} for row in results["test"]]}
    assert LITTLE.judge(turned, forecast).outcome == "does not hold"
    flat = {"test": [{**row, "loss": 3 + 0.1 * (i % 2)} for i, row in enumerate(results["test"])]}
    assert LITTLE.judge(flat, forecast).outcome == "cannot tell"


def test_the_interval_of_a_mean_is_students() -> None:
    # Three values one apart: standard deviation 1, 90 % quantile 2.92 of t with two degrees of freedom.
    assert Model("larger", 1, 1, 1, (1.0, 2.0, 3.0)).half_width == pytest.approx(2.92 / math.sqrt(3))


def test_the_frontier_says_what_a_loss_costs() -> None:
    fit = fit_isoflop_profiles(simulate_isoflop_sweep(LAW, np.geomspace(1e11, 1e13, 5).tolist()))
    for flops in (1.1e11, 2e11, 1e12, 7e12, 1.2e13):
        loss = LAW.loss(LAW.n_opt(flops), LAW.d_opt(flops))
        assert budget_for(fit, loss) == pytest.approx(flops, rel=0.05)
    for point in fit.points:
        assert budget_for(fit, point.loss) == pytest.approx(point.flops)
    with pytest.raises(InputError, match=r"loss is 9; the minimum of the smallest budget"):
        budget_for(fit, 9)


def test_laws_cross_where_they_name_the_same_size() -> None:
    runs = simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13], noise=0.001)
    fit = bootstrap_fit(ISOFLOP, runs, n_draws=200, seed=0)
    other = PowerLaw(coefficient=1e-5, exponent=0.73)
    flops, (low, high) = crossing(fit, other)
    assert fit.n_opt.predict(flops) == pytest.approx(other.predict(flops))
    assert low < flops < high
    with pytest.raises(InputError, match="the fit has no draws"):
        crossing(fit_isoflop_profiles(runs), other)
