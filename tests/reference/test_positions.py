"""Models of Table 1 beside the optima of the laws."""

import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import LAWS
from chinchilla_lib.reference.positions import (
    KAPLAN_N_OPT,
    Position,
    model_positions,
    positions_of,
    positions_text,
)

POSITIONS = model_positions()
MODELS = ["LaMDA", "GPT-3", "Jurassic", "Gopher", "MT-NLG 530B", "Chinchilla"]


def test_every_model_stands_under_every_law() -> None:
    laws = [*LAWS, "approach 1", "approach 2", "kaplan"]
    assert [(p.model, p.law) for p in POSITIONS] == [(model, law) for model in MODELS for law in laws]


@pytest.mark.parametrize(
    "p", [p for p in POSITIONS if p.law in LAWS], ids=lambda p: f"{p.model} under {p.law}"
)
def test_excess_and_factor_are_those_of_the_law(p: Position) -> None:
    law = LAWS[p.law].law
    assert p.loss == law.loss(p.n_params, p.n_tokens)
    assert p.size_factor == pytest.approx(p.d_opt / p.n_tokens)
    assert p.excess_loss >= 0
    # The compute factor is a claim about another budget: there the optimum has the model's loss.
    smaller = p.flops / p.compute_factor
    assert law.loss(law.n_opt(smaller), law.d_opt(smaller)) == pytest.approx(p.loss, rel=1e-12)


def test_a_model_at_the_optimum_loses_nothing() -> None:
    law = ParametricLoss(E=1.5, A=400.0, B=400.0, alpha=0.3, beta=0.3)  # D_opt = N_opt
    for p in model_positions({"even": law}):
        assert p.size_factor == pytest.approx((p.n_params / p.n_tokens) ** 0.5)
    law = ParametricLoss(E=1.5, A=400.0, B=400.0 * 20**0.3, alpha=0.3, beta=0.3)  # D_opt = 20 N_opt
    chinchilla = model_positions({"twenty": law})[-1]
    assert chinchilla.model == "Chinchilla"
    assert chinchilla.size_factor == pytest.approx(1)
    assert chinchilla.excess_loss == pytest.approx(0, abs=1e-12)
    assert chinchilla.compute_factor == pytest.approx(1)


def test_kaplan_gives_the_size_that_hoffmann_et_al_quote() -> None:
    """Section 2 of the paper: 4.68B at half the budget of 1e21, and 7.77B at the whole."""
    assert KAPLAN_N_OPT.predict(5e20) == pytest.approx(4.68e9, rel=2e-3)
    assert KAPLAN_N_OPT.predict(1e21) == pytest.approx(7.77e9, rel=2e-3)


def test_lines_know_no_loss() -> None:
    for p in POSITIONS:
        assert (p.loss is None) == (p.excess_loss is None) == (p.law not in LAWS)
        assert 6 * p.n_opt * p.d_opt == pytest.approx(p.flops)


def test_the_text_has_a_line_for_each() -> None:
    lines = positions_text(POSITIONS).splitlines()
    assert len(lines) == 1 + len(POSITIONS)
    assert max(map(len, lines)) <= 110
    gopher = next(line for line in lines if line.startswith("Gopher") and " hoffmann-unrounded " in line)
    assert gopher.split()[2:8] == ["5.04e23", "280B", "38B", "300B", "2.21T", "7.37"]


@pytest.mark.parametrize("counts", [(0.0, 1e9), (1e9, -1.0), (math.nan, 1e9), (1e9, math.inf)])
def test_counts_are_positive(counts: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"mine: n_(params|tokens) is .*; it must be finite and above 0"):
        positions_of("mine", *counts)
