"""Curvature of the frontier: sweeps that bend by a known amount, and what a design can see of it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_law

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit, fit_isoflop_profiles
from chinchilla_lib.fitting.curvature import detectable_curvature, measure_curvature
from chinchilla_lib.fitting.curvature_result import change_per_decade
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

NINE = np.geomspace(1e18, 1e21, 9).tolist()


def bowls(c2: float, *, n_budgets: int = 9, a: float = 0.5, shared: float = 0.0, seed: int = 0) -> SweepTable:
    """Valleys that are parabolas, with ``ln N_opt = ln 1e9 + a x + c2 x^2``.

    The minima of budgets are `shared` apart, as if each budget's runs had something in common.
    """
    flops = np.geomspace(1e18, 1e21, n_budgets)
    x = np.log(flops) - np.log(flops).mean()
    off = shared * np.random.default_rng(seed).standard_normal(n_budgets)
    v = np.linspace(-1.2, 1.2, 7)
    n_params = 1e9 * np.exp((a * x + c2 * x**2)[:, None] + v)
    loss = 3 - 0.1 * x[:, None] + 0.05 * (v - off[:, None]) ** 2
    loss = loss + 1e-3 * np.sqrt(shared > 0) * np.random.default_rng(seed + 1).standard_normal(loss.shape)
    return SweepTable.from_records(
        {"n_params": n, "n_tokens": c / (6 * n), "loss": value, "flops_budget": c}
        for c, sizes, losses in zip(flops, n_params, loss, strict=True)
        for n, value in zip(sizes, losses, strict=True)
    )


def bent(c2: float, *, n_sizes: int = 9, seed: int = 0, noise: float = 0.003) -> SweepTable:
    """The additive law with sizes and tokens of each budget moved so that its frontier bends by c2."""
    table = simulate_isoflop_sweep(PUBLISHED, NINE, n_sizes=n_sizes, decades=0.6, noise=noise, seed=seed)
    assert table.flops_budget is not None
    factor = np.exp(c2 * (np.log(table.flops_budget) - np.log(NINE).mean()) ** 2)
    return replace(table, n_params=table.n_params * factor, n_tokens=table.n_tokens / factor)


def closed(table: SweepTable, *budgets: int) -> SweepTable:
    """The smallest size of some valleys made the best of them."""
    loss = table.loss.copy()
    for number in budgets:
        index = table.valleys()[number].index
        loss[index[0]] = loss[index].min() - 0.002
    return replace(table, loss=loss)


@given(
    c2=st.floats(-0.05, 0.05), a=st.floats(0.2, 0.8), n_budgets=st.integers(4, 11), seed=st.integers(0, 2**32)
)
@settings(max_examples=20, deadline=None)
def test_valleys_that_are_parabolas_give_back_their_curve(
    c2: float, a: float, n_budgets: int, seed: int
) -> None:
    found = measure_curvature(bowls(c2, a=a, n_budgets=n_budgets), n_resamples=100, seed=seed)
    assert found.c2 == pytest.approx(c2, abs=1e-9)
    assert found.c1 == pytest.approx(a, abs=1e-9)
    assert math.exp(found.c0) == pytest.approx(1e9, rel=1e-8)
    assert found.middle_flops == pytest.approx(math.sqrt(1e18 * 1e21), rel=1e-12)
    # 6 N D = C: tokens bend the other way.
    assert (found.d_c1, found.d_c2) == pytest.approx((1 - a, -c2), abs=1e-9)
    assert found.p_value is None
    # A line through points of a parabola, evenly spaced, has its slope in their middle.
    for third in found.thirds:
        assert third.exponent == pytest.approx(found.exponent(math.sqrt(math.prod(third.flops))), abs=1e-8)


@pytest.mark.parametrize(
    ("c2", "verdict"),
    [(-0.02, "curved (concave)"), (0.02, "curved (convex)"), (0.0, "no curvature seen")],
)
@pytest.mark.parametrize("scheme", ["pairs", "residual"])
def test_strong_curvature_is_seen_on_its_side(c2: float, verdict: str, scheme: str) -> None:
    found = measure_curvature(bent(c2, seed=2), scheme=scheme)
    assert found.verdict == verdict
    assert found.c2_interval[0] <= c2 <= found.c2_interval[1]
    assert found.bootstrap.scheme == scheme
    assert found.p_value is not None
    assert (found.p_value < 0.01) == (c2 != 0)
    first, _, last = found.thirds
    assert np.sign(last.exponent - first.exponent) == np.sign(found.c2)
    assert found.change == change_per_decade(found.c2) == pytest.approx(found.c2 * math.log(100))
    above, below = found.exponent(10 * found.middle_flops), found.exponent(found.middle_flops)
    assert above - below == pytest.approx(found.change)


def test_the_draws_are_those_of_approach_2() -> None:
    """Same minima, same resamples, and over evenly spaced budgets the same line at their middle."""
    table = simulate_isoflop_sweep(PUBLISHED, NINE[:6], noise=0.002, seed=4)
    found = measure_curvature(table, n_resamples=300, seed=7)
    fit = bootstrap_fit(ISOFLOP, table, n_draws=300, seed=7)
    assert found.bootstrap == fit.diagnostics.bootstrap
    assert found.used == fit.points
    assert found.c1 == pytest.approx(fit.a, abs=1e-12)
    assert found.c1_interval == pytest.approx(fit.interval("a"), abs=1e-12)


def test_the_p_value_is_that_of_the_f_test() -> None:
    table = bent(-0.004, seed=3)
    points = fit_isoflop_profiles(table).points
    x, y = np.log([(p.flops, p.n_params) for p in points]).T
    x = x - x.mean()
    one, two = (float(((y - np.polyval(np.polyfit(x, y, k), x)) ** 2).sum()) for k in (1, 2))
    expected = f_law.sf((one - two) / (two / 6), 1, 6)
    assert measure_curvature(table, n_resamples=100).p_value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("n_budgets", "sizes", "shared"),
    [(4, (2, 2, 2), 1), (5, (2, 3, 2), 1), (6, (2, 2, 2), 0), (7, (2, 3, 2), 0), (8, (3, 2, 3), 0),
     (9, (3, 3, 3), 0), (10, (3, 4, 3), 0), (11, (4, 3, 4), 0)],
)  # fmt: skip
def test_thirds_are_of_the_budgets_in_order(n_budgets: int, sizes: tuple[int, ...], shared: int) -> None:
    found = measure_curvature(bowls(0, n_budgets=n_budgets), n_resamples=100)
    assert tuple(third.n_budgets for third in found.thirds) == sizes
    budgets = [point.flops for point in found.used]
    first, middle, last = found.thirds
    assert (first.flops[0], last.flops[1]) == (budgets[0], budgets[-1])
    for one, other in ((first, middle), (middle, last)):
        assert budgets.index(other.flops[0]) - budgets.index(one.flops[1]) == 1 - shared


def test_a_valley_with_its_minimum_at_an_edge_is_left_out_with_its_reason() -> None:
    table = closed(bowls(-0.01), 4)
    found = measure_curvature(table, n_resamples=100)
    ((flops, reason),) = found.dropped
    assert flops == pytest.approx(NINE[4])
    assert "edge" in reason
    assert found.n_budgets == 8
    assert found.c2 == pytest.approx(-0.01, abs=1e-9)


def test_windows_that_slide_make_parabolas_bend_and_that_is_no_curvature() -> None:
    """The same 25 sizes at every budget of a law whose frontier is straight."""
    sizes = np.geomspace(PUBLISHED.n_opt(NINE[0]) / 6, PUBLISHED.n_opt(NINE[-1]) * 6, 25)
    n_params, flops = np.tile(sizes, 9), np.repeat(NINE, 25)
    tokens = flops / (6 * n_params)
    for noise in (0.0, 5e-4):
        table = simulate_table(PUBLISHED, n_params, tokens, flops_budget=flops, noise=noise, seed=1)
        found = measure_curvature(table)
        assert found.c2_interval[1] < -0.002, "the interval alone would call it curved"
        assert found.parabola_c2 == pytest.approx(found.c2, abs=1e-9 if noise == 0 else 2e-4)
        assert found.verdict == "no curvature seen"
        assert any("parabolas add -0.029 per decade" in message for message in found.messages)
    straight = measure_curvature(bent(0.0))
    assert straight.parabola_c2 == pytest.approx(0, abs=1e-4)
    assert not any("parabolas add" in message for message in straight.messages)


def test_tokens_that_cost_other_than_six_nd_can_bend_the_frontier_of_a_law() -> None:
    """Then the curve is real: what the parabolas add is counted from the law's own minima."""
    table = simulate_isoflop_sweep(PUBLISHED, NINE)
    assert table.flops_budget is not None
    more = np.exp(0.02 * (np.log(table.flops_budget) - np.log(NINE).mean()) ** 2)
    n_params, n_tokens = table.n_params * more**PUBLISHED.a, table.n_tokens * more**PUBLISHED.b
    found = measure_curvature(
        simulate_table(PUBLISHED, n_params, n_tokens, flops_budget=table.flops_budget), n_resamples=100
    )
    assert found.c2 == pytest.approx(0.02 * PUBLISHED.a, rel=1e-3)
    assert found.d_c2 == pytest.approx(0.02 * PUBLISHED.b, rel=1e-3)
    assert found.parabola_c2 == pytest.approx(0, abs=1e-6)
    assert found.verdict == "curved (convex)"


def test_budgets_that_differ_in_something_else_must_convince_the_f_test() -> None:
    """Minima 0.2 apart in ln N for no reason that the runs of a valley show."""
    found = [
        measure_curvature(bowls(0, shared=0.2, seed=seed), scheme="residual", n_resamples=100)
        for seed in range(40)
    ]
    interval_alone = [not low <= 0 <= high for low, high in (one.c2_interval for one in found)]
    assert np.mean(interval_alone) > 0.7
    assert np.mean([one.verdict != "no curvature seen" for one in found]) < 0.25
    assert all("scatter about the curve" in " ".join(one.messages) for one in found)
    differing = [one for one, alone in zip(found, interval_alone, strict=True)
                 if alone and one.p_value is not None and one.p_value > 0.1]  # fmt: skip
    assert differing
    for one in differing:
        assert "the two answers differ: the 90% interval of c2 does not hold 0" in one.messages[0]


def rate(
    c2: float, scheme: str, n_sweeps: int, *, n_sizes: int, first: int = 0
) -> tuple[float, float, float]:
    """Share called curved, mean standard error, and standard deviation of c2 over sweeps."""
    found = [
        measure_curvature(bent(c2, n_sizes=n_sizes, seed=seed), scheme=scheme, n_resamples=200, seed=seed)
        for seed in range(first, first + n_sweeps)
    ]
    called = np.mean([one.verdict != "no curvature seen" for one in found])
    return (
        float(called),
        float(np.mean([one.c2_se for one in found])),
        float(np.std([one.c2 for one in found])),
    )


@pytest.mark.parametrize(
    ("scheme", "n_sizes", "false_alarms", "power", "wide"),
    [
        ("residual", 9, (0.04, 0.16), (0.72, 0.89), (1.0, 1.45)),
        ("pairs", 20, (0.04, 0.16), (0.66, 0.86), (0.9, 1.35)),
        # Cautious: half as many false alarms as allowed, or fewer, from a standard error of twice the truth.
        ("pairs", 9, (0.0, 0.09), (0.86, 1.0), (1.6, 2.6)),
    ],
)
def test_false_alarms_and_power(
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    n_sizes: int,
    false_alarms: tuple[float, float],
    power: tuple[float, float],
    wide: tuple[float, float],
) -> None:
    """At level 0.9, over 200 sweeps each: nominal are 0.1 and 0.8, their standard errors 0.02 and 0.03."""
    # Windows are centred here, so the parabola adds nothing; fitting a law to each sweep would take the time.
    monkeypatch.setattr("chinchilla_lib.fitting.curvature._parabola_c2", lambda *_: 0.0)
    called, se, truth = rate(0.0, scheme, 200, n_sizes=n_sizes)
    assert false_alarms[0] <= called <= false_alarms[1]
    assert wide[0] <= se / truth <= wide[1]
    called, _, _ = rate(-detectable_curvature(se), scheme, 200, n_sizes=n_sizes, first=1000)
    assert power[0] <= called <= power[1]


def test_detectable_curvature_is_the_normal_one() -> None:
    assert detectable_curvature(0.01) == pytest.approx(0.01 * (1.6448536 + 0.8416212))
    assert detectable_curvature(0.01, level=0.95, power=0.9) == pytest.approx(0.01 * (1.9599640 + 1.2815516))
    found = measure_curvature(bent(0.0), level=0.8, n_resamples=100)
    assert found.detectable == detectable_curvature(found.c2_se, level=0.8)
    assert found.detectable_change == change_per_decade(found.detectable)


def test_levels_are_nested_and_the_seed_decides() -> None:
    table = bent(-0.005)
    wide, narrow = (measure_curvature(table, level=level).c2_interval for level in (0.95, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert measure_curvature(table, seed=3) == measure_curvature(table, seed=3)
    assert measure_curvature(table, seed=3) != measure_curvature(table, seed=4)


def test_three_usable_budgets_are_refused() -> None:
    with pytest.raises(InputError, match=r"flops_budget.*: 3 budgets, but curvature .* need 4 or more"):
        measure_curvature(bowls(0, n_budgets=3))
    # Four are enough, one less is not.
    table = closed(bowls(0), 3, 5, 6, 7, 8)
    assert measure_curvature(table, n_resamples=100).n_budgets == 4
    with pytest.raises(InputError, match=r"3 of 9 budgets have a minimum inside.* need 4 .*edge"):
        measure_curvature(closed(table, 0))


def test_valleys_of_three_runs_have_no_interval() -> None:
    table = simulate_isoflop_sweep(PUBLISHED, NINE, n_sizes=3, noise=1e-3)
    with pytest.raises(InputError, match="curvature has no interval: 3 runs are resampled together"):
        measure_curvature(table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "jackknife"}, "scheme is 'jackknife'; give one of pairs"),
        ({"n_resamples": 99}, "n_resamples must be from 100 to 1000000, found 99"),
        ({"seed": -1}, "seed must be a whole number, 0 or above, found -1"),
        ({"level": 0.4}, r"level must be from 0\.5, below 1, found 0\.4"),
        ({"level": 1.0}, r"level must be from 0\.5, below 1, found 1\.0"),
    ],
)
def test_what_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_curvature(bent(0.0), **options)


def test_what_is_not_allowed_of_a_design_is_named() -> None:
    with pytest.raises(InputError, match="standard_error must be finite and 0 or above, found nan"):
        detectable_curvature(math.nan)
    with pytest.raises(InputError, match=r"power must lie between 1 - level = 0\.1, .* found 0\.05"):
        detectable_curvature(0.01, power=0.05)
