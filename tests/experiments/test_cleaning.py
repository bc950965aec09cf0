from dataclasses import replace

import pytest

from chinchilla_lib.corpus.pages import PAGES
from chinchilla_lib.experiments.cleaning import CLEANING
from chinchilla_lib.experiments.experiment import Results
from chinchilla_lib.laws import ParametricLoss
from tests.experiments.small_truth import LAW, simulate


def simulated(raw: ParametricLoss, noise: float = 0.003) -> Results:
    clean_part, raw_part = CLEANING.parts_of("cpu-20")
    return dict(simulate([clean_part], noise=noise)) | dict(simulate([raw_part], raw, noise=noise, seed=1))


def test_both_texts_are_trained_alike() -> None:
    parts = CLEANING.parts_of("cpu-20")
    assert {part.corpus for part in parts} == set(PAGES)
    clean, raw = (part.plan("c").configs for part in parts)
    assert clean == raw
    assert sum(config.flops for config in clean) < 5e12
    # No page comes up twice.
    assert max(config.n_tokens for config in clean) < 4_000_000


def test_the_verdict_follows_the_truth() -> None:
    share = 0.25
    diluted = CLEANING.judge(simulated(replace(LAW, B=LAW.B * share**-LAW.beta)), None)
    assert diluted.outcome == "holds", diluted
    assert diluted.numbers["size"] == pytest.approx(share**0.5, rel=0.15)
    same = CLEANING.judge(simulated(LAW), None)
    assert same.outcome == "does not hold", same
    assert same.numbers["rise"] == pytest.approx(0, abs=0.02)
    noisy = CLEANING.judge(simulated(replace(LAW, E=LAW.E + 0.05), noise=0.01), None)
    assert noisy.outcome == "cannot tell", noisy
    edge = CLEANING.judge(simulated(replace(LAW, B=LAW.B * 20)), None)
    assert edge.outcome == "cannot tell"
