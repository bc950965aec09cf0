"""The laws of Kaplan et al. (2020) are those of the table of facts, and agree as they say."""

import math

import pytest

from chinchilla_lib.laws import PowerLaw
from chinchilla_lib.reference import CONFIDENCE, load_paper_table
from chinchilla_lib.reference.kaplan import KAPLAN, KAPLAN_LAWS, PF_DAY

FACTS = {row["item"]: row for row in load_paper_table("kaplan2020_facts").rows}


@pytest.mark.parametrize(
    ("name", "item"), [("n_opt", "N_opt(C_min)"), ("d_opt", "D_opt"), ("batch", "B"), ("n_steps", "S_min")]
)
def test_laws_of_compute_are_table_6(name: str, item: str) -> None:
    coefficient, exponent = FACTS[item]["value"].split(" * C^")
    published = KAPLAN_LAWS[name]
    assert published.law.predict(PF_DAY) == pytest.approx(float(coefficient), rel=1e-9)
    assert published.law.exponent == float(exponent)
    assert published.confidence == FACTS[item]["confidence"]


@pytest.mark.parametrize(
    ("name", "item", "unit"),
    [
        ("loss_of_params", "alpha_N, N_c", 1),
        ("loss_of_tokens", "alpha_D, D_c", 1),
        ("loss_of_compute", "alpha_C_min, C_c_min", PF_DAY),
    ],
)
def test_losses_are_1_at_their_scale(name: str, item: str, unit: float) -> None:
    exponent, scale = map(float, FACTS[item]["value"].split(", "))
    published = KAPLAN_LAWS[name]
    assert published.law.exponent == -exponent
    assert published.law.predict(scale * unit) == pytest.approx(1, rel=1e-9)
    assert published.confidence == FACTS[item]["confidence"]


def test_the_joint_law_has_the_others_as_limits() -> None:
    assert KAPLAN.loss(1e9, 1e90) == pytest.approx(KAPLAN_LAWS["loss_of_params"].law.predict(1e9), rel=1e-9)
    assert KAPLAN.loss(1e90, 1e10) == pytest.approx(KAPLAN_LAWS["loss_of_tokens"].law.predict(1e10), rel=1e-9)


def test_hoffmann_et_al_print_the_size_at_half_the_budget() -> None:
    assert KAPLAN_LAWS["n_opt"].law.predict(5e20) == pytest.approx(4.68e9, rel=1e-3)
    assert KAPLAN_LAWS["n_opt"].law.predict(1e21) == pytest.approx(
        float(FACTS["implied N at 1e21 FLOPs"]["value"]), rel=1e-3
    )


def test_ten_times_the_compute_makes_the_model_5_times_larger() -> None:
    assert 10 ** KAPLAN_LAWS["n_opt"].law.exponent == pytest.approx(5.37, abs=5e-3)
    assert 10 ** KAPLAN_LAWS["d_opt"].law.exponent == pytest.approx(1.86, abs=5e-3)


def test_size_batch_and_steps_spend_the_compute() -> None:
    """6 N B S is C_min to rounding; the tokens of one epoch are twice B S, as at the critical batch."""
    laws = {name: published.law for name, published in KAPLAN_LAWS.items()}
    for flops in (1e16, PF_DAY, 1e23):
        tokens = laws["batch"].predict(flops) * laws["n_steps"].predict(flops)
        assert 6 * laws["n_opt"].predict(flops) * tokens == pytest.approx(flops, rel=0.05)
        assert laws["d_opt"].predict(flops) == pytest.approx(2 * tokens, rel=0.1)


def test_the_laws_contradict_each_other_where_section_6_3_says() -> None:
    """Compute promises less than its tokens allow: from 1e12 of both, to a factor of ten, and 1.7 nats."""
    tokens, limit = KAPLAN_LAWS["d_opt"].law, KAPLAN_LAWS["loss_of_tokens"].law
    allowed = PowerLaw.from_log(_log(limit) + limit.exponent * _log(tokens), limit.exponent * tokens.exponent)
    loss = KAPLAN_LAWS["loss_of_compute"].law
    crossing = (loss.coefficient / allowed.coefficient) ** (1 / (allowed.exponent - loss.exponent))
    assert loss.predict(crossing) == pytest.approx(1.7, abs=0.1)
    assert 1e11 < KAPLAN_LAWS["n_opt"].law.predict(crossing) < 1e13
    assert 1e11 < tokens.predict(crossing) < 1e13


def _log(law: PowerLaw) -> float:
    return math.log(law.coefficient)


@pytest.mark.parametrize("name", KAPLAN_LAWS)
def test_every_law_says_where_it_is_from(name: str) -> None:
    assert KAPLAN_LAWS[name].confidence in CONFIDENCE
    assert KAPLAN_LAWS[name].source.startswith("arXiv 2001.08361")
