"""Optimal counts: against enumeration and random designs, and bounds that nothing passes."""

import itertools
import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.c_optimal import Offers, optimal_counts, whole_counts


def offers(seed: int, n: int = 200, *, budget: float = 300.0, max_count: float = math.inf) -> Offers:
    """Random slopes, longer where the price is higher."""
    rng = np.random.default_rng(seed)
    prices = np.exp(rng.uniform(0, 5, n))
    slopes = rng.standard_normal((n, 5)) * [3, 1, 0.3, 0.1, 0.03] * prices[:, None] ** 0.3
    return Offers(slopes, prices, rng.standard_normal(5), budget, max_count)


def random_counts(offers: Offers, rng: np.random.Generator) -> np.ndarray:
    """Whole counts of some offers that can be paid, until the money or the places are gone."""
    counts = np.zeros(len(offers.prices), dtype=np.int64)
    some = rng.choice(len(counts), size=rng.integers(1, 9))
    for one in itertools.islice(itertools.cycle(some), 400):
        if (
            counts @ offers.prices + offers.prices[one] <= offers.budget
            and counts.sum() + 1 <= offers.max_count
        ):
            counts[one] += 1
    return counts


@pytest.mark.parametrize("max_count", [math.inf, 12.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_attains_its_bound_and_no_random_counts_pass_it(seed: int, max_count: float) -> None:
    given = offers(seed, max_count=max_count)
    found = optimal_counts(given)
    assert found.counts.min() >= 0
    assert found.counts @ given.prices <= given.budget * (1 + 1e-9)
    assert found.counts.sum() <= max_count * (1 + 1e-9)
    assert found.bound <= found.variance <= found.bound * (1 + 1e-8)
    assert given.variance(found.counts) == pytest.approx(found.variance, rel=1e-9)
    whole = whole_counts(given, found)
    assert whole @ given.prices <= given.budget * (1 + 1e-9)
    assert whole.sum() <= max_count
    assert found.bound <= given.variance(whole)
    rng = np.random.default_rng(seed)
    others = [given.variance(random_counts(given, rng)) for _ in range(300)]
    assert min(others) >= given.variance(whole)
    assert min(others) >= found.bound
    # Neighbours, which are far better than random ones, do not pass the bound either.
    for _ in range(300):
        near = np.maximum(found.counts * rng.uniform(0.5, 1.5, len(whole)), 0)
        near += np.where(rng.random(len(near)) < 0.02, rng.uniform(0, 1, len(near)), 0)
        near *= min(given.budget / (near @ given.prices), max_count / near.sum())
        assert given.variance(near) >= found.bound * (1 - 1e-12)


@pytest.mark.parametrize("max_count", [math.inf, 3.0])
@pytest.mark.parametrize("seed", range(12))
def test_whole_counts_are_those_of_enumeration(seed: int, max_count: float) -> None:
    """Four offers and a budget for a few: all whole counts are tried."""
    rng = np.random.default_rng(100 + seed)
    prices = rng.uniform(1, 4, 4)
    given = Offers(rng.standard_normal((4, 3)), prices, rng.standard_normal(3), 10.0, max_count)
    found = optimal_counts(given)
    choices = itertools.product(*(range(int(10 // price) + 1) for price in prices))
    best = min(
        given.variance(counts)
        for counts in map(np.array, choices)
        if counts @ prices <= 10 and counts.sum() <= max_count
    )
    assert found.bound <= best * (1 + 1e-12)
    assert given.variance(whole_counts(given, found)) <= best * 1.02


def test_two_offers_in_closed_form() -> None:
    """Orthogonal slopes of lengths s at prices p: counts are in the ratio c sqrt(price) / s."""
    scale = 1e3  # what is known before is little beside it
    given = Offers(scale * np.diag([2.0, 1.0]), np.array([4.0, 1.0]), np.array([1.0, 3.0]), 100.0)
    found = optimal_counts(given)
    # Minimise 1 / (4 n1) + 9 / n2 under 4 n1 + n2 = 100: n1 = t / 4, n2 = 3 t with t = 25.
    np.testing.assert_allclose(found.counts, [6.25, 75.0], rtol=1e-3)
    assert found.variance * scale**2 == pytest.approx(1 / 25 + 9 / 75, rel=1e-4)


def test_what_costs_more_than_the_budget_is_not_bought() -> None:
    given = Offers(np.array([[100.0], [1.0]]), np.array([11.0, 3.0]), np.ones(1), 10.0)
    found = optimal_counts(given)
    np.testing.assert_allclose(found.counts, [0, 10 / 3])
    assert whole_counts(given, found).tolist() == [0, 3]
    assert given.variance(np.array([0, 3])) == pytest.approx(1 / 4)


def test_slopes_that_tell_nothing_leave_the_variance() -> None:
    given = Offers(np.array([[0.0, 1.0]]), np.ones(1), np.array([1.0, 0.0]), 10.0, 3.0)
    found = optimal_counts(given)
    assert found.variance == found.bound == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0.0}, "budget must be finite and above 0, found 0.0"),
        ({"budget": 0.5}, "the cheapest observation costs 1; raise the budget"),
        ({"max_count": 0.0}, "max_count must be 1 or above"),
        ({"prices": np.array([1.0, 0.0])}, "prices must be finite and above 0"),
    ],
)
def test_offers_that_cannot_be(change: dict[str, object], message: str) -> None:
    values: dict[str, object] = {
        "slopes": np.eye(2), "prices": np.ones(2), "direction": np.ones(2), "budget": 5.0
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        Offers(**(values | change))  # type: ignore[arg-type]
