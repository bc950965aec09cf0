"""IsoFLOP profiles: loss against model size, one valley per budget (Figure 3, left)."""

from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import CARD, PALETTE, axes_or_new, label_counts, sequence_colors
from chinchilla_lib.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_isoflop_profiles"]


def plot_isoflop_profiles(result: FrontierFit | SweepTable, ax: "Axes | None" = None) -> "Axes":
    """Draw the valleys of a sweep: runs, parabolas and minima.

    Parameters
    ----------
    result : FrontierFit or SweepTable
        With a fit its parabolas and minima are drawn; a valley that it left out has open markers and a
        dashed parabola. With a table the runs of a budget are joined by a line.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the budgets of a table cannot be told apart.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> ax = plot_isoflop_profiles(table)
    >>> ax.get_xlabel()
    'parameters N'
    """
    ax = axes_or_new(ax)
    if isinstance(result, FrontierFit):
        table = result.table
        groups = [(valley.flops, valley.index) for valley in result.diagnostics.valleys]
        line = ""
    else:
        table = result
        groups = [(valley.flops, valley.index) for valley in result.valleys()]
        line = "-"
    for (flops, index), color in zip(groups, sequence_colors(len(groups)), strict=True):
        sizes, loss = table.n_params[index], table.loss[index]
        ax.plot(sizes, loss, f"o{line}", color=color, linewidth=1.2)
        ax.annotate(
            format_flops(flops),
            (float(sizes[-1]), float(loss[-1])),
            xytext=(6, 0),
            textcoords="offset points",
            color=color,
            fontsize=9.5,
            va="center",
        )
    if isinstance(result, FrontierFit):
        _draw_parabolas(result, ax)
    ax.set_xscale("log")
    # Room on the right for the labels of the budgets, on a logarithmic axis.
    low, high = float(table.n_params.min()), float(table.n_params.max())
    span = high / low
    ax.set_xlim(low / span**0.05, high * span**0.2)
    label_counts(ax.xaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel("loss (nats per token)")
    ax.set_title("One valley per training budget C (FLOPs)", loc="left")
    return ax


def _draw_parabolas(fit: FrontierFit, ax: "Axes") -> None:
    colors = sequence_colors(len(fit.diagnostics.valleys))
    for valley, color in zip(fit.diagnostics.valleys, colors, strict=True):
        if valley.reason is not None:
            runs = valley.index
            ax.plot(fit.table.n_params[runs], fit.table.loss[runs], "o", color=color, markerfacecolor=CARD)
        grid = np.geomspace(*valley.n_params_range, 100)
        style = "-" if valley.reason is None else "--"
        ax.plot(grid, valley.predict(grid), style, color=color, linewidth=1.4)
    ax.plot(
        [point.n_params for point in fit.points],
        [point.loss for point in fit.points],
        "*",
        color=PALETTE[1],
        markeredgecolor=CARD,
        markeredgewidth=0.6,
        markersize=12,
        zorder=4,
    )
