"""Approach 2 against known truths, its identities, its invariances and its refusals.

The figures for the window are those of a dry run made before this code; tolerances are theirs.
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

BUDGETS = np.geomspace(1e18, 1e21, 9).tolist()


def rebuilt(table: SweepTable, **changes: Any) -> SweepTable:
    """A table from the columns of another, with some of them replaced; None leaves one out."""
    columns = {
        name: getattr(table, name) for name in ("n_params", "n_tokens", "loss", "flops_budget", "seed")
    }
    columns = {name: column for name, column in (columns | changes).items() if column is not None}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return SweepTable.from_records(rows)


def valley_of(n_params: list[float], loss: list[float], flops: float) -> list[dict[str, float]]:
    return [
        {"n_params": n, "n_tokens": flops / (6 * n), "loss": value, "flops_budget": flops}
        for n, value in zip(n_params, loss, strict=True)
    ]


def same(one: FrontierFit, other: FrontierFit, rel: float = 1e-9) -> None:
    assert other.a == pytest.approx(one.a, abs=rel)
    assert other.b == pytest.approx(one.b, abs=rel)
    for point, twin in zip(one.points, other.points, strict=True):
        assert twin.n_params == pytest.approx(point.n_params, rel=rel)
        assert twin.n_tokens == pytest.approx(point.n_tokens, rel=rel)
        assert twin.loss == pytest.approx(point.loss, rel=rel)


@pytest.mark.parametrize(("decades", "bias"), [(0.5, 0.01), (1.0, 0.04), (1.5, 0.09)])
def test_a_known_law_is_recovered_in_slope_and_biased_in_level(decades: float, bias: float) -> None:
    fit = fit_isoflop_profiles(simulate_isoflop_sweep(PUBLISHED, BUDGETS, decades=decades))
    assert fit.a == pytest.approx(0.4516, abs=5e-5)
    assert fit.b == pytest.approx(0.5484, abs=5e-5)
    high = np.array([point.n_params / PUBLISHED.n_opt(point.flops) - 1 for point in fit.points])
    np.testing.assert_allclose(high, bias, atol=0.005)
    for valley in fit.diagnostics.valleys:
        assert valley.window is not None
        assert np.ptp(valley.window) == pytest.approx(2 * decades, rel=1e-9)
        assert valley.window[0] == pytest.approx(-decades - math.log10(1 + high[0]), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_noisy_sweep_lands_within_a_hundredth(seed: int) -> None:
    table = simulate_isoflop_sweep(PUBLISHED, BUDGETS, decades=1.0, noise=0.002, seed=seed)
    fit = fit_isoflop_profiles(table)
    assert fit.a == pytest.approx(PUBLISHED.a, abs=0.01)
    # The rms residual shows the noise: 0.2 % of losses from 2.3 to 3.7.
    assert 0.003 < fit.diagnostics.residual_rms < 0.009


@given(
    n_sizes=st.integers(4, 9),
    budgets=st.lists(st.floats(16, 24), min_size=2, max_size=6, unique_by=lambda c: round(4 * c)),
    noise=st.floats(0, 0.002),
    seed=st.integers(0, 2**32),
)
def test_under_six_nd_exponents_add_up_and_the_budget_is_spent(
    n_sizes: int, budgets: list[float], noise: float, seed: int
) -> None:
    table = simulate_isoflop_sweep(
        PUBLISHED, [10**c for c in budgets], n_sizes=n_sizes, noise=noise, seed=seed
    )
    try:
        fit = fit_isoflop_profiles(table)
    except InputError as error:
        assert noise > 0 and "have a minimum inside" in str(error)
        return
    assert fit.a + fit.b == pytest.approx(1, abs=1e-9)
    for point in fit.points:
        assert 6 * point.n_params * point.n_tokens == pytest.approx(point.flops, rel=1e-9)
        allocation = fit.allocate(point.flops)
        assert 6 * allocation.n_params * allocation.n_tokens == pytest.approx(point.flops, rel=1e-9)


def test_tokens_come_from_the_runs_where_flops_are_not_six_nd() -> None:
    """Runs that cost 30 % more than 6ND train on fewer tokens, and the frontier says so."""
    table = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:3])
    short = rebuilt(table, n_tokens=table.n_tokens / 1.3, flops=table.flops)
    for point, full in zip(
        fit_isoflop_profiles(short).points, fit_isoflop_profiles(table).points, strict=True
    ):
        assert point.n_tokens == pytest.approx(full.n_tokens / 1.3, rel=1e-9)


NOISY = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:4], noise=0.002, seed=3)
BASE = fit_isoflop_profiles(NOISY)


@given(st.permutations(range(len(NOISY))))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    index = np.array(order)
    shuffled = SweepTable.from_records(
        {"n_params": n, "n_tokens": d, "loss": loss, "flops_budget": c}
        for n, d, loss, c in zip(
            NOISY.n_params[index],
            NOISY.n_tokens[index],
            NOISY.loss[index],
            BASE.table.flops_budget[index],
            strict=True,
        )
    )
    fit = fit_isoflop_profiles(shuffled)
    same(BASE, fit, rel=1e-14)
    np.testing.assert_allclose(fit.residuals, BASE.residuals[index], atol=1e-14)


@given(n=st.floats(1e-4, 1e6), d=st.floats(1e-4, 1e6), loss=st.floats(0.1, 10))
def test_a_change_of_units_moves_the_level_only(n: float, d: float, loss: float) -> None:
    scaled = fit_isoflop_profiles(
        rebuilt(NOISY, n_params=NOISY.n_params * n, n_tokens=NOISY.n_tokens * d, loss=NOISY.loss * loss)
    )
    assert scaled.a == pytest.approx(BASE.a, abs=1e-9)
    for point, base in zip(scaled.points, BASE.points, strict=True):
        assert point.n_params == pytest.approx(n * base.n_params, rel=1e-9)
        assert point.n_tokens == pytest.approx(d * base.n_tokens, rel=1e-9)
        assert point.loss == pytest.approx(loss * base.loss, rel=1e-9)


def test_budgets_found_by_clustering_are_the_stated_ones() -> None:
    clustered = fit_isoflop_profiles(rebuilt(NOISY, flops_budget=None))
    same(BASE, clustered)
    assert (BASE.diagnostics.budgets_from, clustered.diagnostics.budgets_from) == (
        "flops_budget",
        "clustered flops",
    )


def test_replicates_are_averaged_by_least_squares() -> None:
    """Every run twice changes nothing."""
    twice = {
        name: np.tile(getattr(NOISY, name), 2) for name in ("n_params", "n_tokens", "loss", "flops_budget")
    }
    doubled = rebuilt(NOISY, **twice, seed=np.repeat([0, 1], len(NOISY)))
    same(BASE, fit_isoflop_profiles(doubled))
    assert doubled.seed is not None


BOWL = [3.4, 3.1, 3.0, 3.1, 3.4]
SIZES = [1e6, 2e6, 4e6, 8e6, 16e6]


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ([3.0, 3.1, 3.3, 3.6, 4.0], "the minimum lies below the sampled sizes, beyond the edge 1M"),
        ([4.0, 3.6, 3.3, 3.1, 3.0], "the minimum lies above the sampled sizes, beyond the edge 16M"),
        ([4.0, 3.4, 3.1, 3.03, 3.0], "the lowest loss is that of the largest size, at the edge 16M"),
        ([3.0, 3.03, 3.1, 3.4, 4.0], "the lowest loss is that of the smallest size, at the edge 1M"),
        ([3.0, 3.2, 3.3, 3.2, 3.0], "the parabola does not open upward"),
        ([3.0, 3.0, 3.0, 3.0, 3.0], "the parabola does not open upward"),
    ],
)
def test_a_valley_without_a_minimum_inside_is_reported_and_left_out(loss: list[float], reason: str) -> None:
    good = [*valley_of(SIZES, BOWL, 1e15), *valley_of([*SIZES[1:], 32e6], BOWL, 4e15)]
    bad = valley_of(SIZES, loss, 16e15)
    fit = fit_isoflop_profiles(SweepTable.from_records([*good, *bad]))
    same(fit, fit_isoflop_profiles(SweepTable.from_records(good)))
    diagnostics = fit.diagnostics
    assert [valley.reason for valley in diagnostics.valleys] == [None, None, reason]
    assert diagnostics.valleys[2].optimum is None
    assert diagnostics.valleys[2].window is None
    assert (diagnostics.n_runs_used, diagnostics.n_runs_left_out) == (10, 5)
    assert f"the valley at 1.6e16 FLOPs is left out: {reason}" in diagnostics.messages
    assert any("two valleys" in message for message in diagnostics.messages)
    assert reason in " ".join(str(fit).split())
    with pytest.raises(InputError, match="1 of 2 valleys have a minimum inside"):
        fit_isoflop_profiles(SweepTable.from_records([*good[:5], *bad]))


def test_the_loss_line_goes_through_the_minima() -> None:
    fit = fit_isoflop_profiles(simulate_isoflop_sweep(PUBLISHED, BUDGETS[:2]))
    assert fit.loss_line is not None and fit.law is None
    for point in fit.points:
        assert fit.loss_line.predict(point.flops) == pytest.approx(point.loss, rel=1e-12)
        # At the truth the loss is flat in size: a window of half a decade moves it by less than 0.1 %.
        assert point.loss == pytest.approx(
            PUBLISHED.loss(PUBLISHED.n_opt(point.flops), PUBLISHED.d_opt(point.flops)), rel=1e-3
        )


def test_small_valleys_are_told_of_the_residual_scheme() -> None:
    for n_sizes, told in ((7, True), (8, False)):
        fit = fit_isoflop_profiles(simulate_isoflop_sweep(PUBLISHED, BUDGETS[:3], n_sizes=n_sizes))
        assert any("residual scheme" in message for message in fit.diagnostics.messages) == told


def test_residuals_are_loss_minus_parabola() -> None:
    rows = [*valley_of(SIZES, BOWL, 1e15), *valley_of(SIZES, [3.5, 3.0, 3.05, 3.0, 3.5], 4e15)]
    fit = fit_isoflop_profiles(SweepTable.from_records(rows))
    for start, valley in zip((0, 5), fit.diagnostics.valleys, strict=True):
        loss = fit.table.loss[start : start + 5]
        x = np.log(SIZES)
        line = np.polyfit(x - x.mean(), loss, 2)
        np.testing.assert_allclose(
            fit.residuals[start : start + 5], loss - np.polyval(line, x - x.mean()), atol=1e-12
        )
        assert valley.curvature == pytest.approx(2 * line[0], rel=1e-9)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (valley_of(SIZES[:2], BOWL[:2], 4e15), r"records 6, 7, column 'n_params': .*4e15.*2 runs of 2 sizes"),
        (valley_of([500.0, *SIZES], [4.0, *BOWL], 4e15), r"record 6, column 'n_params': found 500, .*1,000"),
        (valley_of([*SIZES, 1e12], [*BOWL, 4.0], 4e15), r"record 11, column 'n_tokens': found 666\.667"),
        (valley_of(SIZES[:1], BOWL[:1], 4e15), r"record 6, column 'n_params': .*1 run of 1 size;"),
        (valley_of([1e6] * 5, BOWL, 4e15), r"5 runs of 1 size;"),
        ([], r"records 1, 2, 3, 4, 5, column 'flops_budget': all runs belong to one budget, 1e15"),
    ],
)
def test_too_few_runs_are_refused_by_name(second: list[dict[str, float]], says: str) -> None:
    table = SweepTable.from_records([*valley_of(SIZES, BOWL, 1e15), *second])
    with pytest.raises(InputError, match=says):
        fit_isoflop_profiles(table)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.floats(1e3, 1e100),
            st.floats(1e3, 1e100),
            st.floats(1e-100, 1e100),
            st.sampled_from([1e-100, 1.0, 2.0, 1e100]),
        ),
        min_size=6,
        max_size=16,
    )
)
def test_extreme_tables_are_fitted_or_refused_without_a_warning(runs: list[tuple[float, ...]]) -> None:
    names = ("n_params", "n_tokens", "loss", "flops_budget")
    rows = [dict(zip(names, run, strict=True)) | {"flops": 1.0} for run in runs]
    try:
        fit = fit_isoflop_profiles(SweepTable.from_records(rows))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(fit.residuals).all()
        assert math.isfinite(fit.a) and math.isfinite(fit.b)
