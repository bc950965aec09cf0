"""What to train next: the runs of a design beside those so far, and what a number of runs can tell."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.fitting.design_result import Design
from chinchilla_lib.fitting.power_result import Power
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_counts, marked
from chinchilla_lib.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_design", "plot_detectable"]

_MARKS: Final = np.outer(10.0 ** np.arange(-4, 5), [1, 2, 5]).ravel().tolist()


def plot_design(design: Design, table: SweepTable, ax: "Axes | None" = None) -> "Axes":
    """Draw the runs of a design over those that it was made from, by size and tokens.

    Parameters
    ----------
    design : Design
        Each kind of run with how often it is to be done.
    table : SweepTable
        The runs so far.
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
    ax.plot(table.n_params, table.n_tokens, "o", color=PALETTE[0], alpha=0.5, markersize=4, label="so far")
    for number, run in enumerate(design.runs):
        label = "next, and how often" if number == 0 else None
        point = run.n_params, run.n_tokens
        ax.plot(*point, "D", color=PALETTE[1], markeredgecolor=CARD, markersize=9, zorder=3, label=label)
        ax.annotate(
            str(run.count), point, xytext=(7, 5), textcoords="offset points", color=INK, fontsize=10, zorder=4
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.margins(0.1)
    label_counts(ax.xaxis)
    label_counts(ax.yaxis)
    label_axes(ax, x="parameters N", y="training tokens D")
    return ax


def plot_detectable(
    powers: Mapping[str, Sequence[Power]], difference: float, ax: "Axes | None" = None
) -> "Axes":
    """Draw the difference of exponents that a number of runs finds, by design.

    Parameters
    ----------
    powers : mapping of str to sequence of Power
        By the design's name, with different numbers of runs; five at most.
    difference : float
        One that matters, drawn as a line.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are more than five designs.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for (name, some), color, marker in marked(powers.items(), "designs"):
        ordered = sorted(some, key=lambda power: power.n_runs)
        ax.plot(
            [power.n_runs for power in ordered],
            [power.detectable for power in ordered],
            f"{marker}-",
            color=color,
            label=name,
        )
    ax.axhline(difference, color=INK, linewidth=1, linestyle="--", label=f"a difference of {difference:g}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        low, high = axis.get_view_interval()
        ticks = [mark for mark in _MARKS if low <= mark <= high]
        axis.set_ticks(ticks, [f"{mark:g}" for mark in ticks])
    ax.minorticks_off()
    label_axes(ax, x="runs in all", y="difference of exponents found")
    return ax
