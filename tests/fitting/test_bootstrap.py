"""The stratified pairs bootstrap: equal to the naive loop, counted, reproducible, and of honest coverage."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import MAX_DRAWS, bootstrap_fit, resample_counts
from chinchilla_lib.fitting.diagnostics import SCHEMES
from chinchilla_lib.fitting.isoflop import ISOFLOP, fit_isoflop_profiles
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.fitting.test_isoflop import BOWL, BUDGETS, SIZES, rebuilt, valley_of
from tests.test_laws import PUBLISHED

SMALL = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:3], n_sizes=5, decades=0.6, noise=0.004, seed=1)


HARD = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:3], n_sizes=6, decades=0.6, noise=0.02, seed=1)
"""Noise that bends some resamples the wrong way and moves minima out of their valley."""


def naive(table: SweepTable, n_draws: int, seed: int) -> tuple[list[tuple[float, float]], Counter[str]]:
    """Approach 2 on every resample: rows repeated, polyfit, interpolation, a line."""
    valleys = table.valleys()
    (counts,) = resample_counts([len(v.index) for v in valleys], n_draws, np.random.default_rng(seed))
    exponents, unusable = [], Counter[str]()
    for draw in range(n_draws):
        log_n, log_d, reasons = [], [], []
        for valley, drawn in zip(valleys, counts, strict=True):
            rows = np.repeat(valley.index, drawn[draw])
            x, center = np.log(table.n_params[rows]), np.log(table.n_params[valley.index]).mean()
            if len(np.unique(x)) < 3:
                reasons.append("1 fewer than three distinct sizes in a valley")
                continue
            c2, c1, _ = np.polyfit(x - center, table.loss[rows], 2)
            if c2 <= 0:
                reasons.append("2 a parabola that does not open upward")
                continue
            lowest = center - c1 / (2 * c2)
            known = np.log(table.n_params[valley.index])
            if not known.min() < lowest < known.max():
                reasons.append("3 a minimum outside the valley's sizes")
            log_n.append(lowest)
            log_d.append(np.interp(lowest, known, np.log(table.n_tokens[valley.index])))
        if reasons:
            unusable[min(reasons)[2:]] += 1
        else:
            log_flops = np.log([valley.flops for valley in valleys])
            exponents.append((np.polyfit(log_flops, log_n, 1)[0], np.polyfit(log_flops, log_d, 1)[0]))
    return exponents, unusable


def test_the_batch_is_the_naive_loop() -> None:
    fit = bootstrap_fit(ISOFLOP, HARD, n_draws=300, seed=5)
    exponents, unusable = naive(HARD, 300, 5)
    report = fit.diagnostics.bootstrap
    assert fit.draws is not None and report is not None
    assert len(unusable) == 3  # the case shows every reason
    assert report.unusable == unusable
    assert report.n_usable == len(exponents) == 300 - unusable.total()
    np.testing.assert_allclose(np.stack([fit.draws.a, fit.draws.b], axis=1), exponents, rtol=1e-7)
    low, high = np.quantile([a for a, _ in exponents], [0.05, 0.95])
    assert fit.interval("a") == pytest.approx((low, high), rel=1e-7)


def test_residual_draws_are_polyfits_of_fitted_losses_plus_residuals() -> None:
    table = SMALL
    base = fit_isoflop_profiles(table)
    rng = np.random.default_rng(3)
    losses = [table.loss[v.index] + rng.normal(0, 0.002, (40, len(v.index))) for v in table.valleys()]
    assert ISOFLOP.refit_losses is not None
    draws, unusable = ISOFLOP.refit_losses(base, losses)
    assert len(draws.a) == 40 - len(unusable) > 20
    row = 0
    for draw in range(40):
        log_n = []
        for valley, loss in zip(table.valleys(), losses, strict=True):
            x = np.log(table.n_params[valley.index])
            c2, c1, _ = np.polyfit(x - x.mean(), loss[draw], 2)
            lowest = x.mean() - c1 / (2 * c2)
            if c2 > 0 and x.min() < lowest < x.max():
                log_n.append(lowest)
        if len(log_n) == 3:
            slope = np.polyfit(np.log([v.flops for v in table.valleys()]), log_n, 1)[0]
            assert draws.a[row] == pytest.approx(slope, rel=1e-7)
            row += 1
    assert row == len(draws.a)
    fit = bootstrap_fit(ISOFLOP, table, n_draws=100, scheme="residual")
    assert fit.draws is not None and fit.draws.loss_line is not None
    low, high = fit.interval("a")
    assert low < fit.a < high


def test_strata_keep_their_sizes_and_runs_are_drawn_evenly() -> None:
    sizes, n_draws = [5, 3, 9], 3000
    counts = next(resample_counts(sizes, n_draws, np.random.default_rng(0)))
    for n_runs, drawn in zip(sizes, counts, strict=True):
        assert drawn.shape == (n_draws, n_runs)
        assert (drawn.sum(axis=1) == n_runs).all()
        # Each count is binomial with mean 1 and variance below 1: five standard errors are 0.09.
        np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.09)
        np.testing.assert_allclose(drawn.var(axis=0), 1 - 1 / n_runs, rtol=0.15)
    # Strata are independent of each other.
    assert abs(np.corrcoef(counts[0][:, 0], counts[2][:, 0])[0, 1]) < 0.09


def test_counts_do_not_depend_on_the_batches() -> None:
    whole = next(resample_counts([5, 7], 101, np.random.default_rng(2)))
    parts = list(resample_counts([5, 7], 101, np.random.default_rng(2), n_cells=120))
    assert len(parts) == 11
    for stratum in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[stratum] for part in parts]), whole[stratum])


def test_draws_repeat_with_the_seed_and_ignore_the_order_of_rows() -> None:
    first, again, other = (bootstrap_fit(ISOFLOP, SMALL, n_draws=200, seed=seed) for seed in (1, 1, 2))
    assert first.draws is not None and again.draws is not None and other.draws is not None
    np.testing.assert_array_equal(first.draws.a, again.draws.a)
    assert not np.array_equal(first.draws.a[:50], other.draws.a[:50])
    columns: dict[str, Any] = {
        name: getattr(SMALL, name)[::-1] for name in ("n_params", "n_tokens", "loss", "flops_budget")
    }
    backwards = bootstrap_fit(ISOFLOP, rebuilt(SMALL, **columns), n_draws=200, seed=1)
    assert backwards.draws is not None
    np.testing.assert_array_equal(first.draws.a, backwards.draws.a)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_progress_counts_every_draw_once(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr("chinchilla_lib.fitting.bootstrap._batch_sizes", lambda *_: iter([40, 40, 20]))
    said: list[int] = []
    bootstrap_fit(ISOFLOP, SMALL, n_draws=100, scheme=scheme, on_progress=said.append)
    assert said == [40, 80, 100]


def test_a_valley_that_is_left_out_is_not_resampled() -> None:
    good = [*valley_of(SIZES, BOWL, 1e15), *valley_of([*SIZES[1:], 32e6], BOWL, 4e15)]
    bad = valley_of(SIZES, BOWL[::-1][:1] * 2 + [4.0] + BOWL[:2], 16e15)
    table = SweepTable.from_records([*good, *bad])
    assert fit_isoflop_profiles(table).diagnostics.n_runs_left_out == 5
    with_bad = bootstrap_fit(ISOFLOP, table, n_draws=100)
    without = bootstrap_fit(ISOFLOP, SweepTable.from_records(good), n_draws=100)
    assert with_bad.draws is not None and without.draws is not None
    np.testing.assert_array_equal(with_bad.draws.a, without.draws.a)


def test_the_share_of_unusable_resamples_is_reported() -> None:
    fit = bootstrap_fit(ISOFLOP, SMALL, n_draws=400)
    report = fit.diagnostics.bootstrap
    assert report is not None
    assert report.unusable_share == pytest.approx(sum(report.unusable.values()) / 400)
    # Five runs: the chance of one or two distinct sizes in a valley is 0.0976, in one of three 0.265.
    few = report.unusable["fewer than three distinct sizes in a valley"] / 400
    assert few == pytest.approx(1 - (1 - 0.0976) ** 3, abs=0.08)
    assert report.unusable_share > 0.1
    assert any("unusable" in message for message in fit.diagnostics.messages)


def test_valleys_of_three_runs_give_no_interval() -> None:
    """Every resample that determines a parabola repeats the sample: no spread, so no interval."""
    table = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:2], n_sizes=3, noise=0.001)
    fit = bootstrap_fit(ISOFLOP, table, n_draws=400)
    assert fit.draws is not None
    assert np.ptp(fit.draws.a) < 1e-9
    assert not fit.has_intervals
    with pytest.raises(InputError, match="3 runs are resampled together"):
        fit.interval("a")
    assert any(message.startswith("no intervals") for message in fit.diagnostics.messages)
    assert fit.allocate(1e20).n_params_interval is None


def test_no_draws_no_intervals() -> None:
    fit = bootstrap_fit(ISOFLOP, SMALL, n_draws=0)
    assert fit.draws is None
    assert fit.diagnostics.bootstrap is None
    assert not fit.has_intervals
    one = bootstrap_fit(ISOFLOP, SMALL, n_draws=1, seed=0)
    assert not one.has_intervals


@pytest.mark.parametrize(
    "options", [{"n_draws": -1}, {"n_draws": MAX_DRAWS + 1}, {"n_draws": 10, "seed": -1}]
)
def test_refusals(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must be"):
        bootstrap_fit(ISOFLOP, SMALL, **options)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """60 sweeps of 5 budgets and 9 sizes, nominal 90 %.

    Set beforehand: 46 of 60 or more (fewer has a chance below 0.002 at 90 %), and no interval so
    wide as to be empty talk: the median width at most twice the 3.3 standard deviations it should be.
    """
    hits, widths, estimates = 0, [], []
    for seed in range(60):
        table = simulate_isoflop_sweep(PUBLISHED, BUDGETS[:5], noise=0.002, seed=seed)
        fit = bootstrap_fit(ISOFLOP, table, n_draws=200, seed=seed)
        low, high = fit.interval("a")
        hits += low <= PUBLISHED.a <= high
        widths.append(high - low)
        estimates.append(fit.a)
    assert hits >= 46
    assert np.median(widths) < 2 * 3.3 * np.std(estimates)
