"""The catalogue: every experiment is complete, what is recorded is what it planned, names are refused."""

import sys
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.catalogue import (
    EXPERIMENTS,
    TIERS_BY_MINUTES,
    choose_tier,
    find_experiment,
    load_largest,
)
from chinchilla_lib.experiments.experiment import Experiment
from chinchilla_lib.fitting import FrontierFit, bootstrap_fit
from chinchilla_lib.reference.recorded import list_recorded, load_recorded
from chinchilla_lib.sweeps.tiers import TIERS

ALL = [(experiment, tier) for experiment in EXPERIMENTS.values() for tier in experiment.parts]
RECORDED = [(experiment, tier) for experiment, tier in ALL if f"{experiment.name}-{tier}" in list_recorded()]


@pytest.mark.parametrize(("experiment", "tier"), ALL, ids=lambda value: getattr(value, "name", value))
def test_each_has_a_claim_a_place_in_the_paper_a_rule_and_a_plan(experiment: Experiment, tier: str) -> None:
    assert experiment.claim
    assert experiment.section
    assert experiment.rule.startswith("holds if")
    assert (experiment.foretell is None) == (experiment.later is None)
    assert tier in {*TIERS_BY_MINUTES, *TIERS}
    for part in experiment.parts_of(tier):
        configs = part.plan("corpus").configs
        assert all(config.corpus == "corpus" for config in configs)
        assert all(config.shape.vocab_size == part.vocab_size for config in configs)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge from 50 resamples: here that a verdict is reached; the chapter prints it from all of them."""

    def fewer(*arguments: Any, **options: Any) -> FrontierFit:
        return bootstrap_fit(*arguments, **{**options, "n_draws": 50})

    for name, module in list(sys.modules.items()):
        if name.startswith("chinchilla_lib.experiments.") and hasattr(module, "bootstrap_fit"):
            monkeypatch.setattr(module, "bootstrap_fit", fewer)


@pytest.mark.parametrize(("experiment", "tier"), RECORDED, ids=lambda value: getattr(value, "name", value))
def test_what_is_recorded_is_what_was_planned_and_says_how(
    experiment: Experiment, tier: str, few_draws: None
) -> None:
    recorded = load_recorded(f"{experiment.name}-{tier}")
    parts = recorded.parts()
    planned = experiment.parts_of(tier, recorded.forecast)
    assert len(parts) == len(planned)
    corpora = []
    for part, rows in zip(planned, parts.values(), strict=True):
        (corpus,) = {row["corpus"] for row in rows}
        corpora.append(corpus)
        plan, run_ids = part.plan(corpus), [row["run_id"] for row in rows]
        assert run_ids[: len(plan.configs)] == list(plan.run_ids)
        assert plan.ladder is not None or len(run_ids) == len(plan.configs)
    about = recorded.provenance
    assert about["n_runs"] == len(recorded.rows)
    assert about["corpus"] == ", ".join(dict.fromkeys(corpora))
    assert about["seeds"] == sorted({int(row["seed"]) for row in recorded.rows})
    assert all(len(commit) == 40 for commit in about["commit"].split(", ")), "trained at commits, unchanged"
    assert about["run_seconds"] > 0
    assert len(recorded.table()) == len(recorded.rows)
    if recorded.curve_rows:
        assert {row["run_id"] for row in recorded.curve_rows} == {row["run_id"] for row in recorded.rows}
    verdict = experiment.judge(parts, recorded.forecast)
    assert verdict.numbers


def test_the_tier_taken_is_the_largest_that_is_allowed() -> None:
    main = find_experiment("main")
    assert [choose_tier(main, tier) for tier in TIERS_BY_MINUTES] == list(TIERS_BY_MINUTES)
    assert choose_tier(find_experiment("rates"), "cpu-120") == "cpu-20"


def test_the_largest_recorded_tier_is_loaded() -> None:
    assert load_largest("rates").rows == load_recorded("rates-cpu-20").rows


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no experiment 'nothing'; choose one of rates"):
        find_experiment("nothing")
    with pytest.raises(InputError, match="no experiment 'nothing'"):
        load_largest("nothing")


def test_what_is_not_recorded_says_how_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chinchilla_lib.experiments.catalogue.list_recorded", lambda: ["rates-other"])
    with pytest.raises(InputError, match="nothing of rates is recorded; run 'chinchilla-lib experiment run"):
        load_largest("rates")
