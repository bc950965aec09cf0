"""Intervals of the law of repeated data: they hold the truth, narrow with the noise, and know infinity."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import repeated_draws
from chinchilla_lib.fitting.data_constrained import fit_data_constrained
from chinchilla_lib.fitting.repeated_draws import RepeatedDraws, bootstrap_data_constrained
from chinchilla_lib.fitting.surface import refit_surface
from tests.fitting.test_data_constrained import TRUTH, repeated_runs


def test_intervals_hold_the_truth_and_widen_with_the_noise() -> None:
    widths = []
    for noise in (0.002, 0.006):
        table, unique = repeated_runs(TRUTH, noise=noise)
        draws = bootstrap_data_constrained(fit_data_constrained(table, unique, r_n=None), n_draws=40)
        assert len(draws.laws) == 40
        assert draws.n_unchecked <= 4
        for name, truth in (("r_d", TRUTH.r_d), ("r_n", TRUTH.r_n), ("beta", TRUTH.law.beta)):
            low, high = draws.interval(name, 0.98)
            assert low < truth < high, name
        low, high = draws.interval("r_d")
        widths.append(math.log(high / low))
    # In proportion to the noise, up to the scatter of two sets of 40 draws.
    assert 1.8 < widths[1] / widths[0] < 5


def test_what_is_held_stays_and_a_seed_repeats() -> None:
    table, unique = repeated_runs(replace(TRUTH, r_n=math.inf), noise=0.002)
    fit = fit_data_constrained(table, unique, law=TRUTH.law)
    first, again, other = (bootstrap_data_constrained(fit, n_draws=20, seed=seed) for seed in (0, 0, 1))
    assert {law.law for law in first.laws} == {TRUTH.law}
    assert first.interval("r_n") == (math.inf, math.inf)
    assert first.interval("r_d") == again.interval("r_d") != other.interval("r_d")
    assert 0 < np.ptp([law.r_d for law in first.laws]) < 5


def test_without_decay_the_upper_end_is_infinite() -> None:
    table, unique = repeated_runs(replace(TRUTH, r_d=math.inf, r_n=math.inf), noise=0.001)
    draws = bootstrap_data_constrained(fit_data_constrained(table, unique, law=TRUTH.law), n_draws=20)
    assert draws.interval("r_d")[1] == math.inf


def test_draws_find_their_way_back_from_infinity() -> None:
    table, unique = repeated_runs(TRUTH, noise=0.002)
    fit = fit_data_constrained(table, unique, law=TRUTH.law, r_n=None)
    endless = replace(fit, law=replace(fit.law, r_n=math.inf))
    low, high = bootstrap_data_constrained(endless, n_draws=20).interval("r_n")
    assert low < TRUTH.r_n < high < 2 * TRUTH.r_n


def test_an_interval_leaves_out_as_much_on_either_side() -> None:
    draws = RepeatedDraws(tuple(replace(TRUTH, r_d=float(k)) for k in range(1, 102)), n_unchecked=0)
    assert draws.interval("r_d") == (6, 96)
    assert draws.interval("r_d", 0.5) == (26, 76)
    assert draws.interval("alpha") == (TRUTH.law.alpha, TRUTH.law.alpha)


def test_each_draw_has_as_many_fresh_and_repeating_runs_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    table, unique = repeated_runs(TRUTH, noise=0.002)
    fit = fit_data_constrained(table, unique, law=TRUTH.law)
    drawn = []

    def refit(*args: Any, **more: Any) -> Any:
        drawn.append(args[3])
        return refit_surface(*args, **more)

    monkeypatch.setattr(repeated_draws, "refit_surface", refit)
    bootstrap_data_constrained(fit, n_draws=10)
    (counts,) = drawn
    repeats = table.n_tokens > 1.001 * unique
    assert 0 < repeats.sum() < len(table)
    assert (counts[:, repeats].sum(axis=1) == repeats.sum()).all()
    assert (counts[:, ~repeats].sum(axis=1) == (~repeats).sum()).all()


def test_draws_that_did_not_come_to_their_optimum_are_counted_and_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, unique = repeated_runs(TRUTH, noise=0.006)
    fit = fit_data_constrained(table, unique, law=TRUTH.law)
    assert bootstrap_data_constrained(fit, n_draws=10).n_unchecked == 0
    monkeypatch.setattr("chinchilla_lib.fitting.surface._REFIT_STEPS", 0)
    halted = bootstrap_data_constrained(fit, n_draws=10)
    assert halted.n_unchecked > 0
    assert len(halted.laws) == 10


def test_what_is_not_allowed_is_named() -> None:
    table, unique = repeated_runs(TRUTH)
    fit = fit_data_constrained(table, unique, law=TRUTH.law, r_n=4)
    with pytest.raises(InputError, match="n_draws is 0 and seed 0"):
        bootstrap_data_constrained(fit, n_draws=0)
    draws = bootstrap_data_constrained(fit, n_draws=1)
    with pytest.raises(InputError, match="no constant 'G'; give one of r_d"):
        draws.interval("G")
    with pytest.raises(InputError, match="level must lie between 0 and 1, found 90"):
        draws.interval("r_d", 90)
