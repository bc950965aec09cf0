"""What the points of Figure 4 say by each approach, and of the printed laws, recorded.

For those who do not have the points; made by `record_published_approaches` and `record_published_objectives`
with ``"chinchilla_lib/reference/recorded"`` and the points at hand.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, VALLEY, FrontierFit, bootstrap_fit, envelope_estimator
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.objective import paper_objective
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.published import load_published
from chinchilla_lib.reference.recorded import load_recorded, record_computation
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "GOPHER",
    "METHODS",
    "SCHEMES",
    "PublishedApproach",
    "load_approaches",
    "load_objectives",
    "record_published_approaches",
    "record_published_objectives",
]

GOPHER: Final = 5.76e23
"""Gopher's budget as the paper states it, FLOPs."""

METHODS: Final = ("decayed", "isoflop", "valley", "parametric")
"""Approach 1 by final losses only, Approach 2 by parabolas and by the valleys' own shape, Approach 3."""

SCHEMES: Final = ("pairs", "subsample")
"""Runs drawn with replacement; and subsets of 80 %, as the paper has them."""

_APPROACHES: Final = "epoch-approaches"
_OBJECTIVES: Final = "epoch-objectives"
_LEVELS: Final = (0.9, 0.8)
_QUANTITIES: Final = ("a", "b", "n_params")


@dataclass(frozen=True)
class PublishedApproach:
    """What one method finds on the published points.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    scheme : str
        One of `SCHEMES`: how runs were drawn for the intervals.
    a, b : float
        Exponents of the frontier.
    n_params : float
        Optimal parameters at `GOPHER` FLOPs.
    n_valleys, n_inside : int
        Budgets, and those whose lowest loss is not that of the smallest or largest size; 0 where a method
        has no valleys.
    intervals : mapping
        By quantity (``a``, ``b``, ``n_params``) and level, 0.9 or 0.8.
    """

    method: str
    scheme: str
    a: float
    b: float
    n_params: float
    n_valleys: int
    n_inside: int
    intervals: Mapping[tuple[str, float], Interval]

    def interval(self, quantity: str, level: float = 0.9) -> Interval:
        """Its low and high end.

        Parameters
        ----------
        quantity : {"a", "b", "n_params"}
        level : {0.9, 0.8}

        Raises
        ------
        InputError
            If no such interval is recorded.
        """
        if (quantity, level) not in self.intervals:
            raise InputError(
                f"no interval of {quantity!r} at level {level} is recorded; choose one of "
                f"{', '.join(_QUANTITIES)} and one of {', '.join(map(str, _LEVELS))}"
            )
        return self.intervals[quantity, level]


def record_published_approaches(folder: str | Path, *, n_draws: int = 1000, seed: int = 0) -> None:
    """Fit the points of Figure 4 in every way and write what is found to ``folder/epoch-approaches``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    points, valleys = load_published("epoch_fig4"), load_published("epoch_fig4", points="isoflop")

    def compute() -> list[dict[str, str]]:
        return [
            _row_of(_fit(method, points, valleys, n_draws, seed, scheme), scheme, method)
            for method in METHODS
            for scheme in SCHEMES
        ]

    record_computation(
        Path(folder) / _APPROACHES,
        f"record_published_approaches(DIR, n_draws={n_draws}, seed={seed}) of {__name__}",
        compute,
        n_runs=len(points),
        corpus=points.source,
        seed=seed,
    )


def load_approaches() -> dict[tuple[str, str], PublishedApproach]:
    """What is recorded of each method, by method and scheme.

    Examples
    --------
    >>> f"{load_approaches()['parametric', 'pairs'].a:.3f}"
    '0.514'
    """
    found = {}
    for row in load_recorded(_APPROACHES).rows:
        ends = {
            (name, level): (float(row[f"{name}_low_{level}"]), float(row[f"{name}_high_{level}"]))
            for name in _QUANTITIES
            for level in _LEVELS
        }
        found[row["method"], row["scheme"]] = PublishedApproach(
            method=row["method"],
            scheme=row["scheme"],
            a=float(row["a"]),
            b=float(row["b"]),
            n_params=float(row["n_params"]),
            n_valleys=int(row["n_valleys"]),
            n_inside=int(row["n_inside"]),
            intervals=ends,
        )
    return found


def record_published_objectives(folder: str | Path) -> None:
    """Score every published law by equation 3 on the points and write it to ``folder/epoch-objectives``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    points = load_published("epoch_fig4")

    def compute() -> list[dict[str, str]]:
        return [
            {"law": name, "objective": f"{_objective(points, published.law):.9g}"}
            for name, published in LAWS.items()
        ]

    record_computation(
        Path(folder) / _OBJECTIVES,
        f"record_published_objectives(DIR) of {__name__}",
        compute,
        n_runs=len(points),
        corpus=points.source,
    )


def load_objectives() -> dict[str, float]:
    """Equation 3, a sum over runs, for each law of `LAWS` on the published points.

    Examples
    --------
    >>> scores = load_objectives()
    >>> min(scores, key=scores.get)
    'epoch-optimum'
    """
    return {row["law"]: float(row["objective"]) for row in load_recorded(_OBJECTIVES).rows}


def _fit(
    method: str, points: SweepTable, valleys: SweepTable, n_draws: int, seed: int, scheme: str
) -> FrontierFit:
    estimator, table = {
        "decayed": (envelope_estimator(decayed=True), points),
        "isoflop": (ISOFLOP, valleys),
        "valley": (VALLEY, valleys),
        "parametric": (PARAMETRIC, points),
    }[method]
    return bootstrap_fit(estimator, table, n_draws=n_draws, seed=seed, scheme=scheme)


def _row_of(fit: FrontierFit, scheme: str, method: str) -> dict[str, str]:
    valleys = fit.diagnostics.valleys
    inside = sum(valley.reason is None for valley in valleys)
    row = {"method": method, "scheme": scheme, "n_valleys": str(len(valleys)), "n_inside": str(inside)}
    best = {level: fit.allocate(GOPHER, level) for level in _LEVELS}
    values = {"a": fit.a, "b": fit.b, "n_params": best[_LEVELS[0]].n_params}
    for name in _QUANTITIES:
        row[name] = f"{values[name]:.6g}"
        for level in _LEVELS:
            ends = best[level].n_params_interval if name == "n_params" else fit.interval(name, level=level)
            assert ends is not None
            row[f"{name}_low_{level}"], row[f"{name}_high_{level}"] = (f"{end:.6g}" for end in ends)
    return row


def _objective(points: SweepTable, law: ParametricLoss) -> float:
    e, a, b, alpha, beta = astuple(law)
    return float(paper_objective(points)(np.array([np.log(a), np.log(b), np.log(e), alpha, beta]))[0])
