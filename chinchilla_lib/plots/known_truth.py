"""Where the truth is known: losses less the entropy, estimates beside their truth, and E against the span."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.floor import LABELS
from chinchilla_lib.experiments.known_truth import Estimate
from chinchilla_lib.experiments.spans import FIRST
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_counts, sequence_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_estimates", "plot_excess", "plot_spans"]

_AXES: Final = {"n_params": "parameters N", "n_tokens": "training tokens D"}


def plot_excess(
    fit: FrontierFit,
    floor: float,
    ax: "Axes | None" = None,
    *,
    against: str = "n_params",
    exponent: float | None = None,
) -> "Axes":
    """Draw losses less a floor, budget by budget, with the minima of the valleys.

    Where size and data fall as powers, so does the excess along the minima, with the exponent of N or of D.

    Parameters
    ----------
    fit : FrontierFit
        By parabolas: its runs and its minima are drawn.
    floor : float
        Nats per token, below all losses.
    ax : Axes, optional
        Where to draw; a new figure by default.
    against : str
        ``"n_params"`` or ``"n_tokens"``.
    exponent : float, optional
        Of theory: a line of that slope through the middle of the minima.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a loss does not lie above the floor, or `against` is something else.
    MissingExtraError
        If matplotlib is not installed.
    """
    if against not in _AXES:
        raise InputError(f"against is {against!r}; give one of {', '.join(_AXES)}")
    table = fit.table
    if not floor < table.loss.min():
        raise InputError(f"floor is {floor:g}; it must lie below the lowest loss, {table.loss.min():.4g}")
    ax = axes_or_new(ax)
    valleys = table.valleys()
    for valley, color in zip(valleys, sequence_colors(len(valleys)), strict=True):
        counts, excess = getattr(table, against)[valley.index], table.loss[valley.index] - floor
        distinct = np.unique(counts)
        means = [excess[counts == count].mean() for count in distinct]
        ax.plot(counts, excess, "o", color=color, markersize=4, alpha=0.7)
        ax.plot(distinct, means, color=color, linewidth=1.2, label=f"{format_flops(valley.flops)} FLOPs")
    at = np.array([getattr(point, against) for point in fit.points])
    lowest = np.array([point.loss for point in fit.points]) - floor
    ax.plot(at, lowest, "D", color=PALETTE[1], markersize=7, zorder=4, label="minima of parabolas")
    if exponent is not None:
        middle = np.exp([np.log(at).mean(), np.log(lowest).mean()])
        ends = np.array([at.min() / 2, at.max() * 2])
        line = middle[1] * (ends / middle[0]) ** -exponent
        ax.plot(ends, line, "--", color=INK, linewidth=1.4, label=f"slope of theory, $-{exponent:.3g}$")
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x=_AXES[against], y="loss less entropy (nats per token)")
    ax.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    _plain_ticks(ax)
    return ax


def plot_estimates(
    estimates: Sequence[Estimate], truth: float, ax: "Axes | None" = None, *, name: str = ""
) -> "Axes":
    """Draw what methods find for one quantity, one below the other, beside the truth.

    Parameters
    ----------
    estimates : sequence of Estimate
        Of one quantity.
    truth : float
    ax : Axes, optional
        Where to draw; a new figure by default.
    name : str
        Of the axis; the quantity by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    places = -np.arange(len(estimates), dtype=float)
    for place, estimate in zip(places, estimates, strict=True):
        low, high = estimate.interval
        color = PALETTE[0] if low <= truth <= high else PALETTE[1]
        ax.plot([low, high], [place, place], color=color, linewidth=2.5)
        ax.plot(estimate.value, place, "o", color=color, markersize=7)
    ax.axvline(truth, color=INK, linestyle="--", linewidth=1.2)
    ax.set_yticks(places, [estimate.method for estimate in estimates])
    ax.set_ylim(places.min() - 0.6, 0.6)
    label_axes(ax, x=name or estimates[0].quantity, y="")
    return ax


def plot_spans(rows: Sequence[Mapping[str, float]], law: ParametricLoss, ax: "Axes | None" = None) -> "Axes":
    """Draw the interval of E against the span of the budgets, by noise, below the loss of the best run.

    Parameters
    ----------
    rows : sequence of mapping
        Numbers under the names of `chinchilla_lib.experiments.spans.COLUMNS`.
    law : ParametricLoss
        That the sweeps were simulated from.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Filled markers where E is identifiable in half of the sweeps or more.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    spans = np.array(sorted({row["decades"] for row in rows}))
    flops = FIRST * 10**spans
    ax.plot(
        spans, law.loss(law.n_opt(flops), law.d_opt(flops)), color=PALETTE[2], label="loss of the best run"
    )
    shares = sorted({row["noise_share"] for row in rows}, reverse=True)
    for share, color, shift in zip(shares, PALETTE, np.linspace(-0.05, 0.05, len(shares)), strict=False):
        chosen = sorted((row for row in rows if row["noise_share"] == share), key=lambda row: row["decades"])
        label = "E, noise of our seeds" if share == 1 else f"E, {share:.0%} of that noise"
        for row in chosen:
            at = row["decades"] + shift
            ax.plot([at, at], [row["low"], row["high"]], color=color, linewidth=2.5, label=label)
            known = row[LABELS[0]] >= 0.5
            face = color if known else ax.get_facecolor()
            ax.plot(at, row["estimate"], "o", color=color, markerfacecolor=face, markersize=7)
            label = ""
    ax.axhline(law.E, color=INK, linestyle="--", linewidth=1.2, label="true E")
    label_axes(ax, x="decades of compute", y="nats per token")
    return ax


def _plain_ticks(ax: "Axes") -> None:
    """Losses on a logarithmic axis as 0.1, 0.2, 0.5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
