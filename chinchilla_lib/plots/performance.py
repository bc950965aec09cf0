"""How many times as fast as its peers, on one logarithmic axis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import INK, axes_or_new, label_axes, marked, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_ratios"]

_ROW_INCHES = 0.28


def plot_ratios(rows: Sequence[Mapping[str, Any]], ax: "Axes | None" = None) -> "Axes":
    """Draw a point for each peer, with the extremes over rounds where there are any, and a line at 1.

    Parameters
    ----------
    rows : sequence of mapping
        With ``area``, ``ours``, ``peer``, ``ratio``, ``low`` and ``high``, as ``make bench`` records them;
        five areas at most.
    ax : Axes, optional
        Where to draw; a new figure, as high as the rows need, by default.

    Raises
    ------
    InputError
        If there are no rows, or more than five areas.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not rows:
        raise InputError("rows is empty; give one ratio at least")
    ax = new_axes((5.6, 1.2 + _ROW_INCHES * len(rows))) if ax is None else axes_or_new(ax)
    places = {id(row): -i for i, row in enumerate(rows)}
    for area, color, mark in marked(dict.fromkeys(row["area"] for row in rows), "areas"):
        some = [row for row in rows if row["area"] == area]
        heights = [places[id(row)] for row in some]
        ax.plot([float(row["ratio"]) for row in some], heights, mark, color=color, label=area)
        for row, height in zip(some, heights, strict=True):
            if row["low"] not in ("", None):
                ends = [float(row["low"]), float(row["high"])]
                ax.plot(ends, [height, height], "-", color=color, linewidth=1)
    ax.axvline(1.0, color=INK, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    ax.set_yticks(
        [-i for i in range(len(rows))], [f"{row['ours']} / {row['peer']}" for row in rows], fontsize=7.5
    )
    label_axes(ax, x="times as fast as the peer", y="")
    return ax
