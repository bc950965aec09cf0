import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.experiments import corruption
from chinchilla_lib.experiments.corruption import (
    CLEAN,
    CORRUPTION,
    FRACTIONS,
    Change,
    compare,
    fit_part,
    hedge,
    part_name,
)
from chinchilla_lib.experiments.main_sweep import DESIGN, MAIN
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.tiers import tier_shape
from tests.experiments.small_truth import LAW, simulate


def as_fewer_tokens(share: float, offset: float = 0.0) -> ParametricLoss:
    """The law of text that counts as a share of its tokens, with a floor that lies higher."""
    return replace(LAW, B=LAW.B * share**-LAW.beta, E=LAW.E + offset)


def lowest_loss(law: ParametricLoss, flops: float) -> float:
    """Of the design's models, FLOPs counted as the plans count them: 6ND is off at these sizes."""
    shapes = [tier_shape(DESIGN, width) for width in range(8, 128, 2)]
    tokens = [flops / training_flops_per_token(shape, "matmul") for shape in shapes]
    return min(law.loss(count_params(shape).total, n) for shape, n in zip(shapes, tokens, strict=True))


def simulated(laws: dict[float, ParametricLoss], noise: float = 0.003) -> dict[str, list[dict[str, object]]]:
    clean, *corrupted = CORRUPTION.parts_of("cpu-20")
    results = dict(simulate([clean], noise=noise))
    for number, (fraction, part) in enumerate(zip(FRACTIONS, corrupted, strict=True)):
        results |= simulate([part], laws[fraction], noise=noise, seed=number + 1)
    return results


def test_the_plan_replaces_tokens_and_takes_its_clean_runs_from_the_main_sweep() -> None:
    clean, *corrupted = (part.plan("c") for part in CORRUPTION.parts_of("cpu-20"))
    assert set(clean.run_ids) < set(MAIN.parts_of("cpu-20")[0].plan("c").run_ids)
    assert [plan.name for plan in corrupted] == [part_name(fraction) for fraction in FRACTIONS]
    for fraction, plan in zip(FRACTIONS, corrupted, strict=True):
        assert {config.corrupted_fraction for config in plan.configs} == {fraction}
        assert {config.flops_budget for config in plan.configs} == {1e11, 3e11, 1e12}
    assert sum(plan.flops for plan in corrupted) < 1.62e13
    assert {c.corrupted_fraction for part in CORRUPTION.parts_of("ci") for c in part.plan("c").configs} == {
        0,
        0.5,
    }


def test_valleys_stay_inside_wherever_the_optimum_goes() -> None:
    for fraction in FRACTIONS:
        for share in (1.0, (1 - fraction) ** 2):
            laws = dict.fromkeys(FRACTIONS, as_fewer_tokens(share))
            results = simulated(laws, noise=0.0)
            fit = fit_part(results[part_name(fraction)], source="x")
            assert all(valley.reason is None for valley in fit.diagnostics.valleys)
            for valley in fit.diagnostics.valleys:
                assert valley.window is not None
                assert valley.window[0] < -0.2
                assert valley.window[1] > 0.2


def test_what_was_done_to_the_law_is_found_again() -> None:
    laws = {c: as_fewer_tokens((1 - c) ** 2, offset=hedge(c)) for c in FRACTIONS}
    results = simulated(laws)
    clean = fit_part(results[CLEAN], source="clean", seed=0)
    for fraction, law in laws.items():
        change = compare(clean, fit_part(results[part_name(fraction)], source="x", seed=1))
        assert change.flops == pytest.approx(math.sqrt(1e11 * 1e12))
        # With alpha = beta the optimum moves by the root of the share of tokens that count.
        assert change.size == pytest.approx(1 - fraction, rel=0.12)
        assert change.size_interval[0] < change.size < change.size_interval[1]
        # A line through three losses bends a little.
        assert change.rise == pytest.approx(
            lowest_loss(law, change.flops) - lowest_loss(LAW, change.flops), abs=0.03
        )
        assert change.rise_interval[0] < change.rise < change.rise_interval[1]


def test_intervals_of_a_change_are_those_of_a_difference_of_two() -> None:
    """Half-widths of ln N_opt add as squares where both frontiers scatter alone."""
    results = simulated({c: as_fewer_tokens(1.0) for c in FRACTIONS})
    fits = [fit_part(results[part], source=part, seed=i) for i, part in enumerate((CLEAN, part_name(0.5)))]
    change = compare(fits[0], fits[1])
    halves = []
    for fit in fits:
        low, high = fit.allocate(change.flops, 0.9).n_params_interval or (0.0, 0.0)
        halves.append(math.log(high / low) / 2)
    low, high = change.size_interval
    # Draws are a thousand combinations of a few signs, not quite normal.
    assert math.log(high / low) / 2 == pytest.approx(math.hypot(*halves), rel=0.15)


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((0.85, 1.2), "holds"),
        ((0.85, 1.3), "cannot tell"),
        ((0.75, 1.2), "cannot tell"),
        ((1.3, 1.5), "does not hold"),
        ((0.5, 0.75), "does not hold"),
    ],
)
def test_the_verdict_is_that_of_the_rule(
    interval: tuple[float, float], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Change(3e11, math.sqrt(math.prod(interval)), interval, 0.1, (0.0, 0.2))
    no_doubts = SimpleNamespace(diagnostics=SimpleNamespace(valleys=()))
    monkeypatch.setattr(corruption, "fit_part", lambda rows, source, seed: no_doubts)
    monkeypatch.setattr(corruption, "compare", lambda clean, corrupted: change)
    verdict = CORRUPTION.judge({CLEAN: [], **{part_name(c): [] for c in FRACTIONS}}, None)
    assert verdict.outcome == outcome, verdict


def test_the_verdict_follows_the_truth() -> None:
    floor = CORRUPTION.judge(simulated({c: as_fewer_tokens(1.0, hedge(c)) for c in FRACTIONS}), None)
    assert floor.outcome == "holds", floor
    assert floor.numbers["rise_corrupted-50"] == pytest.approx(math.log(2), abs=0.03)
    fewer = CORRUPTION.judge(simulated({c: as_fewer_tokens((1 - c) ** 2, hedge(c)) for c in FRACTIONS}), None)
    assert fewer.outcome == "does not hold", fewer
    assert fewer.numbers["rise_corrupted-50_low"] > hedge(0.5)
    noisy = CORRUPTION.judge(simulated(dict.fromkeys(FRACTIONS, LAW), noise=0.02), None)
    assert noisy.outcome == "cannot tell", noisy
    edge = simulated({0.1: LAW, 0.5: replace(LAW, B=LAW.B * 5)})
    assert CORRUPTION.judge(edge, None).outcome == "cannot tell"


def test_a_short_tier_is_judged_by_its_one_share() -> None:
    verdict = CORRUPTION.judge(simulate(CORRUPTION.parts_of("ci")), None)
    assert {name for name in verdict.numbers if name.startswith("size")} == {
        f"size_corrupted-50{end}" for end in ("", "_low", "_high")
    }


def test_hedging_costs_most_where_the_text_is_sure() -> None:
    # A model that says (1 - c) p + c / V in place of p: per token never more than the bound, and all of it
    # where p = 1 and V is large.
    p = np.geomspace(1e-6, 1, 50)
    for fraction in FRACTIONS:
        for vocab_size in (512, 10**9):
            cost = np.log(p) - np.log((1 - fraction) * p + fraction / vocab_size)
            assert cost.max() <= hedge(fraction)
        assert cost[-1] == pytest.approx(hedge(fraction), abs=1e-6)
