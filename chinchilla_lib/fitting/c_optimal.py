"""c-optimal designs under a price: which observations tell one number best, with a bound on what any could.

Observations y_i = g_i'theta + noise of one variance come at a price p_i; theta is known before with the
information matrix I (directions are whitened, so that it is the identity). Counts n buy the information
``M(n) = I + sum n_i g_i g_i'``, and the variance of c'theta is ``c' M^-1 c``, convex in n.

For every vector z and all counts, ``c' M(n)^-1 c >= 2 c'z - z' M(n) z``: the right side is linear in n, so
its least value over all counts that can be paid is a bound that no design passes. The best z is M^-1 c at the
optimum, where the bound is attained: the general equivalence theorem (Kiefer and Wolfowitz 1960; Pukelsheim
2006, Optimal Design of Experiments, chapters 2 and 7; Elfving 1952 without what is known before).
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from chinchilla_lib.errors import InputError

__all__ = ["Offers", "Optimum", "optimal_counts", "whole_counts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_GAP: Final = 1e-9  # of the variance, between a design and its bound
_MOST_ROUNDS: Final = 200
_EQUAL: Final = 2e-10  # of the variance: the same gap, of a mixture of given purchases
_MOST_STEPS: Final = 2000
_NOTHING: Final = 1e-13  # share of a part that is dropped
_PAID: Final = 1 + 1e-12  # rounding of a sum of prices
_WHOLE: Final = 1e-6
_BETTER: Final = 1e-10
_MOST_EXCHANGES: Final = 300
_FEW_RUNS: Final = 40  # up to so many, two at a time are exchanged for others
_TRIED: Final = 8


@dataclass(frozen=True, eq=False)
class Offers:
    """What can be bought, and what is wanted of it.

    Raises
    ------
    InputError
        If nothing can be paid, or a number is out of range.
    """

    slopes: FloatArray
    """g_i, whitened by what is known before, shape (n_offers, n_free)."""
    prices: FloatArray
    """Of one observation each, above 0, shape (n_offers,)."""
    direction: FloatArray
    """c, whitened alike, shape (n_free,)."""
    budget: float
    """All prices paid together are this at most."""
    max_count: float = math.inf
    """Observations in all, at most."""

    def __post_init__(self) -> None:
        if not (self.budget > 0 and math.isfinite(self.budget)):
            raise InputError(f"budget must be finite and above 0, found {self.budget!r}")
        if not (np.isfinite(self.prices) & (self.prices > 0)).all():
            raise InputError("prices must be finite and above 0; look for a candidate of no cost")
        if not self.max_count >= 1:
            raise InputError(f"max_count must be 1 or above, found {self.max_count!r}")
        if not (self.prices <= self.budget * _PAID).any():
            raise InputError(
                f"budget is {self.budget:.4g}, and the cheapest observation costs {self.prices.min():.4g}; "
                "raise the budget or offer cheaper ones"
            )

    def information(self, counts: npt.NDArray[np.float64] | IntArray) -> FloatArray:
        """M of counts, shape (n_free, n_free)."""
        bought = np.flatnonzero(counts)
        slopes = self.slopes[bought]
        return np.asarray(
            np.eye(len(self.direction)) + slopes.T @ (counts[bought, None] * slopes), dtype=np.float64
        )

    def variance(self, counts: npt.NDArray[np.float64] | IntArray) -> float:
        """c' M^-1 c, in units of the noise's variance."""
        return float(self.direction @ np.linalg.solve(self.information(counts), self.direction))


@dataclass(frozen=True, eq=False)
class Optimum:
    """Counts, not whole, of the least variance that the budget buys."""

    counts: FloatArray
    """Shape (n_offers,)."""
    variance: float
    """Of the target there."""
    bound: float
    """No counts that can be paid have a variance below this."""


def optimal_counts(offers: Offers) -> Optimum:
    """Counts of least variance, by simplicial decomposition.

    The best purchase for the current z (a linear programme) joins those found before, and the best mixture of
    them is the next design, until its variance is within 1e-9 of the bound. Offers above the budget are
    left out: no design of whole observations holds them.

    Parameters
    ----------
    offers : Offers

    Returns
    -------
    Optimum
        ``bound`` holds for any counts of the affordable offers, whole or not.

    Examples
    --------
    >>> slopes, prices = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 1.0, 5.0])
    >>> offers = Offers(slopes, prices, direction=np.array([0.0, 1.0]), budget=10.0)
    >>> optimal_counts(offers).counts.round(3)
    array([ 0., 10.,  0.])
    """
    inside = np.flatnonzero(offers.prices <= offers.budget * _PAID)
    slopes = offers.slopes[inside]
    part = replace(offers, slopes=slopes, prices=offers.prices[inside])
    direction = offers.direction
    purchases = np.empty((0, len(inside)))
    weights, bound = np.empty(0), 0.0
    matrix = np.eye(len(direction))
    variance = float(direction @ direction)
    for _ in range(_MOST_ROUNDS):
        z = np.linalg.solve(matrix, direction)
        value = (slopes @ z) ** 2
        best, most = _best_purchase(part, value)
        # t z with the best t: 2 t c'z - t^2 (z'z + most).
        bound = max(bound, variance**2 / (float(z @ z) + most))
        if variance <= bound * (1 + _GAP):
            break
        purchases = np.vstack([purchases, best])
        weights = _mix(part, purchases, np.append(weights, 0.0 if len(weights) else 1.0))
        kept = weights > _NOTHING
        purchases, weights = purchases[kept], weights[kept] / weights[kept].sum()
        matrix = part.information(weights @ purchases)
        variance = float(direction @ np.linalg.solve(matrix, direction))
    counts = np.zeros(len(offers.prices))
    counts[inside] = weights @ purchases if len(weights) else 0.0
    return Optimum(counts, offers.variance(counts), min(bound, variance))


def _best_purchase(offers: Offers, value: FloatArray) -> tuple[FloatArray, float]:
    """Counts of the most value that can be paid, and a proven bound on that value."""
    counts = np.zeros(len(value))
    per_price = value / offers.prices
    if math.isinf(offers.max_count):
        best = int(np.argmax(per_price))
        counts[best] = offers.budget / offers.prices[best]
        return counts, float(per_price[best] * offers.budget)
    top = float(value.max())
    if top <= 0:
        return counts, 0.0
    # Counts as shares of what the budget alone would buy, so that all numbers are near 1.
    price = offers.prices / offers.budget
    found = linprog(
        -value / top,
        A_ub=np.stack([price, np.full(len(value), 1 / offers.max_count)]),
        b_ub=np.ones(2),
        bounds=(0, None),
        method="highs",
    )
    counts = np.maximum(np.asarray(found.x, dtype=np.float64), 0.0)
    counts /= max(1.0, float(price @ counts), counts.sum() / offers.max_count)
    # Any price of a place gives a bound; the dual's is the lowest.
    place = max(0.0, -float(found.ineqlin.marginals[1])) / offers.max_count * top
    money = max(0.0, float(((value - place) / price).max()))
    return counts, money + place * offers.max_count


def _mix(offers: Offers, purchases: FloatArray, shares: FloatArray) -> FloatArray:
    """Shares of purchases, adding up to 1, of the least variance.

    Vertex exchange (Boehning 1986, Metrika 33): the worst purchase that has a share gives to the best, by a
    Newton step along that line, until no other mixture can be better by more than 2e-10.
    """
    if len(purchases) == 1:
        return np.ones(1)
    eye, direction = np.eye(len(offers.direction)), offers.direction
    bought = purchases.any(axis=0)
    slopes = offers.slopes[bought]
    parts = np.einsum("kn,ni,nj->kij", purchases[:, bought], slopes, slopes)
    for _ in range(_MOST_STEPS):
        matrix = eye + np.tensordot(shares, parts, 1)
        z = np.linalg.solve(matrix, direction)
        pushed = parts @ z
        value = pushed @ z
        best = int(np.argmax(value))
        worst = int(np.argmin(np.where(shares > _NOTHING, value, np.inf)))
        if value[best] - shares @ value <= _EQUAL * float(direction @ z):
            break
        gain = float(value[best] - value[worst])
        line = pushed[best] - pushed[worst]
        bend = 2 * float(line @ np.linalg.solve(matrix, line))
        step = min(gain / bend, float(shares[worst])) if bend > 0 else float(shares[worst])
        shares = shares.copy()
        shares[best] += step
        shares[worst] -= step
    return shares


def whole_counts(offers: Offers, optimum: Optimum) -> IntArray:
    """Whole counts near an optimum: rounded down, the rest spent by the same rule, then exchanged.

    Parameters
    ----------
    offers : Offers
    optimum : Optimum
        Of these offers.

    Returns
    -------
    array of int, shape (n_offers,)
        At a price of the budget at most. `Optimum.bound` tells how far it can be from the best.

    Examples
    --------
    >>> slopes, prices = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 3.0, 5.0])
    >>> offers = Offers(slopes, prices, direction=np.array([1.0, 1.0]), budget=10.0)
    >>> counts = whole_counts(offers, optimal_counts(offers))
    >>> counts.tolist(), float(counts @ prices)
    ([0, 0, 2], 10.0)
    """
    floors = np.floor(optimum.counts + _WHOLE).astype(np.intp)
    if floors @ offers.prices > offers.budget * _PAID or floors.sum() > offers.max_count:
        floors = np.floor(optimum.counts * (1 - _WHOLE)).astype(np.intp)
    counts = _exchange(offers, _spend(offers, floors))
    if counts.sum() <= _FEW_RUNS:
        counts = _rebuild(offers, counts)
    return counts


def _spend(offers: Offers, counts: IntArray) -> IntArray:
    """Buy with what is left, until nothing more can be paid."""
    counts = counts.copy()
    while (left := _rest(offers, counts)) is not None:
        budget, places = left
        factor = np.linalg.cholesky(offers.information(counts))
        rest = Offers(
            slopes=np.linalg.solve(factor, offers.slopes.T).T,
            prices=offers.prices,
            direction=np.linalg.solve(factor, offers.direction),
            budget=budget,
            max_count=places,
        )
        more = np.floor(optimal_counts(rest).counts * (1 - _WHOLE)).astype(np.intp)
        if not more.any():
            gains = _gains(rest)
            gains[offers.prices > budget * _PAID] = -np.inf
            more[int(np.argmax(gains))] = 1
        counts += more
    return counts


def _rest(offers: Offers, counts: IntArray) -> tuple[float, float] | None:
    """Budget and places left over; None if nothing more can be bought."""
    budget, places = offers.budget - float(counts @ offers.prices), offers.max_count - int(counts.sum())
    if places < 1 or not (offers.prices <= budget * _PAID).any():
        return None
    return budget, places


def _gains(offers: Offers) -> FloatArray:
    """By how much one more observation of each offer lowers the variance."""
    value = (offers.slopes @ offers.direction) ** 2
    return np.asarray(value / (1 + (offers.slopes**2).sum(axis=1)), dtype=np.float64)


def _exchange(offers: Offers, counts: IntArray) -> IntArray:
    """Give one observation back and take another, as long as that lowers the variance."""
    variance = offers.variance(counts)
    for _ in range(_MOST_EXCHANGES):
        spent = float(counts @ offers.prices)
        best = (variance * (1 - _BETTER), -1, -1)
        for out in np.flatnonzero(counts):
            fewer = counts.copy()
            fewer[out] -= 1
            inverse = np.linalg.inv(offers.information(fewer))
            pull = offers.slopes @ inverse
            after = float(offers.direction @ inverse @ offers.direction) - (pull @ offers.direction) ** 2 / (
                1 + (pull * offers.slopes).sum(axis=1)
            )
            after[offers.prices > (offers.budget - spent + offers.prices[out]) * _PAID] = np.inf
            into = int(np.argmin(after))
            if after[into] < best[0]:
                best = (float(after[into]), int(out), into)
        if best[1] < 0:
            break
        counts = counts.copy()
        counts[best[1]] -= 1
        counts[best[2]] += 1
        counts = _spend(offers, counts)
        variance = offers.variance(counts)
    return counts


def _rebuild(offers: Offers, counts: IntArray) -> IntArray:
    """For few observations: without one or two of them, choose another and spend the rest by largest gain."""
    variance = offers.variance(counts)
    for _ in range(_FEW_RUNS):
        best, lowest = counts, variance * (1 - _BETTER)
        for fewer in _without_one_or_two(counts):
            for changed in _with_one(offers, fewer):
                filled = _fill(offers, changed)
                if (found := offers.variance(filled)) < lowest:
                    best, lowest = filled, found
        if best is counts:
            break
        counts = _exchange(offers, _spend(offers, best))
        variance = offers.variance(counts)
    return counts


def _without_one_or_two(counts: IntArray) -> Iterator[IntArray]:
    held = np.flatnonzero(counts).tolist()
    singles = [(one,) for one in held]
    for out in itertools.chain(singles, itertools.combinations_with_replacement(held, 2)):
        fewer = counts.copy()
        np.subtract.at(fewer, list(out), 1)
        if fewer.min() >= 0:
            yield fewer


def _with_one(offers: Offers, counts: IntArray) -> Iterator[IntArray]:
    """One of the observations that gain most, each in turn."""
    gains = _affordable_gains(offers, counts)
    for into in np.argsort(-gains)[:_TRIED]:
        if gains[into] > 0:
            more = counts.copy()
            more[into] += 1
            yield more


def _fill(offers: Offers, counts: IntArray) -> IntArray:
    """Add what gains most, one by one."""
    for _ in range(_FEW_RUNS):
        gains = _affordable_gains(offers, counts)
        into = int(np.argmax(gains))
        if gains[into] <= 0:
            break
        counts = counts.copy()
        counts[into] += 1
    return counts


def _affordable_gains(offers: Offers, counts: IntArray) -> FloatArray:
    """By how much one more observation lowers the variance; 0 for those that cannot be paid."""
    left = _rest(offers, counts)
    if left is None:
        return np.zeros(len(counts))
    inverse = np.linalg.inv(offers.information(counts))
    pull = offers.slopes @ inverse
    gains = (pull @ offers.direction) ** 2 / (1 + (pull * offers.slopes).sum(axis=1))
    return np.where(offers.prices <= left[0] * _PAID, gains, 0.0)
