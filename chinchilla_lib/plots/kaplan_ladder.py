"""Exponents rung by rung (Porian et al. 2024), and by what is counted (Pearce and Song 2024)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.recount import RecountedFrontier
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_counts, marked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_ladder", "plot_local_exponents"]

_STYLES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def plot_ladder(
    rungs: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, Interval]]],
    ax: "Axes | None" = None,
    *,
    marks: Mapping[str, float] | None = None,
) -> "Axes":
    """Draw exponents with their intervals under one another, a line for each rung and series.

    Parameters
    ----------
    rungs : sequence of str
        From top to bottom.
    series : mapping of str to sequence of (exponent, interval)
        By label, an exponent for each rung; five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.
    marks : mapping of str to float, optional
        Exponents to mark by a dotted line, by the name above it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no series or too many, or one has not an exponent for each rung.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not 1 <= len(series) <= len(PALETTE):
        raise InputError(f"series must be 1 to {len(PALETTE)}, found {len(series)}")
    for label, points in series.items():
        if len(points) != len(rungs):
            raise InputError(
                f"series {label!r} has {len(points)} exponents; give one for each rung, {len(rungs)}"
            )
    ax = axes_or_new(ax)
    for k, ((label, points), color, marker) in enumerate(marked(series.items(), "series")):
        place = np.arange(len(rungs)) + (k - (len(series) - 1) / 2) * 0.22
        exponents = [exponent for exponent, _ in points]
        ax.plot(exponents, place, "-", color=color, linewidth=0.8, alpha=0.5)
        for at, (_, interval) in zip(place, points, strict=True):
            ax.plot(interval, [at, at], "-", color=color, linewidth=1.8)
        ax.plot(exponents, place, marker, color=color, markeredgecolor=CARD, markersize=7, label=label)
    for name, value in (marks or {}).items():
        ax.axvline(value, color=INK, linewidth=1, linestyle=":", zorder=0)
        ax.annotate(
            name, (value, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", fontsize=9,
        )  # fmt: skip
    ax.set_yticks(range(len(rungs)), rungs)
    ax.set_ylim(len(rungs) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$")
    ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=1)
    return ax


def plot_local_exponents(frontiers: Mapping[str, RecountedFrontier], ax: "Axes | None" = None) -> "Axes":
    """Draw the local exponent of frontiers against the size, each in its own count.

    Parameters
    ----------
    frontiers : mapping of str to RecountedFrontier
        By label; five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are none or too many.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not 1 <= len(frontiers) <= len(PALETTE):
        raise InputError(f"frontiers must be 1 to {len(PALETTE)}, found {len(frontiers)}")
    ax = axes_or_new(ax)
    for (label, frontier), color, line in zip(frontiers.items(), PALETTE, _STYLES, strict=False):
        ax.plot(frontier.counted, frontier.exponent, color=color, linestyle=line, label=label)
    ax.axhline(0.5, color=INK, linewidth=1, linestyle=":", zorder=0)
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters, as counted", y="local exponent d ln N / d ln C")
    return ax
