"""What the fitting room says of its search and of its intervals, against the recorded campaigns."""

import pytest

from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, VALLEY, Estimator, bootstrap_fit, envelope_estimator
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

RECORDED = load_recorded("certify-parametric")


def test_the_campaign_is_whole() -> None:
    assert [int(row["data_set"]) for row in RECORDED.rows] == list(range(300))
    assert RECORDED.provenance["n_runs"] == 300
    sizes = [int(row["n_runs"]) for row in RECORDED.rows]
    assert min(sizes) <= 12
    assert max(sizes) >= 180
    assert max(float(row["noise"]) for row in RECORDED.rows) > 0.04


def test_the_fast_search_is_never_worse() -> None:
    worse = [row["data_set"] for row in RECORDED.rows if float(row["fast"]) > float(row["full"]) * (1 + 1e-9)]
    assert worse == []


@pytest.mark.parametrize("scheme", ["pairs", "residual", "subsample"])
@pytest.mark.parametrize(
    "estimator", [envelope_estimator(), ISOFLOP, VALLEY, PARAMETRIC], ids=lambda estimator: estimator.method
)
def test_intervals_that_hold_otherwise_than_they_claim_are_known(estimator: Estimator, scheme: str) -> None:
    shares = [
        float(row["coverage"])
        for row in load_recorded("coverage").rows
        if (row["method"], row["scheme"], row["level"]) == (estimator.method, scheme, "0.9")
    ]
    if not shares or (min(shares) >= 0.86 and max(shares) <= 0.97):
        assert scheme not in estimator.held
    else:
        assert estimator.held[scheme] == pytest.approx((min(shares), max(shares)), abs=0.0051)


def test_a_fit_says_how_often_its_intervals_held() -> None:
    sweep = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20, 1e21], n_sizes=9, noise=0.001, seed=0)
    fit = bootstrap_fit(ISOFLOP, sweep, n_draws=200)
    told = "held the truth in 95% to 98% of simulated sweeps: wider than they need be"
    assert told in fit.verdict.reason
    assert any(told in message for message in fit.diagnostics.messages)
    narrow = bootstrap_fit(ISOFLOP, sweep, n_draws=200, scheme="subsample")
    assert "67% to 82% of simulated sweeps: too narrow, use pairs" in narrow.verdict.reason
    assert "held the truth" not in bootstrap_fit(VALLEY, sweep, n_draws=200).verdict.reason
