"""Do intervals hold the truth as often as they say? Simulated sweeps of a known law, fitted by every method.

The law is that of equation 10. A sweep has budgets spaced evenly in ln C over those of the paper, 6e18 to
3e21 FLOPs, and sizes spaced evenly in ln N over 0.75 decades to each side of the optimum. Curves of the
runs, for Approach 1, have 200 points with noise of 0.1 % of their own and no undecayed learning rate, so
that the law's frontier is what every method looks for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, VALLEY, Estimator, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.envelope import envelope_estimator
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.simulate import NOISE_MODELS, simulate_curves, simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "ANALYSES",
    "CELLS",
    "COLUMNS",
    "LAW",
    "TARGET",
    "Analysis",
    "Cell",
    "fit_data_set",
    "summarise",
    "truth",
]

FloatArray = npt.NDArray[np.float64]

LAW: Final = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
"""The truth."""
NOISE: Final = 0.005
"""Standard deviation of the logarithm of the loss between runs."""
DECADES: Final = 0.75
SPAN: Final = (6e18, 3e21)
DESIGNS: Final[Mapping[int, tuple[int, int]]] = {30: (5, 6), 72: (9, 8)}
"""Budgets and sizes, by the number of runs."""
TARGET: Final = (0.86, 0.97)
"""Coverage that a 90 % interval should have."""

_CURVE_POINTS: Final = 200
_CURVE_NOISE: Final = 0.001
_BEYOND: Final = {"log_n_opt_10x": 10.0, "log_n_opt_1000x": 1000.0}
COLUMNS: Final = (
    "method", "scheme", "level", "noise", "n_runs", "quantity", "n_sets", "n_intervals", "coverage",
    "missed_below", "missed_above", "median_width", "bias",
)  # fmt: skip
"""Of a summary. Coverage is among the data sets that have an interval; ``missed_below`` is the share whose
interval lies below the truth; ``bias`` is the mean error of the estimate."""


@dataclass(frozen=True)
class Cell:
    """Noise and design of the data sets that are counted together."""

    noise_model: str
    """One of `NOISE_MODELS`."""
    n_runs: int
    """A key of `DESIGNS`."""

    @property
    def name(self) -> str:
        """For example ``t3-30``."""
        return f"{self.noise_model}-{self.n_runs}"

    def simulate(self, seed: int, number: int) -> tuple[SweepTable, CurveTable]:
        """A data set of this cell, with the curves of its runs.

        Parameters
        ----------
        seed, number : int
            Of the campaign, and of the data set in it.
        """
        rng = np.random.default_rng([seed, list(NOISE_MODELS).index(self.noise_model), self.n_runs, number])
        n_budgets, n_sizes = DESIGNS[self.n_runs]
        runs, points = (int(value) for value in rng.integers(2**62, size=2))
        table = simulate_isoflop_sweep(
            LAW,
            np.geomspace(*SPAN, n_budgets).tolist(),
            n_sizes=n_sizes,
            decades=DECADES,
            noise=NOISE,
            noise_model=self.noise_model,
            seed=runs,
        )
        return table, simulate_curves(LAW, table, n_points=_CURVE_POINTS, noise=_CURVE_NOISE, seed=points)


CELLS: Final = tuple(Cell(noise, n_runs) for n_runs in DESIGNS for noise in NOISE_MODELS)
"""All of them."""


@dataclass(frozen=True)
class Analysis:
    """A way to intervals."""

    method: str
    """Of the fit."""
    scheme: str
    """Of the resampling."""
    n_draws: int
    """Resamples."""
    levels: tuple[float, ...] = (0.9,)
    """Of the intervals that are read from them."""

    @property
    def name(self) -> str:
        """For example ``isoflop/pairs``."""
        return f"{self.method}/{self.scheme}"


_METHODS: Final = ("envelope", "isoflop", "valley", "parametric")
_N_DRAWS: Final = 400  # of the command's 4,000: ends of a tenth as many draws hold the truth 0.5 % less often

ANALYSES: Final = (
    *(Analysis(method, "pairs", _N_DRAWS) for method in _METHODS),
    *(Analysis(method, "residual", _N_DRAWS) for method in ("isoflop", "valley")),
    # Section D.2: 100 draws, from the 10th to the 90th percentile.
    *(Analysis(method, "subsample", 100, (0.9, 0.8)) for method in _METHODS),
)
"""What every data set goes through."""


def fit_data_set(
    cell: Cell, seed: int, number: int, analyses: Sequence[Analysis] = ANALYSES
) -> dict[str, Any]:
    """Fit one data set in every way.

    Returns
    -------
    dict
        By the name of the analysis: ``verdict``, ``estimates`` by quantity and ``intervals`` by level and
        quantity, or ``problem``, why there are no intervals.
    """
    table, curves = cell.simulate(seed, number)
    estimators: Mapping[str, Estimator] = {
        "envelope": envelope_estimator(curves),
        "isoflop": ISOFLOP,
        "valley": VALLEY,
        "parametric": PARAMETRIC,
    }
    found: dict[str, Any] = {}
    for analysis in analyses:
        estimator = estimators[analysis.method]
        try:
            fit = bootstrap_fit(
                estimator, table, n_draws=analysis.n_draws, seed=number, scheme=analysis.scheme
            )
        except InputError as error:
            found[analysis.name] = {"problem": str(error)}
            continue
        found[analysis.name] = _outcome(fit, analysis.levels)
    return found


def truth(quantity: str) -> float:
    """What a quantity is under `LAW`.

    Examples
    --------
    >>> round(truth("a"), 4)
    0.4516
    """
    if quantity in _BEYOND:
        return math.log(LAW.n_opt(_BEYOND[quantity] * SPAN[1]))
    return float(getattr(LAW, quantity))


def _outcome(fit: FrontierFit, levels: Sequence[float]) -> dict[str, Any]:
    names = ["a", *(() if fit.law is None else ("alpha", "beta", "E"))]
    estimates = {name: getattr(fit if name == "a" else fit.law, name) for name in names}
    estimates |= {name: math.log(fit.n_opt.predict(times * SPAN[1])) for name, times in _BEYOND.items()}
    outcome: dict[str, Any] = {"verdict": fit.verdict.label, "estimates": estimates}
    if not fit.has_intervals:
        report = fit.diagnostics.bootstrap
        return outcome | {"problem": None if report is None else report.problem}
    outcome["intervals"] = {}
    for level in levels:
        intervals = {name: list(fit.interval(name, level)) for name in names}
        for name, times in _BEYOND.items():
            low, high = fit.band("n_params", np.array([times * SPAN[1]]), level)
            intervals[name] = [math.log(low[0]), math.log(high[0])]
        outcome["intervals"][f"{level:g}"] = intervals
    return outcome


def summarise(
    results: Mapping[Cell, Sequence[Mapping[str, Any]]], analyses: Sequence[Analysis] = ANALYSES
) -> list[dict[str, Any]]:
    """Coverage by method, scheme, level, cell and quantity.

    Parameters
    ----------
    results : mapping
        For each cell what `fit_data_set` gave for its data sets.
    analyses : sequence of Analysis

    Returns
    -------
    list of dict
        With the keys `COLUMNS`.
    """
    rows = []
    for analysis in analyses:
        for cell, sets in results.items():
            outcomes = [found[analysis.name] for found in sets]
            for level, quantity in _readings(analysis, outcomes):
                ends, errors = _ends(outcomes, f"{level:g}", quantity)
                low, high = ends.T - truth(quantity)
                rows.append(
                    {
                        "method": analysis.method,
                        "scheme": analysis.scheme,
                        "level": level,
                        "noise": cell.noise_model,
                        "n_runs": cell.n_runs,
                        "quantity": quantity,
                        "n_sets": len(outcomes),
                        "n_intervals": len(ends),
                        "coverage": float(np.mean((low <= 0) & (high >= 0))),
                        "missed_below": float(np.mean(high < 0)),
                        "missed_above": float(np.mean(low > 0)),
                        "median_width": float(np.median(high - low)),
                        "bias": float(np.mean(errors)),
                    }
                )
    return rows


def _readings(analysis: Analysis, outcomes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    """Level and quantity of each interval that an analysis gives."""
    first = next((outcome["intervals"] for outcome in outcomes if "intervals" in outcome), None)
    if first is not None:
        for level in analysis.levels:
            for quantity in first[f"{level:g}"]:
                yield level, quantity


def _ends(outcomes: Sequence[Mapping[str, Any]], level: str, quantity: str) -> tuple[FloatArray, FloatArray]:
    """Intervals, shape (n_intervals, 2), and the errors of their estimates."""
    kept = [outcome for outcome in outcomes if "intervals" in outcome]
    ends = np.array([outcome["intervals"][level][quantity] for outcome in kept])
    errors = np.array([outcome["estimates"][quantity] for outcome in kept]) - truth(quantity)
    return ends, errors
