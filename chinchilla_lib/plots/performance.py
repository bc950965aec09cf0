"""How many times as fast as its peers, on one logarithmic axis."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import INK, axes_or_new, label_axes, marked, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_ratios"]

_LINE_INCHES = 0.17
_CHARACTERS = 72


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

    Examples
    --------
    >>> row = {"area": "fits", "ours": "a fit", "peer": "SciPy", "ratio": "40", "low": "", "high": ""}
    >>> plot_ratios([row]).texts[0].get_text()
    'a fit / SciPy'
    """
    if not rows:
        raise InputError("rows is empty; give one ratio at least")
    names = [textwrap.wrap(f"{row['ours']} / {row['peer']}", _CHARACTERS) for row in rows]
    heights: list[float] = []  # in lines of text: each row is its name, a line or two, above its point
    for name in names:
        heights.append((heights[-1] if heights else 0.0) - len(name) - 1.2)
    ax = new_axes((5.6, 1.3 - _LINE_INCHES * heights[-1])) if ax is None else axes_or_new(ax)
    for area, color, mark in marked(dict.fromkeys(row["area"] for row in rows), "areas"):
        some = [(row, height) for row, height in zip(rows, heights, strict=True) if row["area"] == area]
        xs, ys = [float(row["ratio"]) for row, _ in some], [height for _, height in some]
        ax.plot(xs, ys, mark, color=color, label=area)
        for row, height in some:
            if row["low"] not in ("", None):
                ends = [float(row["low"]), float(row["high"])]
                ax.plot(ends, [height, height], "-", color=color, linewidth=1)
    ax.axvline(1.0, color=INK, linewidth=1, linestyle=":")
    for name, height in zip(names, heights, strict=True):
        ax.text(
            0.01, height + 0.5, "\n".join(name), transform=ax.get_yaxis_transform(), va="bottom", fontsize=9
        )
    ax.set_xscale("log")
    ax.set_ylim(heights[-1] - 1, 0.5)
    ax.set_yticks([])
    ax.grid(axis="y", visible=False)
    ax.xaxis.set_major_formatter("{x:,g}")
    label_axes(ax, x="times as fast as the peer", y="")
    ax.legend(frameon=False, fontsize=9.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderpad=0)
    return ax
