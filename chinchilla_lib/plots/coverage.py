"""How often intervals held the truth, from the recorded simulation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chinchilla_lib.experiments.coverage import TARGET
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_coverage"]

_MARKERS: Final = ("o", "s", "^", "D", "v")
_SPREAD: Final = 0.8  # of a method's place, over its schemes


def plot_coverage(rows: Sequence[Mapping[str, Any]], level: float = 0.9, ax: "Axes | None" = None) -> "Axes":
    """Draw coverage by method and scheme: one mark for each quantity, noise and design.

    Parameters
    ----------
    rows : sequence of mapping
        Of ``load_recorded("coverage")``.
    level : float
        Level of the intervals that are shown, and the line where their coverage should lie; the band is
        what coverage of 90 % intervals is meant to keep to.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
    """
    ax = axes_or_new(ax)
    shown = [row for row in rows if float(row["level"]) == level]
    methods = list(dict.fromkeys(row["method"] for row in shown))
    schemes = list(dict.fromkeys(row["scheme"] for row in shown))
    ax.axhspan(*TARGET, color=INK, alpha=0.08, linewidth=0)
    ax.axhline(level, color=INK, linestyle="--", linewidth=1)
    lanes = (np.arange(len(schemes)) - (len(schemes) - 1) / 2) * _SPREAD / len(schemes)
    for scheme, lane, color, marker in zip(schemes, lanes, PALETTE, _MARKERS, strict=False):
        places, values = [], []
        for place, method in enumerate(methods):
            mine = [
                float(row["coverage"]) for row in shown if row["method"] == method and row["scheme"] == scheme
            ]
            values += mine
            # Marks of one lane lie side by side, so that equal ones can be told.
            places += list(place + lane + np.linspace(-0.4, 0.4, len(mine)) * _SPREAD / len(schemes))
        ax.plot(
            places, values, marker, color=color, markersize=3.5, alpha=0.7, markeredgewidth=0, label=scheme
        )
    ax.set_xticks(range(len(methods)), methods)
    ax.grid(axis="x", visible=False)
    label_axes(ax, x="", y=f"share of {level:.0%} intervals that hold the truth")
    return ax
