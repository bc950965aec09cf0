"""Approach 1: the law's frontier where curves follow the law, the naive loop, its report and refusals."""

import json
import math
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import bootstrap_fit
from chinchilla_lib.fitting.envelope import N_BUDGETS, envelope_estimator, fit_envelope
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from tests.fitting.test_isoflop import rebuilt
from tests.test_laws import PUBLISHED


def design(n_sizes: int, n_horizons: int, noise: float = 0.0, seed: int = 0) -> SweepTable:
    """Section 3.1: sizes from 70M to 10B, horizons spanning 16 times, around the optimum of the law."""
    sizes = np.geomspace(7e7, 1e10, n_sizes)
    tokens = sizes[:, None] * np.geomspace(20, 320, n_horizons)
    return simulate_table(PUBLISHED, np.repeat(sizes, n_horizons), tokens.ravel(), noise=noise, seed=seed)


TABLE = design(25, 4, noise=0.002, seed=1)
CURVES = simulate_curves(PUBLISHED, TABLE, noise=0.001, seed=1)
FIT = fit_envelope(TABLE, CURVES)


def most(n_sizes: int, fit: Any) -> float:
    """The most that steps of half a size to either side can turn a line: 1.5 steps over the range."""
    low, high = fit.diagnostics.details["budgets"]["range_counted"]
    step = math.log(1e10 / 7e7) / (n_sizes - 1)
    return 1.5 * step / math.log(high / low)


@pytest.mark.parametrize("n_sizes", [12, 25, 100])
def test_curves_that_follow_a_law_give_its_frontier(n_sizes: int) -> None:
    table = design(n_sizes, 4)
    fit = fit_envelope(table, simulate_curves(PUBLISHED, table))
    assert abs(fit.a - PUBLISHED.a) < most(n_sizes, fit)
    assert abs(fit.b - PUBLISHED.b) < most(n_sizes, fit)
    step = math.log(1e10 / 7e7) / (n_sizes - 1)
    assert abs(math.log(fit.n_opt.predict(1e20) / PUBLISHED.n_opt(1e20))) < step / 2
    # No curve lies below the envelope; chords between points lie above the law by less than a thousandth.
    assert fit.residuals.min() > -2e-3
    best = PUBLISHED.loss(PUBLISHED.n_opt(1e20), PUBLISHED.d_opt(1e20))
    assert fit.loss_line is not None
    near = min(fit.points, key=lambda point: abs(math.log(point.flops / 1e20)))
    assert near.loss == pytest.approx(PUBLISHED.loss(near.n_params, near.n_tokens), rel=1e-3)
    # A power law has no floor, so over four decades it is off by some percent in the middle.
    assert fit.loss_line.predict(1e20) == pytest.approx(best, rel=0.05)


def test_final_losses_alone_give_it_too() -> None:
    for n_sizes in (25, 100):
        table = design(n_sizes, 8)
        fit = fit_envelope(table, decayed=True)
        assert abs(fit.a - PUBLISHED.a) < most(n_sizes, fit)
        assert "run_id" not in fit.diagnostics.details["selected"][0]
        assert "share_done" not in fit.diagnostics.details


def test_edges_of_the_sizes_do_not_draw_the_frontier_inwards() -> None:
    """Twenty noisy sweeps rich in sizes: leaving out only budgets best at an edge gave a 0.02 low."""
    exponents = []
    for seed in range(20):
        sizes = np.geomspace(7e7, 1e10, 50)
        tokens = sizes[:, None] * np.geomspace(10, 640, 8)
        table = simulate_table(PUBLISHED, np.repeat(sizes, 8), tokens.ravel(), noise=0.002, seed=seed)
        exponents.append(fit_envelope(table, simulate_curves(PUBLISHED, table, n_points=100)).a)
    error = np.std(exponents, ddof=1) / math.sqrt(20)
    assert abs(np.mean(exponents) - PUBLISHED.a) < 4 * error < 0.02


def test_runs_of_equal_size_and_flops_are_averaged() -> None:
    table = design(25, 8, noise=0.002, seed=3)
    once = fit_envelope(table, decayed=True)
    twice = rebuilt(
        table,
        n_params=np.tile(table.n_params, 2),
        n_tokens=np.tile(table.n_tokens, 2),
        loss=np.concatenate([table.loss * np.exp(0.01), table.loss * np.exp(-0.01)]),
        flops_budget=None,
    )
    again = fit_envelope(twice, decayed=True)
    assert again.a == pytest.approx(once.a, rel=1e-6)


def test_under_six_nd_exponents_add_up_and_points_spend_their_budget() -> None:
    assert FIT.a + FIT.b == pytest.approx(1, abs=1e-9)
    for point in FIT.points:
        assert 6 * point.n_params * point.n_tokens == pytest.approx(point.flops, rel=1e-9)


def test_what_is_reported_of_budgets_and_runs() -> None:
    details = json.loads(json.dumps(FIT.diagnostics.to_dict(), allow_nan=False))["details"]
    budgets = details["budgets"]
    assert budgets["n"] == N_BUDGETS == 1500
    assert budgets["range"] == pytest.approx([TABLE.flops.min(), TABLE.flops.max()])
    low, high = budgets["range_counted"]
    assert TABLE.flops.min() < low < high < TABLE.flops.max()
    assert sum(row["n_budgets"] for row in details["selected"]) == budgets["n_counted"] < 1500
    assert len({row["run_id"] for row in details["selected"]}) == len(details["selected"]) == len(FIT.points)
    for row, point in zip(details["selected"], FIT.points, strict=True):
        run = TABLE.run_id.index(row["run_id"])
        assert row["n_params"] == pytest.approx(TABLE.n_params[run]) == pytest.approx(point.n_params)
        first, last = row["share_done"]
        assert 0 < first <= point.n_tokens / TABLE.n_tokens[run] <= last <= 1 + 1e-9
    assert details["share_done"]["min"] < details["share_done"]["median"] < details["share_done"]["max"]


def test_undecayed_curves_are_selected_late_in_their_schedule() -> None:
    """Footnote 4: what a learning rate has yet to gain moves the minimum to the ends of runs."""
    late = fit_envelope(TABLE, simulate_curves(PUBLISHED, TABLE, excess=0.3))
    shares = [fit.diagnostics.details["share_done"]["in_last_15_percent"] for fit in (FIT, late)]
    assert shares[0] < 0.3 and shares[1] > 0.7
    assert any("last 15 %" in message for message in FIT.diagnostics.messages)


def test_draws_repeat_and_lie_around_the_fit() -> None:
    estimator = envelope_estimator(CURVES)
    first, again = (bootstrap_fit(estimator, TABLE, n_draws=200, seed=3) for _ in range(2))
    assert first.draws is not None and again.draws is not None and first.draws.loss_line is not None
    np.testing.assert_array_equal(first.draws.a, again.draws.a)
    low, high = first.interval("a")
    assert low < FIT.a < high
    np.testing.assert_allclose(first.draws.a + first.draws.b, 1, atol=1e-9)
    # All runs once, at every fifth budget: steps of a size span dozens, so little changes.
    whole, unusable = estimator.refit(FIT, [np.ones((1, len(TABLE)), dtype=np.int64)])
    assert unusable == [] and abs(whole.a[0] - FIT.a) < 0.1 * (high - low)
    counts = np.random.default_rng(0).multinomial(100, np.full(100, 0.01), size=7)
    together = estimator.refit(FIT, [counts])[0]
    apart = [estimator.refit(FIT, [counts[k : k + 1]])[0].a[0] for k in range(7)]
    np.testing.assert_allclose(together.a, apart, rtol=1e-12)


def test_decayed_draws_have_intervals() -> None:
    fit = bootstrap_fit(envelope_estimator(decayed=True), design(12, 8, 0.002), n_draws=60)
    low, high = fit.interval("a")
    assert low < high and fit.allocate(1e20).loss_interval is not None


def test_runs_without_a_curve_and_other_orders() -> None:
    keep = np.flatnonzero(np.arange(100) % 10 != 3)
    fewer = CurveTable(
        run_id=tuple(TABLE.run_id[k] for k in keep[::-1]),
        n_params=TABLE.n_params[keep[::-1]],
        first=np.arange(len(keep)) * 200,
        **{
            name: getattr(CURVES, name).reshape(100, 200)[keep[::-1]].ravel()
            for name in ("step", "n_tokens", "flops", "loss")
        },
        source="some",
    )
    fit = fit_envelope(TABLE, fewer)
    assert (fit.diagnostics.n_runs_used, fit.diagnostics.n_runs_left_out) == (90, 10)
    assert "10 runs have no curve and are left out" in fit.diagnostics.messages
    assert np.isfinite(fit.residuals).all()
    (stratum,) = envelope_estimator(fewer).strata(fit)
    np.testing.assert_array_equal(stratum, keep)
    ones = np.ones((1, 90), dtype=np.int64)
    a = envelope_estimator(fewer).refit(fit, [ones])[0].a[0]
    assert a == pytest.approx(fit.a, abs=0.01)


@pytest.mark.parametrize(
    ("table", "options", "says"),
    [
        (TABLE, {}, "either curves or, with decayed=True"),
        (TABLE, {"curves": CURVES, "decayed": True}, "either curves or, with decayed=True"),
        (TABLE, {"curves": CURVES, "window": -1}, "window must be"),
        (TABLE, {"curves": CURVES, "window": math.nan}, "window must be"),
        (design(2, 4), {"curves": simulate_curves(PUBLISHED, TABLE)}, "92 of 100 runs are not in"),
        (design(2, 4), {"decayed": True}, "0 of 2 model sizes are best"),
        (design(9, 1), {"decayed": True}, "0 of 9 model sizes are best"),
        (simulate_table(PUBLISHED, [1e8, 1e8], [1e9, 2e9]), {"decayed": True}, "one size"),
        (simulate_table(PUBLISHED, [100, 1e8], [1e9, 2e9]), {"decayed": True}, "record 1, column 'n_params'"),
    ],
)
def test_refusals(table: SweepTable, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        fit_envelope(table, **options)
    assert "\n" not in str(error.value)


def test_two_thousand_curves_are_fitted() -> None:
    table = design(500, 4, noise=0.002)
    fit = fit_envelope(table, simulate_curves(PUBLISHED, table, n_points=25))
    assert fit.a == pytest.approx(PUBLISHED.a, abs=0.05)
