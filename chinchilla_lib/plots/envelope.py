"""Approach 1: training curves over compute (Figure 2, left), and how far the best runs had come."""

from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.envelope import LATE
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import CARD, PALETTE, axes_or_new, label_axes, label_flops, sequence_colors
from chinchilla_lib.sweeps.curves import CurveTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_envelope", "plot_share_done"]


def plot_envelope(fit: FrontierFit, curves: CurveTable, ax: "Axes | None" = None) -> "Axes":
    """Draw training curves over FLOPs, from small models (light) to large ones (dark), and the best runs.

    Parameters
    ----------
    fit : FrontierFit
        Of `chinchilla_lib.fitting.envelope.fit_envelope`; a selected run has a dot
        in the middle of its budgets.
    curves : CurveTable
        The curves.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    sizes, number = np.unique(curves.n_params, return_inverse=True)
    colors = sequence_colors(len(sizes))
    for run, (first, last) in enumerate(zip(curves.first, curves.last, strict=True)):
        part = slice(first, last + 1)
        ax.plot(
            curves.flops[part],
            curves.loss[part],
            color=colors[number[run]],
            linewidth=0.7,
            alpha=0.6,
            zorder=2,
        )
    flops, loss = np.array([(point.flops, point.loss) for point in fit.points]).T
    ax.plot(flops, loss, "o", color=PALETTE[1], markeredgecolor=CARD, markersize=5.5, zorder=4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = float(curves.loss.min()), float(np.median(curves.loss[curves.first + 1]))
    top = max(high, 1.5 * low)
    ax.set_ylim(low * 0.98, top)
    ax.set_xlim(left=float(curves.flops[curves.loss < top].min()))
    label_flops(ax.xaxis)
    _plain_ticks(ax)
    label_axes(ax, x="training compute so far (FLOPs)", y="training loss (nats per token)")
    ax.set_title("Training curves, and the runs that are lowest", loc="left")
    return ax


def plot_share_done(fit: FrontierFit, ax: "Axes | None" = None) -> "Axes":
    """Draw how far each selected run had come in its own schedule while it was the best (footnote 4).

    Parameters
    ----------
    fit : FrontierFit
        Of `chinchilla_lib.fitting.envelope.fit_envelope`, with curves.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the fit has no curves and so no runs under way.
    MissingExtraError
        If matplotlib is not installed.
    """
    rows = [row for row in fit.diagnostics.details.get("selected", ()) if "share_done" in row]
    if not rows:
        raise InputError(
            f"the fit of method {fit.method} selects no runs under way; give an envelope of curves"
        )
    ax = axes_or_new(ax)
    flops = [point.flops for point in fit.points]
    low, high = np.array([row["share_done"] for row in rows]).T
    label = f"last {100 * (1 - LATE):.0f} % of its schedule"
    ax.axhspan(LATE, 1, color=PALETTE[2], alpha=0.15, linewidth=0, label=label)
    ax.vlines(flops, low, high, color=PALETTE[0], linewidth=2)
    ax.plot(flops, high, "o", color=PALETTE[0], markersize=3.5)
    ax.set_xscale("log")
    ax.set_ylim(0, 1.04)
    label_flops(ax.xaxis)
    label_axes(ax, x="training compute (FLOPs)", y="tokens seen over tokens planned")
    ax.set_title("Each selected run, from its first to its last budget", loc="left")
    ax.legend(frameon=False, fontsize=9.5, loc="lower left")
    return ax


def _plain_ticks(ax: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
