"""Power by theory against simulated sweeps, and against the estimators themselves."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, VALLEY, fit_isoflop_profiles, fit_valley
from chinchilla_lib.fitting.planned_profiles import law_with_exponent, plan_profiles
from chinchilla_lib.fitting.power import fewest_sizes, measure_power, read_sweep
from chinchilla_lib.fitting.power_theory import METHODS
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

MIDDLE = 1e18 * 10**1.0
LAW = law_with_exponent(PUBLISHED, 0.46, MIDDLE)
DESIGN = plan_profiles(LAW, n_budgets=5, n_sizes=7, decades=2.0)


@pytest.mark.parametrize(("method", "estimator"), [("isoflop", ISOFLOP), ("valley", VALLEY)])
def test_the_standard_error_is_the_spread_of_the_estimator(method: str, estimator: object) -> None:
    noise = 0.002
    found = measure_power(DESIGN, LAW, noise=noise, a_from=0.46, method=method, n_simulated=0)
    fit = estimator.fit(DESIGN)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    losses = [
        DESIGN.loss[index] * np.exp(noise * rng.standard_normal((1500, len(index))))
        for index in estimator.strata(fit)  # type: ignore[attr-defined]
    ]
    draws, reasons = estimator.refit_losses(fit, losses)  # type: ignore[attr-defined]
    assert not reasons
    assert draws.a.std() == pytest.approx(found.se, rel=0.06)
    assert draws.a.mean() == pytest.approx(0.46 + found.bias, abs=4 * found.se / math.sqrt(1500))
    assert found.n_seeds == 1
    assert found.n_runs == 35


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("method", METHODS)
def test_simulated_power_is_near_the_target_at_the_answer(method: str, level: float) -> None:
    found = measure_power(
        DESIGN, LAW, noise=0.004, a_from=0.46, a_to=0.4725, level=level, method=method, n_simulated=4000
    )
    assert found.n_seeds > 2  # so that one seed more or less is little
    assert found.power >= 0.8
    fewer = measure_power(
        DESIGN, LAW, noise=0.004, a_from=0.46, a_to=0.4725, level=level, method=method,
        n_seeds=found.n_seeds_by_theory - 1, n_simulated=0,
    )  # fmt: skip
    assert fewer.power < 0.8
    assert found.simulated is not None
    assert found.simulated.power == pytest.approx(found.power, abs=0.04)
    assert found.simulated.power > 0.77
    assert found.simulated.false_alarms == pytest.approx(1 - level, abs=0.025)
    assert found.simulated.se == pytest.approx(found.se, rel=0.08)


def test_two_small_samples_need_students_t() -> None:
    """With two degrees of freedom the normal law would have far more false alarms."""
    design = plan_profiles(LAW, n_budgets=2, n_sizes=4, decades=2.0, window=0.4)
    found = measure_power(design, LAW, noise=0.0005, a_from=0.46, a_to=0.48, n_seeds=1, n_simulated=20000)
    assert found.degrees_of_freedom == 2
    assert found.simulated is not None and found.simulated.power is not None
    assert found.simulated.false_alarms == pytest.approx(0.1, abs=0.02)
    assert found.simulated.power == pytest.approx(found.power, abs=0.03)
    assert any("two budgets" in message for message in found.messages)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_detectable_is_detected(method: str) -> None:
    found = measure_power(DESIGN, LAW, noise=0.003, a_from=0.46, n_seeds=2, method=method, n_simulated=0)
    assert found.a_to is None
    assert found.power == 0.8
    there = measure_power(
        DESIGN, LAW, noise=0.003, a_from=0.46, a_to=0.46 + found.detectable, n_seeds=2, method=method,
        n_simulated=0,
    )  # fmt: skip
    assert there.power == pytest.approx(0.8, abs=0.05)


def test_more_of_anything_tells_more() -> None:
    def error(design: SweepTable, **change: object) -> float:
        values: dict[str, object] = {"noise": 0.002, "a_from": 0.46, "n_simulated": 0}
        return measure_power(design, LAW, **(values | change)).se  # type: ignore[arg-type]

    base = error(DESIGN)
    assert error(DESIGN, n_seeds=4) == pytest.approx(base / 2)
    assert error(DESIGN, noise=0.001) == pytest.approx(base / 2)
    assert error(plan_profiles(LAW, n_budgets=5, n_sizes=15, decades=2.0)) < base
    assert error(plan_profiles(LAW, n_budgets=5, n_sizes=7, decades=3.0, flops=10**17.5)) < base
    assert error(plan_profiles(LAW, n_budgets=5, n_sizes=7, decades=2.0, window=0.7)) < base
    assert error(DESIGN, method="valley") < base  # four numbers of shape in place of fifteen of parabolas


def test_seeds_are_added_where_theory_promises_too_much() -> None:
    """Noise that lets minima run away: simulated sweeps decide."""
    design = plan_profiles(law_with_exponent(PUBLISHED, 0.46, 10**19.5))
    found = measure_power(design, PUBLISHED, noise=0.01, a_from=0.46, a_to=0.50, n_simulated=2000)
    assert found.n_seeds > found.n_seeds_by_theory
    assert found.simulated is not None and found.simulated.power is not None
    assert found.simulated.power > 0.77
    assert any("by theory" in message for message in found.messages)


def test_sweeps_without_an_answer_are_said_and_tell_nothing_apart() -> None:
    found = measure_power(DESIGN, LAW, noise=20.0, a_from=0.46, a_to=0.5, n_seeds=1, n_simulated=300)
    assert found.simulated is not None
    assert found.simulated.unusable > 0.9
    assert found.simulated.power is not None and found.simulated.power < 0.1
    assert any("have no answer" in message for message in found.messages)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "simulated sweeps" in str(found)


def test_fewer_sizes_that_would_do() -> None:
    plan = {"n_budgets": 5, "decades": 2.0}
    enough = fewest_sizes(LAW, n_sizes=9, noise=0.003, a_from=0.46, a_to=0.5, **plan)
    assert enough is not None and 4 <= enough < 9
    powers = [
        measure_power(
            plan_profiles(LAW, n_sizes=count, n_budgets=5, decades=2.0), LAW,
            noise=0.003, a_from=0.46, a_to=0.5, n_seeds=1, n_simulated=0,
        ).power
        for count in range(4, enough + 1)
    ]  # fmt: skip
    assert powers[-1] >= 0.8
    assert all(power < 0.8 for power in powers[:-1])
    assert fewest_sizes(LAW, n_sizes=9, noise=0.02, a_from=0.46, a_to=0.5, **plan) is None


@pytest.mark.parametrize("method", METHODS)
def test_a_sweep_tells_its_own_design_and_noise(method: str) -> None:
    budgets = np.geomspace(1e18, 1e20, 5).tolist()
    sweeps = [
        read_sweep(simulate_isoflop_sweep(LAW, budgets, n_sizes=15, noise=0.002, seed=seed), method)
        for seed in range(10)
    ]
    assert np.mean([sweep.noise for sweep in sweeps]) == pytest.approx(0.002, rel=0.08)
    assert all(len(sweep.table) == 75 for sweep in sweeps)
    planned = plan_profiles(LAW, n_budgets=5, n_sizes=15, decades=2.0)
    known = measure_power(planned, LAW, noise=0.002, a_from=0.46, method=method, n_simulated=0)
    errors = [
        measure_power(
            sweep.table, sweep.law, noise=0.002, a_from=sweep.law.a, method=method, n_simulated=0
        ).se
        for sweep in sweeps
    ]
    assert np.mean(errors) == pytest.approx(known.se, rel=0.15)
    assert read_sweep(sweeps[0].table, method, noise=0.1).noise == 0.1


@pytest.mark.parametrize(("method", "estimator"), [("isoflop", ISOFLOP), ("valley", VALLEY)])
def test_the_level_of_the_law_does_not_matter(method: str, estimator: object) -> None:
    """Small exponents ask for levels below 0: the law found has E raised to 0 and losses of some 30 nats."""
    law = ParametricLoss(E=0.0, A=38.0, B=52.0, alpha=0.10, beta=0.083)
    plan = plan_profiles(law, n_budgets=5, n_sizes=9, flops=1e10, window=0.7)
    lowered = replace(plan, loss=plan.loss - plan.loss.min() + 3.0)
    rng, noise = np.random.default_rng(1), 0.002
    seen = replace(lowered, loss=lowered.loss * (1 + noise * rng.standard_normal(len(lowered))))
    sweep = read_sweep(seen, method, noise=noise)
    assert sweep.law.loss(plan.n_params, plan.n_tokens).min() > 1.2 * lowered.loss.max()
    found = measure_power(sweep.table, sweep.law, noise=noise, a_from=law.a, method=method, n_simulated=400)
    fit = estimator.fit(lowered)  # type: ignore[attr-defined]
    losses = [
        lowered.loss[index] * (1 + noise * rng.standard_normal((1000, len(index))))
        for index in estimator.strata(fit)  # type: ignore[attr-defined]
    ]
    draws, _ = estimator.refit_losses(fit, losses)  # type: ignore[attr-defined]
    # The law is itself fitted to noisy losses, so that its valleys are as deep to some 15 %.
    assert found.se == pytest.approx(draws.a.std(), rel=0.3)
    assert found.simulated is not None
    assert found.simulated.se == pytest.approx(found.se, rel=0.15)


def test_valleys_without_a_minimum_are_left_out_of_the_parabolas() -> None:
    table = simulate_isoflop_sweep(LAW, np.geomspace(1e18, 1e20, 5).tolist(), n_sizes=9, noise=1e-4)
    cut = table.take([place for place in range(45) if place >= 9 or place < 4])
    assert len(fit_isoflop_profiles(cut).points) == len(fit_valley(cut).points) == 4
    sweep = read_sweep(cut)
    assert len(sweep.table) == 36
    found = measure_power(sweep.table, sweep.law, noise=0.001, a_from=0.46, n_simulated=0)
    assert found.n_budgets == 4
    whole = measure_power(cut, sweep.law, noise=0.001, a_from=0.46, n_simulated=0, method="valley")
    assert whole.n_runs == 40


def test_bias_is_said() -> None:
    """FLOPs of the table that are not 6ND give another exponent, which is not held against it."""
    drift = DESIGN.flops * (DESIGN.flops / 1e18) ** 0.1
    other = SweepTable(
        run_id=DESIGN.run_id, n_params=DESIGN.n_params, n_tokens=DESIGN.n_tokens, loss=DESIGN.loss,
        flops=drift, flops_budget=drift, flops_convention="other", source="simulated",
    )  # fmt: skip
    found = measure_power(other, LAW, noise=0.002, a_from=0.46, n_simulated=500)
    assert found.bias == pytest.approx(0.46 / 1.1 - 0.46, abs=1e-3)
    assert any("beside the true exponent" in message for message in found.messages)
    assert found.simulated is not None
    assert found.simulated.false_alarms == pytest.approx(0.1, abs=0.05)
    assert abs(measure_power(DESIGN, LAW, noise=0.002, a_from=0.46, n_simulated=0).bias) < 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": 0.0}, "noise must be finite and above 0"),
        ({"a_from": 1.0}, "the exponent a must lie between 0 and 1, found 1.0"),
        ({"a_to": 0.46}, "both exponents are 0.46"),
        ({"n_seeds": 0}, "n_seeds must be 1 or above"),
        ({"level": 0.3}, "level must be from 0.5, below 1"),
        ({"power": 0.05}, "power must lie between 1 - level = 0.1"),
        ({"method": "parametric"}, "method is 'parametric'; give one of isoflop, valley"),
        ({"n_simulated": 1}, "n_simulated must be 0, or 2 or above"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"a_to": 0.4600001}, "spread the budgets over more decades"),
    ],
)
def test_bad_arguments(change: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"noise": 0.002, "a_from": 0.46, "n_simulated": 0}
    with pytest.raises(InputError, match=message):
        measure_power(DESIGN, LAW, **(values | change))  # type: ignore[arg-type]


def test_sweeps_that_leave_nothing_over() -> None:
    three = plan_profiles(LAW, n_budgets=5, n_sizes=3)
    with pytest.raises(InputError, match="leave no residual of 15 fitted numbers; give n_seeds of 2"):
        measure_power(three, LAW, noise=0.002, a_from=0.46, n_simulated=0)
    with pytest.raises(InputError, match="leave no residual of 15 fitted numbers; give the noise"):
        read_sweep(three)
    with pytest.raises(InputError, match="method is 'envelope'"):
        read_sweep(DESIGN, "envelope")
