"""Approach 1: the envelope of training curves (section 3.1).

At each of 1,500 budgets the run whose curve is lowest there is the best model of that budget; power laws
through the sizes and tokens so selected are the frontier.

At both ends of the budgets there is no smaller, or no larger, model to compare with, and the selected size
is drawn inwards. Leaving out budgets whose selected size is itself at an edge would only hide that: it
keeps those which noise moved the other way. So the line through the selected sizes decides: a budget counts
if that line lies inside the sizes that have a run there by one rms of the selected sizes' scatter about it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.bootstrap import Estimator
from chinchilla_lib.fitting.candidates import Choice, Ranking, SizeCurves, rank_curves
from chinchilla_lib.fitting.counts import check_counts, repeated_rows
from chinchilla_lib.fitting.diagnostics import Diagnostics, OptimumPoint
from chinchilla_lib.fitting.power_law import fit_power_law, fit_weighted_log_lines
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["LATE", "envelope_estimator", "fit_envelope"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

N_BUDGETS: Final = 1_500
"""Of the paper."""
WINDOW: Final = 10.0
"""Of the paper's smoothing, in steps."""
LATE: Final = 0.85
"""Footnote 4 finds all selected runs beyond this share of their schedule."""

_HELD: Final = {"pairs": (0.96, 1.0), "subsample": (0.75, 0.88)}
_EARLY: Final = 0.05
_HALF: Final = 0.5
_FEW_SIZES: Final = 4
_CELLS: Final = 3_000_000
_MAX_ROUNDS: Final = 20
_THIN: Final = 5
_UNUSABLE: Final = "fewer than two sizes at budgets with smaller and larger models"


def fit_envelope(
    table: SweepTable, curves: CurveTable | None = None, *, decayed: bool = False, window: float = WINDOW
) -> FrontierFit:
    """Approach 1: the frontier through the best runs at 1,500 budgets (section 3.1).

    As in the paper, training curves are smoothed, and at budgets spaced evenly in ln C, from the FLOPs of
    the cheapest run to those of the dearest, the run of lowest loss is selected. A run that is selected on
    its way has a learning rate yet to decay: ``diagnostics.details`` tells how far each selected run had
    come (footnote 4 finds all of them in their last 15 %). With `decayed` only final losses count, and no
    curve: those of each size are interpolated over compute, which needs two horizons or more for a size.

    Budgets count where the fitted N_opt lies inside the sizes that have a run there, by one rms of the
    scatter of the selected sizes (found by repeating fit and choice). ``diagnostics.details`` has their
    range, the others, and how often the smallest or largest size was selected.

    Parameters
    ----------
    table : SweepTable
        The runs.
    curves : CurveTable, optional
        Their curves; a run without one is left out.
    decayed : bool
        Read final losses only.
    window : float
        Smoothing in steps, 0 or above; 0 leaves curves as they are.

    Returns
    -------
    FrontierFit
        `points` has one point for each run (with `decayed`, size) that is selected, in the middle of its
        budgets: what counts as evidence is the number of these, not the 1,500. Residuals are final losses
        minus the envelope at the run's FLOPs.

    Raises
    ------
    InputError
        If neither curves nor `decayed` is given, or both; curves and table differ; a count is below 1,000;
        or at no two sizes the minimum lies between a smaller and a larger one.

    Notes
    -----
    On simulated curves of 50 sizes that follow a law exactly, with losses 0.5 % apart between seeds, a came
    out 0.002 high and N_opt 3 % high; without those at the edges of the sizes, and nothing else left
    out, 0.03 and 7 % low. Curves of undecayed runs have no such truth: compare ``decayed=True``.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_table
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> sizes = np.geomspace(1e8, 1e10, 50)
    >>> runs = simulate_table(law, sizes, 60 * sizes)
    >>> fit = fit_envelope(runs, simulate_curves(law, runs))
    >>> f"{fit.a:.2f} {law.a:.2f}"
    '0.45 0.45'
    """
    check_counts(table)
    if not (math.isfinite(window) and window >= 0):
        raise InputError(f"window must be finite and 0 or above (steps), found {window!r}")
    if decayed == (curves is not None):
        raise InputError(
            "the envelope reads either curves or, with decayed=True, final losses only; give one of the two"
        )
    envelope = _Envelope(table, curves, window)
    whole = envelope.whole
    counted = envelope.counted
    sizes = np.unique(whole.log_n[0, counted])
    if len(sizes) < 2:
        raise InputError(
            f"{table.where([], 'n_params')}: {len(sizes)} of {len(np.unique(table.n_params))} model sizes "
            "are best at a budget with smaller and larger models beside them, and an exponent needs two; add "
            "sizes, or horizons that overlap in FLOPs"
        )
    budgets = np.exp(envelope.log_flops[counted])
    lines = [
        fit_power_law(budgets, values)
        for values in (
            np.exp(whole.log_n[0, counted]),
            np.exp(whole.log_d[0, counted]),
            whole.loss[0, counted],
        )
    ]
    everywhere = np.isfinite(whole.loss[0])
    final = np.interp(np.log(table.flops), envelope.log_flops[everywhere], whole.loss[0, everywhere])
    residuals = table.loss - final
    used = envelope.strata
    points = envelope.points()
    return FrontierFit(
        method="envelope",
        table=table,
        n_opt=lines[0],
        d_opt=lines[1],
        loss_line=lines[2],
        points=tuple(point for point, _ in points),
        residuals=residuals,
        diagnostics=Diagnostics(
            flops_convention=table.flops_convention,
            budgets_from=None,
            n_runs_used=len(used),
            n_runs_left_out=len(table) - len(used),
            residual_rms=float(np.sqrt(np.mean(residuals[used] ** 2))),
            details=envelope.details([row for _, row in points]),
            messages=(*envelope.messages(), *repeated_rows(table)),
        ),
    )


def envelope_estimator(
    curves: CurveTable | None = None, *, decayed: bool = False, window: float = WINDOW
) -> Estimator:
    """Approach 1 for `bootstrap_fit`: all runs are one stratum, and a run is drawn with its whole curve.

    The budgets that count are found anew in each resample.

    Parameters
    ----------
    curves, decayed, window
        As `fit_envelope`.

    Notes
    -----
    Resampling shows a minimum's spread only roughly: a resample lacks runs that the minimum rests on, which
    spreads it by more than noise does. The intervals hold more often than they claim, and the fit says so.

    Examples
    --------
    >>> from chinchilla_lib.fitting import bootstrap_fit
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_table
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> sizes = np.geomspace(1e8, 1e10, 12)
    >>> runs = simulate_table(law, sizes, 60 * sizes, noise=0.001)
    >>> fit = bootstrap_fit(envelope_estimator(simulate_curves(law, runs)), runs, n_draws=20)
    >>> low, high = fit.interval("a")
    >>> low < fit.a < high
    True
    """

    def fit(table: SweepTable) -> FrontierFit:
        return fit_envelope(table, curves, decayed=decayed, window=window)

    def strata(fitted: FrontierFit) -> list[IntArray]:
        return [np.arange(len(fitted.table)) if curves is None else np.sort(curves.find_in(fitted.table))]

    def refit(fitted: FrontierFit, counts: Sequence[IntArray]) -> tuple[FrontierDraws, list[str]]:
        return _Envelope(fitted.table, curves, window).refit(counts[0])

    return Estimator(method="envelope", fit=fit, strata=strata, refit=refit, n_free=2, held=_HELD)


@dataclass(frozen=True, eq=False)
class _Source:
    """Where the minimum is taken over."""

    ranking: Ranking | SizeCurves
    strata: IntArray
    """Positions in the table of the runs that take part, ascending."""
    order: IntArray
    """Place among them of each run of the curves."""

    def choose(self, counts: IntArray, budgets: IntArray) -> Choice:
        if isinstance(self.ranking, Ranking):
            return self.ranking.choose(counts[:, self.order] > 0, budgets)
        return self.ranking.choose(counts, budgets)


class _Envelope:
    """The envelope of a table, and of resamples of its runs."""

    def __init__(self, table: SweepTable, curves: CurveTable | None, window: float) -> None:
        self.table, self.curves, self.window = table, curves, window
        # Below the cost of the cheapest run there is no trained model to speak of.
        flops = table.flops if curves is None else curves.flops[curves.last]
        ends = np.log([flops.min(), flops.max()])
        self.log_flops = np.linspace(ends[0], ends[1], N_BUDGETS)
        if curves is None:
            every = np.arange(len(table))
            self.source = _Source(SizeCurves(table, self.log_flops), every, every)
        else:
            place = curves.find_in(table)
            strata = np.sort(place)
            ranking = rank_curves(curves, self.log_flops, window)
            self.source = _Source(ranking, strata, np.searchsorted(strata, place))
        self.strata = self.source.strata
        ones = np.ones((1, len(self.strata)), dtype=np.intp)
        self.whole = self.source.choose(ones, np.arange(N_BUDGETS))
        self.at_bottom = self.whole.log_n[0] <= self.source.ranking.lowest
        self.at_top = self.whole.log_n[0] >= self.source.ranking.highest
        inside = np.isfinite(self.whole.loss[0]) & ~self.at_bottom & ~self.at_top
        self.counted = self._count(self.whole.log_n, np.arange(N_BUDGETS), inside)[0]

    def _count(self, log_n: FloatArray, budgets: IntArray, start: BoolArray) -> BoolArray:
        """Which of the budgets count, shape (n_rows, n_budgets), from a first choice of them."""
        x = self.log_flops[budgets]
        known = np.isfinite(log_n)
        y = np.where(known, log_n, 0.0)
        low, high = self.source.ranking.lowest[budgets], self.source.ranking.highest[budgets]
        counted = np.broadcast_to(start, y.shape)
        for _ in range(_MAX_ROUNDS):
            weights = counted.astype(np.float64)
            intercept, slope = fit_weighted_log_lines(x, y, weights)
            line = intercept[:, None] + slope[:, None] * x
            n_counted = np.maximum(weights.sum(axis=1), 1.0)
            scatter = np.sqrt((weights * (y - line) ** 2).sum(axis=1) / n_counted)
            again = known & (line >= low + scatter[:, None]) & (line <= high - scatter[:, None])
            if (again == counted).all():
                break
            counted = again
        return counted

    def refit(self, counts: IntArray) -> tuple[FrontierDraws, list[str]]:
        """Refit resamples, at every fifth budget: steps of one size span many."""
        budgets = np.arange(0, N_BUDGETS, _THIN)
        batch = max(1, _CELLS // len(budgets))
        parts = [self._refit(counts[k : k + batch], budgets) for k in range(0, len(counts), batch)]
        draws = FrontierDraws.concatenate([made for made, _ in parts])
        return draws, [_UNUSABLE] * sum(n_unusable for _, n_unusable in parts)

    def _refit(self, counts: IntArray, budgets: IntArray) -> tuple[FrontierDraws, int]:
        choice = self.source.choose(counts, budgets)
        counted = self._count(choice.log_n, budgets, self.counted[budgets])
        lowest = np.where(counted, choice.log_n, np.inf).min(axis=1)
        usable = lowest < np.where(counted, choice.log_n, -np.inf).max(axis=1)
        counted = counted[usable]
        log_loss = np.log(np.where(counted, choice.loss[usable], 1.0))
        (n0, n1), (d0, d1), loss = (
            fit_weighted_log_lines(
                self.log_flops[budgets], np.where(counted, values, 0.0), counted.astype(np.float64)
            )
            for values in (choice.log_n[usable], choice.log_d[usable], log_loss)
        )
        return FrontierDraws(n1, d1, n0, d0, loss_line=np.stack(loss, axis=1)), int((~usable).sum())

    def points(self) -> list[tuple[OptimumPoint, dict[str, Any]]]:
        """The middle of each selected run's budgets, and what is told of the run."""
        owner, names = self._owners()
        found = []
        for number in np.unique(owner[self.counted]):
            mine = np.flatnonzero(self.counted & (owner == number))
            middle = mine[len(mine) // 2]
            log_c, log_n, log_d = (
                self.log_flops[middle],
                self.whole.log_n[0, middle],
                self.whole.log_d[0, middle],
            )
            point = OptimumPoint(
                math.exp(log_c), math.exp(log_n), math.exp(log_d), float(self.whole.loss[0, middle])
            )
            row: dict[str, Any] = {"n_params": point.n_params, "n_budgets": len(mine)}
            if (done := self.share_done()) is not None:
                row = {"run_id": names[number]} | row
                row["share_done"] = [float(done[mine].min()), float(done[mine].max())]
            found.append((point, row))
        return sorted(found, key=lambda pair: (pair[0].flops, pair[0].n_params))

    def _owners(self) -> tuple[IntArray, tuple[str, ...]]:
        """Which run is selected at each budget; which size, if there are no curves."""
        if isinstance(self.source.ranking, Ranking):
            assert self.curves is not None
            return self.source.ranking.run[0], self.curves.run_id
        sizes = self.source.ranking.sizes
        return np.searchsorted(np.log(sizes), np.nan_to_num(self.whole.log_n[0])), ()

    def share_done(self) -> FloatArray | None:
        """Tokens seen over tokens planned of the run selected at each budget; None without curves."""
        if self.curves is None:
            return None
        planned = self.table.n_tokens[self.curves.find_in(self.table)]
        return np.asarray(np.exp(self.whole.log_d[0]) / planned[self._owners()[0]], dtype=np.float64)

    def details(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        counted = np.exp(self.log_flops[self.counted])
        details: dict[str, Any] = {
            "variant": "curves" if self.curves is not None else "final losses of each size, interpolated",
            "budgets": {
                "n": N_BUDGETS,
                "range": [math.exp(self.log_flops[0]), math.exp(self.log_flops[-1])],
                "n_counted": int(self.counted.sum()),
                "range_counted": [float(counted[0]), float(counted[-1])],
                "rule": "the fitted N_opt is inside the sizes with a run there by one rms scatter",
                "n_smallest_selected": int((self.at_bottom & ~self.at_top).sum()),
                "n_largest_selected": int((self.at_top & ~self.at_bottom).sum()),
                "n_one_size_only": int((self.at_top & self.at_bottom).sum()),
            },
            "selected": rows,
        }
        if (done := self.share_done()) is not None:
            mine = done[self.counted]
            details["smoothing"] = f"Gaussian over {self.window:g} steps"
            details["share_done"] = {
                "min": float(mine.min()),
                "median": float(np.median(mine)),
                "max": float(mine.max()),
                "in_last_15_percent": float(np.mean(mine >= LATE)),
            }
        return details

    def messages(self) -> tuple[str, ...]:
        messages = [
            "intervals from resampled runs are rough for a minimum: in simulations those of nominally 90 % "
            "covered a in 72 to 100 % of sweeps"
        ]
        n_sizes = len(np.unique(self.whole.log_n[0, self.counted]))
        if n_sizes < _FEW_SIZES:
            messages.append(
                f"{n_sizes} model sizes are selected, so the exponent rests on {n_sizes - 1} steps"
            )
        if (n_without := len(self.table) - len(self.strata)) > 0:
            messages.append(f"{n_without} runs have no curve and are left out")
        if (done := self.share_done()) is not None:
            early = float(np.mean(done[self.counted] < LATE))
            if early > _EARLY:
                messages.append(
                    f"at {early:.0%} of the budgets the selected run is not in the last 15 % of its tokens, "
                    "so its learning rate was yet to decay"
                )
        if (share := float(np.mean(self.counted))) < _HALF:
            messages.append(
                f"{share:.0%} of the budgets count; at the others no smaller or no larger model has a run"
            )
        return tuple(messages)
