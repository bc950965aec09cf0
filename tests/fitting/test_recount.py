"""The frontier in another count: known where counts agree, found by brute force where not, and published."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.recount import recount_frontier
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import LAWS, load_paper_table

OMEGA = 47491.0
PEARCE = np.geomspace(10**2.9, 10**9.2, 20)  # sizes of their simulation


def all_of(others: np.ndarray) -> np.ndarray:
    return others + OMEGA * others ** (1 / 3)


@given(alpha=st.floats(0.2, 0.5), beta=st.floats(0.2, 0.5), factor=st.floats(1, 20))
@settings(max_examples=20, deadline=None)
def test_one_who_counts_all_finds_the_laws_own_frontier(alpha: float, beta: float, factor: float) -> None:
    law = ParametricLoss(E=1.7, A=400, B=1000, alpha=alpha, beta=beta)
    sizes = np.geomspace(1e5, 1e9, 7)
    found = recount_frontier(law, sizes, sizes, 6 * sizes)
    np.testing.assert_allclose(found.exponent, beta / (alpha + beta), rtol=1e-9)
    np.testing.assert_allclose(law.n_opt(found.flops), sizes, rtol=1e-6)
    # A constant factor in what a token costs moves budgets, and no size.
    dearer = recount_frontier(law, sizes, sizes, 6 * factor * sizes)
    np.testing.assert_allclose(dearer.flops, factor * found.flops, rtol=1e-9)


@pytest.mark.parametrize("name", ["epoch", "hoffmann"])
def test_the_best_size_is_that_of_brute_force(name: str) -> None:
    law = LAWS[name].law
    others = np.geomspace(1e3, 1e9, 601)
    found = recount_frontier(law, all_of(others), others, 6 * others)
    for i in (50, 300, 550):
        budget = float(found.flops[i])

        def loss(log_n: float, budget: float = budget) -> float:
            n = math.exp(log_n)
            return law.loss(n + OMEGA * n ** (1 / 3), budget / (6 * n))

        middle = math.log(others[i])
        best = minimize_scalar(
            loss, bounds=(middle - 2, middle + 2), method="bounded", options={"xatol": 1e-7}
        )
        assert best.x == pytest.approx(middle, abs=2e-3)


def test_slopes_are_those_of_the_budgets() -> None:
    others = np.geomspace(1e3, 1e9, 601)
    found = recount_frontier(LAWS["epoch"].law, all_of(others), others, 6 * others)
    middle = slice(299, 302)
    slope = np.polyfit(np.log(found.flops[middle]), np.log(found.counted[middle]), 1)[0]
    assert found.exponent[300] == pytest.approx(slope, rel=1e-3)
    assert found.flops == pytest.approx(6 * found.counted * found.n_tokens)


def test_the_published_exponents_come_out() -> None:
    """0.78 and 0.74 of Pearce and Song; theirs come from a simulated grid of budgets, ours from no grid."""
    rows = {row["item"]: row["value"] for row in load_paper_table("pearce_song2024").rows}
    for law, title in (("epoch", "Epoch AI"), ("hoffmann", "Chinchilla")):
        published = float(rows[f"non-embedding exponent, simulated, {title} constants"])
        found = recount_frontier(LAWS[law].law, all_of(PEARCE), PEARCE, 6 * PEARCE)
        assert found.line().exponent == pytest.approx(published, abs=0.01)


def test_far_above_the_embedding_the_count_does_not_matter() -> None:
    law = LAWS["epoch"].law
    others = np.geomspace(1e13, 1e15, 30)
    found = recount_frontier(law, all_of(others), others, 6 * others)
    assert found.exponent == pytest.approx(law.beta / (law.alpha + law.beta), abs=2e-3)


def test_a_line_through_part_of_it() -> None:
    found = recount_frontier(LAWS["epoch"].law, all_of(PEARCE), PEARCE, 6 * PEARCE)
    part = found.line(found.flops[5], found.flops[6])
    assert part.predict(float(found.flops[5])) == pytest.approx(found.counted[5])
    with pytest.raises(InputError, match="low and high are 1 and 2; give a range of FLOPs"):
        found.line(1, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, 2], [1, 2, 3], [1, 2, 3]), "n_params must be three positive"),
        (([1, 2, 3], [1, 2, 2], [1, 2, 3]), "counted must be three positive"),
        (([1, 2, 3], [1, 2, 3], [0, 2, 3]), "flops_per_token must be three positive"),
        (([1, 2, 3], [1, 2, 3], [1, 2, 3, 4]), "columns differ in length: n_params 3, counted 3"),
        (([1, 2, 4, 1e9], [1, 2, 3, 4], [1, 2, 4, 4.1]), "several best sizes"),
    ],
)
def test_what_cannot_be_counted_is_refused(columns: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recount_frontier(LAWS["epoch"].law, *columns)
