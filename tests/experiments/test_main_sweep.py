import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.main_sweep import (
    CODE,
    DESIGN,
    MAIN,
    N_SEEDS,
    count_in_all_ways,
    exponents_by_window,
    fit_all,
    plan_ladder,
    seed_noise,
)
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import tier_shape
from tests.experiments.small_truth import LAW, law_with, simulate


def test_the_design_spans_what_was_asked_for() -> None:
    budgets = list(DESIGN.widths)
    assert len(budgets) >= 6
    assert math.log10(budgets[-1] / budgets[0]) >= 2.5
    assert all(6 <= len(widths) <= 8 for widths in DESIGN.widths.values())
    assert all(N_SEEDS[budget] >= 2 for budget in budgets if budget <= 3e12)
    horizons = [
        sum(width in widths for widths in DESIGN.widths.values()) for width in (32, 40, 48, 64, 80, 96)
    ]
    assert min(horizons) >= 4, "models in the middle are trained to four lengths"
    for budget, widths in DESIGN.widths.items():
        sizes = [count_params(tier_shape(DESIGN, width)).total for width in widths]
        assert sizes[0] * 2 < LAW.n_opt(budget) < sizes[-1] / 2, "room on both sides of the optimum"


def test_a_ladder_has_the_budgets_sizes_and_seeds_asked_for() -> None:
    plan = plan_ladder("english", name="x", identity="c", n_seeds={3e10: 3, 1e12: 2})
    assert len(plan.configs) == 7 * 3 + 7 * 2
    assert {config.shape.d_model for config in plan.configs if config.flops_budget == 1e12} == {
        28, 32, 40, 48, 64, 80, 96}  # fmt: skip
    with pytest.raises(InputError, match="budget is 5e\\+10; the design has 3e\\+10"):
        plan_ladder("english", name="x", identity="c", n_seeds={5e10: 1})


def test_the_verdict_follows_the_truth() -> None:
    parts = MAIN.parts_of("cpu-120")
    half = MAIN.judge(simulate(parts), None)
    assert half.outcome == "holds", half
    assert half.numbers["a_parametric"] == pytest.approx(0.5, abs=0.02)
    other = MAIN.judge(simulate(parts, law_with(0.65)), None)
    assert other.outcome == "does not hold", other
    assert other.numbers["a_parametric"] == pytest.approx(0.65, abs=0.02)
    nowhere = MAIN.judge(simulate(parts, replace(LAW, A=LAW.A / 1000)), None)
    assert nowhere.outcome == "cannot tell"
    assert "have a minimum inside" in nowhere.text
    noisy = MAIN.judge(simulate(MAIN.parts_of("ci"), noise=0.03), None)
    assert noisy.outcome == "cannot tell", noisy


def test_code_like_english_or_not() -> None:
    english, code = CODE.parts_of("cpu-20")
    rows = simulate([english], noise=0.001)
    same = CODE.judge(rows | simulate([code], noise=0.001, seed=1), None)
    assert same.outcome == "holds", same
    far = CODE.judge(rows | simulate([code], law_with(0.6), noise=0.001), None)
    assert far.outcome == "does not hold", far


def test_counting_moves_the_exponent_as_the_formulas_say() -> None:
    table = SweepTable.from_records(simulate(MAIN.parts_of("cpu-60"))["english"])
    ways = {(way.params, way.flops): way for way in count_in_all_ways(table, n_draws=200)}
    assert len(ways) == 4
    # Without the embedding, a table of V times d, small models count for less, so that growth looks faster.
    assert ways["non-embedding", "matmul"].a > ways["total", "matmul"].a + 0.05
    # By 6ND the small models' other products are left out, so that compute grows faster and a is smaller.
    assert ways["total", "6ND"].a < ways["total", "matmul"].a
    assert all(way.interval[0] < way.a < way.interval[1] for way in ways.values())
    with pytest.raises(InputError, match="n_params_non_embedding is missing"):
        count_in_all_ways(replace(table, n_params_non_embedding=None))


def test_the_noise_over_seeds_is_found_again() -> None:
    table = SweepTable.from_records(simulate(MAIN.parts_of("cpu-20"), noise=0.004)["english"])
    relative = replace(table, loss=np.asarray(table.loss) / table.loss.mean())
    assert seed_noise(relative) == pytest.approx(0.004, rel=0.35)
    (part,) = MAIN.parts_of("cpu-20")
    once = SweepTable.from_records([row for row in simulate([part])["english"] if row["seed"] == 0])
    with pytest.raises(InputError, match="no run has a second seed"):
        seed_noise(once)


def test_windows_narrow_to_the_middle_and_stop_where_too_few_sizes_are_left() -> None:
    table = SweepTable.from_records(simulate(MAIN.parts_of("cpu-60"), noise=0.0)["english"])
    found = exponents_by_window(table, factors=(1.1, 3, math.inf))
    assert set(found) == {3, math.inf}
    assert found[3] != found[math.inf]
    assert all(a == pytest.approx(0.5, abs=0.03) for a in found.values())


def test_all_approaches_read_the_same_runs() -> None:
    (part,) = MAIN.parts_of("cpu-20")
    records = [simulate_run(config, LAW, noise=0.002) for config in part.plan("c").configs]
    table = SweepTable.from_records(records)
    fits = fit_all(table, CurveTable.from_records(records, table), n_draws=100)
    assert set(fits) == {"envelope", "isoflop", "valley", "parametric"}
    assert all(fit.a == pytest.approx(0.5, abs=0.06) for fit in fits.values())
