"""Approach 1 as the paper asks for it: every size trained to four lengths or more (section 3.1).

The main sweep has so many for the sizes in its middle only. Without them the envelope of its training curves
is made of runs on their way, whose learning rates have yet to decay. Runs of the main sweep and of the
forecast are taken over; only the lengths that are missing are trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.forecast import FIT_WIDTHS
from chinchilla_lib.experiments.main_sweep import DESIGN, N_SEEDS, ladder_part
from chinchilla_lib.fitting import FrontierFit, bootstrap_fit, envelope_estimator
from chinchilla_lib.fitting.envelope import LATE
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["BETWEEN", "ENVELOPE", "HORIZONS", "fit_variants", "horizons_of", "share_in_reach"]

BETWEEN: Final[Mapping[float, tuple[int, ...]]] = {
    budget: widths for budget, widths in FIT_WIDTHS.items() if budget not in DESIGN.widths
}
"""Sizes at the budgets of the forecast that the main sweep does not have."""

HORIZONS: Final[Mapping[float, tuple[int, ...]]] = {
    5.5e10: (8,),
    1e11: (8, 28),
    1.7e11: (8, 12, 28),
    3e11: (28,),
    5.5e11: (32, 40, 48, 56, 64, 80, 112),
    1e12: (56, 112, 128, 160, 192),
    1.7e12: (56, 64, 80, 96, 112, 128, 160, 192),
    3e12: (160, 192),
}
"""Lengths that the other parts lack: four for every size, and two budgets more around the optimum."""

_BETWEEN_SEEDS: Final = 3  # the forecast's
_UP_TO: Final = {"ci": 1e11, "cpu-60": 1e13}
_CI_SEEDS: Final = 1
_NEAR: Final = 0.1  # simulated sweeps of this plan have intervals of .06 to each side; Kaplan's a is .73
_DRAWS: Final = 1000
_GRID: Final = 1500  # budgets, as many as the paper has


def horizons_of(rows: Iterable[Row]) -> dict[int, tuple[float, ...]]:
    """The budgets that each width was trained for, FLOPs, ascending.

    Parameters
    ----------
    rows : iterable of mapping
        With ``d_model`` and ``flops_budget``.
    """
    found: dict[int, set[float]] = {}
    for row in rows:
        found.setdefault(int(row["d_model"]), set()).add(float(row["flops_budget"]))
    return {width: tuple(sorted(found[width])) for width in sorted(found)}


def fit_variants(
    table: SweepTable, curves: CurveTable | None = None, *, n_draws: int = _DRAWS
) -> dict[str, FrontierFit]:
    """Approach 1 in both variants, by name.

    Parameters
    ----------
    table : SweepTable
    curves : CurveTable, optional
        Their curves; without them the paper's rule is left out.
    n_draws : int
        Resampled sets of runs.

    Returns
    -------
    dict
        ``"decayed"``: final losses only, interpolated between the lengths of each size. ``"curves"``: the
        paper's rule, the lowest curve at each budget.
    """
    estimators = {"decayed": envelope_estimator(decayed=True)}
    if curves is not None:
        estimators["curves"] = envelope_estimator(curves)
    return {name: bootstrap_fit(e, table, n_draws=n_draws, seed=0) for name, e in estimators.items()}


def share_in_reach(flops: npt.ArrayLike) -> float:
    """The share of budgets at which some run is late in its schedule: footnote 4 can hold at no more.

    Parameters
    ----------
    flops : array_like
        Of whole runs. Budgets are spaced evenly in ln C, from the cheapest run to the dearest.
    """
    ends = np.unique(np.asarray(flops, dtype=np.float64))
    budgets = np.geomspace(ends[0], ends[-1], _GRID)
    first = ends[np.minimum(np.searchsorted(ends, budgets), len(ends) - 1)]
    return float(np.mean(budgets >= LATE * first))


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    rows = [row for part in results.values() for row in part]
    fewest = min(len(budgets) for budgets in horizons_of(rows).values())
    try:
        fit = fit_variants(SweepTable.from_records(rows, source="all lengths"))["decayed"]
    except InputError as error:
        return Verdict("cannot tell", str(error), {"fewest_horizons": fewest})
    low, high = fit.interval("a")
    numbers = {"a": fit.a, "low": low, "high": high, "fewest_horizons": fewest}
    text = f"a is {fit.a:.3f} ({low:.3f} to {high:.3f}), every size has {fewest} or more lengths"
    if fewest < 4:
        return Verdict("cannot tell", text, numbers)
    if low >= 0.5 - _NEAR and high <= 0.5 + _NEAR:
        return Verdict("holds", text, numbers)
    beyond = high < 0.5 - _NEAR or low > 0.5 + _NEAR
    return Verdict("does not hold" if beyond else "cannot tell", text, numbers)


def _part(name: str, widths: Mapping[float, Sequence[int]], highest: float, n_seeds: int) -> Part:
    chosen = {budget: row for budget, row in widths.items() if budget <= highest}
    return Part(name, DESIGN.corpus, DESIGN.vocab_size, partial(_plan, name, chosen, n_seeds))


def _plan(name: str, widths: Mapping[float, Sequence[int]], n_seeds: int, identity: str) -> SweepPlan:
    configs = plan_runs(DESIGN, widths, corpus=identity, seeds=range(n_seeds))
    return SweepPlan(name, configs, DESIGN.corpus)


def _parts(highest: float, most_seeds: int) -> tuple[Part, ...]:
    n_seeds = {budget: min(n, most_seeds) for budget, n in N_SEEDS.items()}
    return (
        ladder_part("english", DESIGN.corpus, highest, n_seeds),
        _part("between", BETWEEN, highest, min(_BETWEEN_SEEDS, most_seeds)),
        _part("horizons", HORIZONS, highest, 1),
    )


ENVELOPE: Final = Experiment(
    name="envelope",
    title="the envelope of training curves, every size trained to four lengths",
    section="3.1, Table 2",
    claim="by the envelope of training curves, model size and tokens should grow in equal proportion",
    rule=f"holds if the 90 % interval of the exponent a of N_opt lies within {_NEAR} of one half, does not "
    "hold if it lies wholly beyond, cannot tell otherwise; a is read from final losses, those of each size "
    "interpolated between its lengths; what the curves say, and how far the selected runs had come "
    "(footnote 4), is reported",
    parts={
        tier: _parts(highest, _CI_SEEDS if tier == "ci" else max(N_SEEDS.values()))
        for tier, highest in _UP_TO.items()
    },
    judge=_judge,
)
