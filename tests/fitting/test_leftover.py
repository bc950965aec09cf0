"""Residuals by budget, and the test of a curve against the noise of repeated runs."""

from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric, fit_valley
from chinchilla_lib.fitting.leftover import (
    interval_about_line,
    lack_of_fit,
    left_over,
    minima_by_seed,
)
from chinchilla_lib.fitting.power_law import fit_power_law
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_table
from chinchilla_lib.sweeps.table import SweepTable

LAW = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
BUDGETS = (3e10, 1e11, 3e11, 1e12)


def sweep(*, noise: float, seed: int = 0, repeats: int = 3, wide: float = 3.0) -> SweepTable:
    flops = np.repeat(BUDGETS, 7 * repeats)
    sizes = LAW.n_opt(flops) * np.tile(np.repeat(np.geomspace(1 / wide, wide, 7), repeats), len(BUDGETS))
    return simulate_table(LAW, sizes, flops / (6 * sizes), flops_budget=flops, noise=noise, seed=seed)


def test_residuals_by_budget() -> None:
    table = sweep(noise=0.003)
    fit = fit_valley(table)
    found = left_over(fit)
    assert [row.flops for row in found] == pytest.approx(BUDGETS)
    assert sum(row.n_runs for row in found) == len(table)
    assert sum(row.n_runs * row.rms**2 for row in found) == pytest.approx(float(np.sum(fit.residuals**2)))
    for row, valley in zip(found, table.valleys(), strict=True):
        assert row.mean == pytest.approx(0, abs=1e-6), "each budget has a level"
        assert row.noise == pytest.approx(0.003 * float(table.loss[valley.index].mean()), rel=0.5)
    assert {row.noise for row in left_over(fit_valley(sweep(noise=0.003, repeats=1)))} == {None}


def test_a_true_curve_is_refused_as_seldom_as_it_should_be() -> None:
    p_values = [lack_of_fit(fit_valley(sweep(noise=0.002, seed=seed))).p_value for seed in range(60)]
    assert sum(p_value < 0.1 for p_value in p_values) <= 13
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.13)


def test_a_wrong_curve_is_found_and_its_size_told() -> None:
    table = sweep(noise=0.0005, wide=8.0)
    parabola, shape = lack_of_fit(fit_isoflop_profiles(table)), lack_of_fit(fit_valley(table))
    assert parabola.p_value < 1e-6 < 0.01 < shape.p_value
    assert parabola.misfit > 4 * parabola.noise
    assert parabola.noise == pytest.approx(shape.noise), "noise does not depend on the curve"
    assert parabola.degrees_of_freedom == (4 * (7 - 3), 4 * 7 * 2)
    assert shape.degrees_of_freedom == (4 * 7 - 4 - 4, 4 * 7 * 2)
    bent = replace(table, loss=table.loss + 0.05 * np.log10(table.flops / 1e11) ** 2)
    assert lack_of_fit(fit_parametric(bent)).p_value < 1e-6
    assert lack_of_fit(fit_parametric(table)).degrees_of_freedom == (4 * 7 - 5, 4 * 7 * 2)


def test_noiseless_repeats_leave_nothing_to_doubt() -> None:
    table = sweep(noise=0.0)
    exact = lack_of_fit(replace(fit_valley(table), residuals=np.zeros(len(table))))
    assert (exact.p_value, exact.noise) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(InputError, match="no run has a second seed"):
        lack_of_fit(fit_valley(sweep(noise=0.001, repeats=1)))
    with pytest.raises(InputError, match="method 'envelope' has no curve for each run"):
        lack_of_fit(replace(fit_valley(sweep(noise=0.001)), method="envelope"))
    table = sweep(noise=0.001)
    middle = table.take([i for valley in table.valleys() for i in valley.index[6:15]])
    with pytest.raises(InputError, match="12 sizes and 12 numbers fitted to them leave no misfit"):
        lack_of_fit(fit_isoflop_profiles(middle))


def test_the_scatter_about_the_line_tells_the_exponent_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    fit = fit_isoflop_profiles(sweep(noise=0.0))
    flops = np.array([point.flops for point in fit.points])
    held = 0
    for _ in range(400):
        sizes = flops**0.5 * np.exp(rng.normal(0, 0.1, len(flops)))
        points = tuple(replace(p, n_params=size) for p, size in zip(fit.points, sizes, strict=True))
        low, high = interval_about_line(replace(fit, points=points, n_opt=fit_power_law(flops, sizes)), 0.8)
        held += low < 0.5 < high
    assert held / 400 == pytest.approx(0.8, abs=0.06)
    with pytest.raises(InputError, match="2 minima lie on any line"):
        interval_about_line(replace(fit, points=fit.points[:2]))
    with pytest.raises(InputError, match="level must lie between 0 and 1"):
        interval_about_line(fit, 90)


def test_minima_that_share_a_law_have_no_scatter_to_tell_anything() -> None:
    fit = fit_valley(sweep(noise=0.003))
    flops, sizes = (np.array([getattr(p, name) for p in fit.points]) for name in ("flops", "n_params"))
    rest = np.log(sizes / fit_power_law(flops, sizes).predict(flops))
    assert np.abs(rest).max() < 1e-9  # although the runs are noisy
    with pytest.raises(InputError, match="method 'valley' share more than their line"):
        interval_about_line(fit)


def test_minima_of_each_seed() -> None:
    table = sweep(noise=0.001)
    seeds = np.tile([0, 1, 2], len(table) // 3)
    found = minima_by_seed(replace(table, seed=seeds))
    assert list(found) == pytest.approx(BUDGETS)
    for flops, by_seed in found.items():
        assert sorted(by_seed) == [0, 1, 2]
        assert all(size == pytest.approx(LAW.n_opt(flops), rel=0.1) for size in by_seed.values())
    lone = [i for i in range(len(table)) if seeds[i] < 2 or table.flops_budget[i] == BUDGETS[0]]
    few = minima_by_seed(replace(table, seed=seeds).take(lone))
    assert all(sorted(by_seed) == [0, 1] for by_seed in few.values()), "one budget is no fit"
    with pytest.raises(InputError, match="seeds are not known"):
        minima_by_seed(replace(table, seed=None))
