"""The ladder: its runs, how each rung counts them, and verdicts on ladders whose truth is known."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments import kaplan_ladder
from chinchilla_lib.experiments.catalogue import EXPERIMENTS
from chinchilla_lib.experiments.experiment import Results
from chinchilla_lib.experiments.kaplan_ladder import (
    BATCH_SEQUENCES,
    KAPLAN_LADDER,
    RUNGS,
    WINDOW,
    difference,
    fit_ladder,
    fit_rung,
    kaplan_rate,
    rung_table,
)
from chinchilla_lib.experiments.main_sweep import DESIGN, MAIN
from chinchilla_lib.reference import load_paper_table
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.tiers import tier_shape
from tests.experiments.small_truth import LAW, law_with, simulate

PARTS = KAPLAN_LADDER.parts_of("cpu-20")
CONFIGS = {part.name: part.plan("corpus").configs for part in PARTS}
BEFORE_TUNING = [config for name, configs in CONFIGS.items() if name != "tuned" for config in configs]


def ladder(exponents: dict[str, float], noise: float = 0.001) -> Results:
    """Runs whose exponent is another in each part."""
    rows = {part.name: simulate([part], law_with(exponents[part.name]), noise=noise) for part in PARTS}
    return {name: results[name] for name, results in rows.items()}


def same_everywhere(a: float) -> dict[str, float]:
    return dict.fromkeys(CONFIGS, a)


def tilted(slope: float) -> Callable[[RunConfig], float]:
    return lambda config: 3 + slope * math.log(count_params(config.shape).total)


def test_each_rung_undoes_one_choice() -> None:
    def of(part: str, seed: int = 0) -> dict[tuple[int, int], RunConfig]:
        return {(c.shape.d_model, c.n_steps): c for c in CONFIGS[part] if c.seed == seed}

    kaplan, short, matched = of("as-kaplan"), of("short-warmup"), of("matched-decay")
    assert set(short) == set(matched)
    assert set(short) < set(kaplan)
    for key, config in short.items():
        assert replace(kaplan[key], warmup_steps=config.warmup_steps) == config
        wanted = {"cycle_steps": None, "final_learning_rate_fraction": 0.1}
        assert replace(config, **wanted) == matched[key]  # type: ignore[arg-type]
        n_params = count_params(config.shape).total
        assert config.warmup_steps == pytest.approx(n_params / config.batch_size_tokens, abs=0.5)
    assert {c.warmup_steps for c in kaplan.values()} == {300}


def test_before_tuning_all_have_one_batch_and_kaplans_rate() -> None:
    cycles = {config.cycle_steps for config in BEFORE_TUNING}
    assert cycles == {None, max(config.n_steps for config in BEFORE_TUNING)}
    for config in BEFORE_TUNING:
        assert config.batch_size_sequences == BATCH_SEQUENCES
        assert config.learning_rate == kaplan_rate(count_params(config.shape).non_embedding)
        assert config.n_steps > 100


def test_the_rate_is_kaplans() -> None:
    # Their equation gives 1e-3 where ln N = 2.239 / 0.1395 and would vanish at ln N = 3.239 / 0.1395.
    assert kaplan_rate(math.exp(2.239 / 0.1395)) == pytest.approx(1e-3)
    assert kaplan_rate(math.exp(3.239 / 0.1395)) == pytest.approx(0, abs=1e-12)


def test_runs_of_a_model_share_a_trunk_until_the_decay_is_matched() -> None:
    for part in ("as-kaplan", "short-warmup"):
        models = {(config.shape.d_model, config.seed) for config in CONFIGS[part]}
        assert len({config.trunk for config in CONFIGS[part]}) == len(models)
    assert {config.trunk for config in CONFIGS["matched-decay"]} == {None}


def test_new_runs_cost_no_more_than_agreed() -> None:
    new = sum(part.plan("corpus").flops for part in PARTS if part.name != "tuned")
    assert new <= 2.5e13


def test_the_last_rung_is_the_main_sweep() -> None:
    (main,) = MAIN.parts_of("cpu-60")
    assert {config.run_id for config in CONFIGS["tuned"]} < set(main.plan("corpus").run_ids)


def test_the_rungs_are_those_of_porian() -> None:
    assert len(load_paper_table("porian2024_steps").rows) == len(RUNGS)


@pytest.mark.parametrize("tier", ["ci", "cpu-20"])
def test_each_rung_has_its_valleys_in_its_own_count(tier: str) -> None:
    results = simulate(KAPLAN_LADDER.parts_of(tier))
    for rung in RUNGS:
        table = rung_table(results, rung)
        assert len(table.budgets()) == (3 if tier == "cpu-20" else 2)
        assert table.flops_budget is not None
        assert np.abs(table.flops / table.flops_budget - 1).max() < 0.01
        ratio = table.flops / (6 * table.n_params * table.n_tokens)
        assert (ratio == pytest.approx(1)) == (rung.counting == "kaplan")
        for valley in table.valleys():
            sizes = table.n_params[valley.index]
            assert len(set(sizes)) >= 3
            assert sizes.max() <= WINDOW**2 * sizes.min()


@pytest.mark.parametrize(("slope", "widths"), [(0.1, (8, 12, 24)), (-0.1, (40, 64, 88))])
def test_valleys_reach_to_their_planned_ends_in_both_counts(slope: float, widths: tuple[int, ...]) -> None:
    rows = [{**simulate_run(config, LAW).to_row(), "loss": tilted(slope)(config)}
            for config in CONFIGS["as-kaplan"]]  # fmt: skip
    for rung, params in zip(RUNGS[:2], ("non_embedding", "total"), strict=True):
        table = rung_table({"as-kaplan": rows}, rung)
        best = [table.n_params[v.index[table.loss[v.index].argmin()]] for v in table.valleys()]
        assert best == [getattr(count_params(tier_shape(DESIGN, width)), params) for width in widths]


def test_a_window_takes_the_sizes_within_its_factor() -> None:
    results = simulate(PARTS)
    everything = rung_table(results, RUNGS[1], window=math.inf)
    assert len(everything) == len(CONFIGS["short-warmup"])
    near = rung_table(results, RUNGS[1], window=2)
    for valley in near.valleys():
        sizes = near.n_params[valley.index]
        best = sizes[near.loss[valley.index].argmin()]
        of_valley = everything.flops_budget == valley.flops
        inside = np.abs(np.log(everything.n_params / best)) <= math.log(2)
        assert set(sizes) == set(everything.n_params[of_valley & inside])


def test_a_law_of_all_parameters_looks_steeper_as_kaplan_counts() -> None:
    """The same losses: only the count differs, and the count alone must not hide behind training."""
    fits = fit_ladder(simulate(PARTS, law_with(0.5), noise=0.0005), n_draws=200)
    for fit in fits[1:]:
        assert fit.a == pytest.approx(0.5, abs=0.04)
    assert fits[0].a > fits[1].a + 0.08
    fall, (low, high) = difference(fits[0], fits[1])
    assert low < fall < high


def test_a_ladder_that_falls_holds() -> None:
    results = ladder({"as-kaplan": 0.7, "short-warmup": 0.6, "matched-decay": 0.57, "tuned": 0.5})
    verdict = KAPLAN_LADDER.judge(results, None)
    assert verdict.outcome == "holds", verdict
    assert verdict.numbers["training"] == pytest.approx(0.2, abs=0.08)
    assert verdict.numbers["total"] > verdict.numbers["training"]


def test_counting_alone_is_not_enough() -> None:
    verdict = KAPLAN_LADDER.judge(ladder(same_everywhere(0.5)), None)
    assert verdict.outcome == "cannot tell", verdict
    assert verdict.numbers["total_low"] > 0


def test_a_ladder_that_rises_does_not_hold() -> None:
    results = ladder({"as-kaplan": 0.4, "short-warmup": 0.6, "matched-decay": 0.6, "tuned": 0.6})
    verdict = KAPLAN_LADDER.judge(results, None)
    assert verdict.outcome == "does not hold", verdict
    assert RUNGS[2].name in verdict.text


@pytest.mark.parametrize(
    ("exponents", "error", "outcome"),
    [
        ((0.75, 0.65, 0.60, 0.55, 0.50), 0.005, "holds"),
        ((0.75, 0.65, 0.60, 0.55, 0.50), 0.1, "cannot tell"),
        ((0.62, 0.52, 0.515, 0.51, 0.50), 0.005, "cannot tell"),  # by counting, not by training
        ((0.55, 0.52, 0.515, 0.51, 0.50), 0.005, "does not hold"),  # falls, but by less than 0.1
        ((0.75, 0.65, 0.70, 0.55, 0.50), 0.005, "does not hold"),  # rises on the way
    ],
)
def test_the_verdict_is_that_of_the_rule(
    exponents: tuple[float, ...], error: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draws of each rung are made up: normal about its exponent."""
    rng = np.random.default_rng(0)
    fits = []
    for a in exponents:
        fit = SimpleNamespace(a=a, draws=SimpleNamespace(a=a + error * rng.standard_normal(4000)))
        fit.interval = lambda name, a=a: (a - 1.645 * error, a + 1.645 * error)
        fit.diagnostics = SimpleNamespace(valleys=())
        fits.append(fit)
    monkeypatch.setattr(kaplan_ladder, "fit_ladder", lambda results: tuple(fits))
    verdict = KAPLAN_LADDER.judge({}, None)
    assert verdict.outcome == outcome, verdict
    # 90 % of a difference of two; an end of 4000 draws scatters by 2 % of a half-width.
    half = 1.645 * math.sqrt(2) * error
    assert verdict.numbers["total_high"] - verdict.numbers["total_low"] == pytest.approx(2 * half, rel=0.08)


def test_rungs_with_the_same_runs_have_draws_of_their_own() -> None:
    short = simulate([part for part in PARTS if part.name == "short-warmup"])["short-warmup"]
    results = {"short-warmup": short, "matched-decay": short}
    draws = [fit_rung(results, rung, n_draws=400).draws for rung in RUNGS[2:4]]
    assert draws[0] is not None and draws[1] is not None
    n = min(len(draws[0].a), len(draws[1].a))
    correlation = np.corrcoef(draws[0].a[:n], draws[1].a[:n])[0, 1]
    assert abs(correlation) < 0.2  # four standard deviations of 400 independent pairs


@pytest.mark.parametrize("slope", [0.1, -0.1])
def test_a_valley_without_a_minimum_cannot_tell(slope: float) -> None:
    results = {**simulate(PARTS)}
    results["matched-decay"] = [
        {**simulate_run(config, LAW).to_row(), "loss": tilted(slope)(config)}
        for config in CONFIGS["matched-decay"]
    ]
    assert KAPLAN_LADDER.judge(results, None).outcome == "cannot tell"


def test_what_cannot_be_compared_is_refused() -> None:
    results = simulate(PARTS)
    with pytest.raises(InputError, match="a fit has no draws"):
        difference(fit_rung(results, RUNGS[1], n_draws=0), fit_rung(results, RUNGS[2]))
    nowhere = {"tuned": [row for row in results["tuned"] if row["flops_budget"] == 7.0]}
    with pytest.raises(InputError, match="tuned: no run lies at a budget"):
        rung_table(nowhere, RUNGS[-1])


def test_it_is_registered() -> None:
    assert EXPERIMENTS["kaplan-ladder"] is KAPLAN_LADDER


def test_the_recorded_runs_are_those_of_the_plan() -> None:
    recorded = load_recorded("kaplan-ladder-cpu-20")
    for part in PARTS:
        plan = part.plan(recorded.provenance["corpus"])
        assert [row["run_id"] for row in recorded.parts()[part.name]] == list(plan.run_ids)
    assert "+" not in recorded.provenance["commit"]
