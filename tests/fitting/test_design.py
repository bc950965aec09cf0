"""Designs keep what they promise in simulation, and nothing of their price is better."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.design import design_runs, simulated_se
from chinchilla_lib.fitting.design_result import Design
from chinchilla_lib.fitting.design_target import TARGETS, target_slopes
from chinchilla_lib.fitting.leverage import surface_slopes
from chinchilla_lib.fitting.offered_runs import candidate_grid
from chinchilla_lib.fitting.parametric import PARAMETRIC, fit_parametric, parametric_estimator
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

NOISE = 0.001
TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=NOISE, seed=0)


def at(target: str) -> float | None:
    return 1e22 if target == "log_n_opt" else None


def information(law: ParametricLoss, n_params: np.ndarray, n_tokens: np.ndarray) -> np.ndarray:
    slopes = np.insert(surface_slopes(law, n_params, n_tokens), 0, 1.0, axis=1)
    slopes /= law.loss(n_params, n_tokens)[:, None]
    return slopes.T @ slopes


def plain_se(design: Design, table: SweepTable) -> float:
    """Standard error of the target with the design, by the textbook."""
    law = fit_parametric(table, delta=math.inf).law
    assert law is not None
    n_params = np.concatenate([table.n_params, *([run.n_params] * run.count for run in design.runs)])
    n_tokens = np.concatenate([table.n_tokens, *([run.n_tokens] * run.count for run in design.runs)])
    _, slopes = target_slopes(law, design.target, design.at)
    return design.noise * math.sqrt(slopes @ np.linalg.solve(information(law, n_params, n_tokens), slopes))


@pytest.mark.parametrize("max_runs", [None, 15])
@pytest.mark.parametrize("target", TARGETS)
def test_the_promise_is_what_refits_to_simulated_losses_show(target: str, max_runs: int | None) -> None:
    design = design_runs(TABLE, 1e21, target=target, at=at(target), max_runs=max_runs)
    assert design.se_after < 0.7 * design.se_before
    assert simulated_se(TABLE, design, n_simulated=1500, seed=1) == pytest.approx(design.se_after, rel=0.06)
    assert design.noise == pytest.approx(NOISE, rel=0.35)


def test_the_promise_holds_of_whole_tables_fitted_anew() -> None:
    """Not by the means of repeated runs, as `simulated_se`, but run by run, by the estimator itself."""
    design = design_runs(TABLE, 1e21, max_runs=15, noise=NOISE)
    law = fit_parametric(TABLE, delta=math.inf).law
    assert law is not None
    n_params = np.concatenate([TABLE.n_params, *([run.n_params] * run.count for run in design.runs)])
    n_tokens = np.concatenate([TABLE.n_tokens, *([run.n_tokens] * run.count for run in design.runs)])
    estimator = parametric_estimator(delta=math.inf)
    fit = estimator.fit(simulate_table(law, n_params, n_tokens))
    (order,) = estimator.strata(fit)
    scatter = np.random.default_rng(2).standard_normal((1000, len(order)))
    assert estimator.refit_losses is not None
    draws, reasons = estimator.refit_losses(fit, [fit.table.loss[order] * np.exp(NOISE * scatter)])
    assert not reasons
    assert draws.a.std() == pytest.approx(design.se_after, rel=0.08)
    assert plain_se(design, TABLE) == pytest.approx(design.se_after, rel=1e-6)
    assert PARAMETRIC.method == fit.method


@pytest.mark.parametrize("target", TARGETS)
def test_random_designs_of_the_price_are_never_better_than_the_bound(target: str) -> None:
    grid = candidate_grid(TABLE)
    design = design_runs(TABLE, 1e21, target=target, at=at(target), candidates=grid, max_runs=12)
    assert design.se_bound <= design.se_after <= design.se_bound / math.sqrt(design.efficiency) * (1 + 1e-9)
    assert design.efficiency > 0.9
    assert design.flops <= 1e21 * (1 + 1e-9)
    law = fit_parametric(TABLE, delta=math.inf).law
    assert law is not None
    known = information(law, TABLE.n_params, TABLE.n_tokens)
    _, slopes = target_slopes(law, target, design.at)
    rng = np.random.default_rng(0)
    found = []
    while len(found) < 300:
        picked = rng.integers(len(grid), size=12)
        if grid.flops[picked].sum() <= 1e21:
            more = information(law, grid.n_params[picked], grid.n_tokens[picked])
            found.append(design.noise * math.sqrt(slopes @ np.linalg.solve(known + more, slopes)))
    assert min(found) > design.se_after


def test_more_money_and_more_runs_to_choose_from_never_hurt() -> None:
    ses = [design_runs(TABLE, budget).se_bound for budget in (1e19, 1e20, 1e21)]
    assert ses == sorted(ses, reverse=True)
    capped = [design_runs(TABLE, 1e20, max_runs=count).se_bound for count in (2, 8, 32)]
    assert capped == sorted(capped, reverse=True)
    assert capped[-1] > ses[1]
    wide = design_runs(TABLE, 1e20, max_runs=8, candidates=candidate_grid(TABLE, factor=4, n_grid=37))
    assert wide.se_bound < capped[1]


def test_designs_depend_on_neither_the_order_of_rows_nor_the_unit_of_the_noise() -> None:
    design = design_runs(TABLE, 1e20, max_runs=10)
    again = design_runs(TABLE.take(list(range(len(TABLE)))[::-1]), 1e20, max_runs=10)
    assert [run.to_dict() for run in again.runs] == [run.to_dict() for run in design.runs]
    louder = design_runs(TABLE, 1e20, max_runs=10, noise=10 * design.noise)
    assert louder.runs == design.runs
    assert louder.se_after == pytest.approx(10 * design.se_after)
    assert louder.efficiency == pytest.approx(design.efficiency)


def test_noise_that_falls_with_flops_is_seen_and_weighed() -> None:
    budgets = np.geomspace(1e17, 1e21, 7).tolist()
    unequal = simulate_isoflop_sweep(
        PUBLISHED, budgets, n_sizes=15, noise=NOISE, noise_model="heteroscedastic", seed=4
    )
    design = design_runs(unequal, 1e21, max_runs=20)
    assert design.noise_exponent == pytest.approx(-0.25, abs=0.1)
    assert any("noise varies as FLOPs" in message for message in design.messages)
    assert simulated_se(unequal, design, n_simulated=1500) == pytest.approx(design.se_after, rel=0.06)
    alike = [
        design_runs(simulate_isoflop_sweep(PUBLISHED, budgets, noise=NOISE, seed=seed), 1e20, max_runs=5)
        for seed in range(8)
    ]
    assert sum(one.noise_exponent != 0 for one in alike) <= 1


def repeated(law: ParametricLoss, bend: float, seed: int = 0) -> SweepTable:
    """Two seeds of valleys whose minimum is off the law's by a bend in ln C."""
    budgets = np.repeat([1e18, 1e19, 1e20], 14)
    sizes = law.n_opt(budgets) * np.tile(np.repeat(np.geomspace(0.25, 4, 7), 2), 3)
    runs = simulate_table(law, sizes, budgets / (6 * sizes), flops_budget=budgets, noise=NOISE, seed=seed)
    return replace(runs, loss=runs.loss * np.exp(bend * (np.log10(budgets) - 19) ** 2))


def test_a_law_that_runs_refuse_is_told() -> None:
    refused = design_runs(repeated(PUBLISHED, 0.01), 1e20, max_runs=5)
    assert any("these runs do not follow it" in message for message in refused.messages)
    followed = [design_runs(repeated(PUBLISHED, 0.0, seed), 1e20, max_runs=5) for seed in range(8)]
    told = [any("do not follow it" in message for message in one.messages) for one in followed]
    assert sum(told) <= 1


def test_a_law_without_a_floor_still_gives_a_design() -> None:
    floorless = ParametricLoss(E=0.0, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    runs = simulate_isoflop_sweep(floorless, [1e18, 1e19, 1e20], noise=NOISE)
    lowered = replace(runs, loss=runs.loss - 0.05)  # as of an E below 0
    design = design_runs(lowered, 1e20, max_runs=10, n_simulated=400)
    assert any(message.startswith("E came out as 0") for message in design.messages)
    assert not any("E is known to no better" in message for message in design.messages)
    assert design.se_simulated is not None
    assert 0.2 * design.se_after < design.se_simulated < 1.05 * design.se_after
    assert design.efficiency > 0.9
    floor = design_runs(lowered, 1e20, target="E", max_runs=10)
    assert floor.estimate == 0
    assert 0 < floor.se_after < floor.se_before
    json.dumps(floor.to_dict(), allow_nan=False)


def test_what_is_said() -> None:
    many = design_runs(TABLE, 1e21)
    assert many.n_runs > 200
    assert any("runs, because small runs tell most" in message for message in many.messages)
    assert "certificate: no runs of this price" in str(many)
    exact = design_runs(simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20]), 1e20, max_runs=5)
    assert any("to rounding" in message for message in exact.messages)
    assert not any("tokens per parameter" in message for message in many.messages)
    anything = design_runs(TABLE, 1e21, candidates=candidate_grid(TABLE, ratio=(0, math.inf)))
    assert any("tokens per parameter" in message for message in anything.messages)
    few = design_runs(TABLE, 3e18, candidates=candidate_grid(TABLE, n_tokens=(1e10, 4e10)), n_simulated=300)
    assert few.to_dict() == json.loads(json.dumps(few.to_dict(), allow_nan=False))
    assert few.se_simulated == pytest.approx(few.se_after, rel=0.2)
    assert few.rounding_loss == pytest.approx(1 - (few.se_continuous / few.se_after) ** 2, abs=1e-12)
    keys = {"runs", "target", "se_before", "se_after", "efficiency", "flops"}
    assert keys <= set(few.to_dict())
    at_largest = design_runs(TABLE, 1e20, target="log_n_opt", max_runs=5)
    assert at_largest.at == pytest.approx(1e20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0.0}, "budget must be finite and above 0"),
        ({"budget": 1e12}, "candidates costs"),
        ({"budget": 1e40}, "of the cheapest runs; give max_runs"),
        ({"target": "b"}, "target is 'b'; give one of a, log_n_opt"),
        ({"at": 1e20}, "log_n_opt needs the FLOPs of a budget, others take none"),
        ({"target": "log_n_opt", "at": -1.0}, "at must be finite and above 0"),
        ({"max_runs": 0}, "max_runs must be 1 or above"),
        ({"noise": 0.0}, "noise must be finite and above 0"),
        ({"n_simulated": 1}, "n_simulated must be 0, or 2 or above"),
        ({"n_simulated": 9, "seed": -1, "max_runs": 2}, "seed must be a whole number"),
    ],
)
def test_bad_arguments(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        design_runs(TABLE, **({"budget": 1e20} | change))  # type: ignore[arg-type]


def test_one_refit_has_no_spread() -> None:
    with pytest.raises(InputError, match="n_simulated must be 2 or above"):
        simulated_se(TABLE, design_runs(TABLE, 1e20, max_runs=2), n_simulated=1)


def test_runs_that_give_no_law_give_no_design() -> None:
    with pytest.raises(InputError, match="give 6 runs or more"):
        design_runs(TABLE.take(range(5)), 1e20)
    flat = simulate_table(PUBLISHED, TABLE.n_params, 1e13 + TABLE.n_tokens, noise=NOISE)
    with pytest.raises(InputError, match="the runs so far"):
        design_runs(flat, 1e30)
