"""The surface between runs: it knows what it was made from, tells its own error, and ends where they end."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.game.surface import RunSurface, seed_noise, table_digest
from chinchilla_lib.game.variants import VARIANTS, recorded_surface, recorded_table
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

LAW = ParametricLoss(E=1.5, A=60.0, B=300.0, alpha=0.35, beta=0.37)


def simulated(noise: float, n_seeds: int = 2, *, seed: int = 0) -> SweepTable:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "n_params": size,
            "n_tokens": flops / (6 * size),
            "loss": LAW.loss(size, flops / (6 * size)) * math.exp(noise * rng.standard_normal()),
            "seed": number,
        }
        for flops in np.geomspace(1e11, 1e13, 5)
        for size in np.geomspace(0.3, 3.0, 7) * 3e4 * (flops / 1e11) ** 0.5
        for number in range(n_seeds)
    ]
    return SweepTable.from_records(rows, source="simulated runs")


EXACT = RunSurface.from_table(simulated(1e-9))


@given(st.floats(2e4, 3e5), st.floats(0.05, 0.95))
def test_a_known_law_is_found_between_its_runs(n_params: float, share: float) -> None:
    low, high = EXACT.token_range(n_params)
    n_tokens = low * (high / low) ** share
    assert EXACT.loss(n_params, n_tokens) == pytest.approx(LAW.loss(n_params, n_tokens), rel=2e-3)


def test_noise_and_left_out_error_are_those_of_the_simulation() -> None:
    found = [RunSurface.from_table(simulated(0.004, 3, seed=seed)) for seed in range(6)]
    assert np.mean([one.noise for one in found]) == pytest.approx(0.004, rel=0.1)
    # A mean of three seeds scatters by noise / sqrt(3); its neighbours add their share of error.
    assert 0.6 < np.mean([one.left_out_error for one in found]) / (0.004 / math.sqrt(3)) < 2.0


def test_left_out_error_is_what_refitting_without_each_design_gives() -> None:
    table = simulated(0.004)
    surface = RunSurface.from_table(table)
    pairs = np.column_stack([table.n_params, table.n_tokens])
    errors = []
    for place in np.unique(pairs, axis=0):
        is_here = (pairs == place).all(axis=1)
        rest = RunSurface.from_table(table.take(np.flatnonzero(~is_here)))
        try:
            foretold = rest.loss(*place)
        except InputError:
            continue  # on the edge
        errors.append(math.log(foretold) - np.log(table.loss[is_here]).mean())
    assert len(errors) > 10
    assert np.std(errors) == pytest.approx(surface.left_out_error, rel=0.5)


@pytest.mark.parametrize("name", VARIANTS)
def test_recorded_runs_are_foretold_about_as_well_as_a_seed_repeats(name: str) -> None:
    surface = recorded_surface(name)
    assert surface.left_out_error < 1.5 * surface.noise


@pytest.mark.parametrize("name", VARIANTS)
def test_recorded_runs_lie_in_their_region(name: str) -> None:
    surface, table = recorded_surface(name), recorded_table(name)
    for n_params, n_tokens, loss in zip(table.n_params, table.n_tokens, table.loss, strict=True):
        low, high = surface.token_range(n_params)
        inside = min(max(n_tokens, low), high)
        assert inside == pytest.approx(n_tokens, rel=1e-6)
        assert surface.loss(n_params, inside) == pytest.approx(loss, rel=6 * surface.noise)


@given(st.floats(1e3, 1e8), st.floats(1e4, 1e10))
def test_outside_it_refuses_and_says_where_the_region_ends(n_params: float, n_tokens: float) -> None:
    surface = recorded_surface("code")
    low, high = surface.size_range
    if not low < n_params < high:
        with pytest.raises(InputError, match=r"n_params is .* recorded runs have"):
            surface.loss(n_params, n_tokens)
        return
    fewest, most = surface.token_range(n_params)
    if fewest <= n_tokens <= most:
        assert 1 < surface.loss(n_params, n_tokens) < 10
    else:
        with pytest.raises(InputError, match=r"n_tokens is .* recorded runs reach from"):
            surface.loss(n_params, n_tokens)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_what_is_no_count_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="n_params must be a finite number above 0"):
        EXACT.loss(value, 1e6)
    with pytest.raises(InputError, match="n_tokens must be a finite number above 0"):
        EXACT.loss(1e5, value)


def test_tables_that_span_no_surface_are_refused() -> None:
    table = simulated(0.004)
    with pytest.raises(InputError, match="pairs of size and tokens"):
        RunSurface.from_table(table.take(range(8)))
    with pytest.raises(InputError, match="no run has a second seed"):
        RunSurface.from_table(table.take(range(0, len(table), 2)))
    line = [
        {"n_params": 1e4 * 2**k, "n_tokens": 1e6 * 2**k, "loss": 3.0 - 0.1 * k + 0.01 * s}
        for k in range(12)
        for s in range(2)
    ]
    with pytest.raises(InputError, match="on one line"):
        RunSurface.from_table(SweepTable.from_records(line, source="a line"))


def test_a_digest_knows_every_run_and_no_order() -> None:
    table = simulated(0.004)
    assert table_digest(table) == table_digest(table.take(range(len(table))[::-1]))
    assert table_digest(table) != table_digest(table.take(range(1, len(table))))
    assert seed_noise(table) == pytest.approx(seed_noise(table.take(range(len(table))[::-1])))
