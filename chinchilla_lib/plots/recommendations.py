"""Tokens for each parameter that several results ask for, under one another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.recommendations import GROUPS, Recommendation
from chinchilla_lib.plots.style import GRID, INK, PALETTE, label_counts, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_recommendations"]


def plot_recommendations(
    rows: Sequence[Recommendation], ax: "Axes | None" = None, *, ratio: float, factor: float = 2.0
) -> "Axes":
    """Draw recommendations as dots with their intervals, one line each, a colour for each group.

    Parameters
    ----------
    rows : sequence of Recommendation
        At least one, in the order from top to bottom.
    ax : Axes, optional
        Where to draw; a new figure, tall enough for its rows, by default.
    ratio : float
        Tokens per parameter of the answer that they are set beside, above 0: a line.
    factor : float
        Above 1: a band to either side of it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there is no row, one is of no known group, or an argument is out of range.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not rows:
        raise InputError("rows is empty; give one recommendation or more")
    for row in rows:
        row.judge(ratio, factor)  # refuses what is out of range
        if row.group not in GROUPS:
            raise InputError(f"{row.name} is of the group {row.group!r}; choose one of {', '.join(GROUPS)}")
    ax = new_axes((5.6, 1.6 + 0.3 * len(rows))) if ax is None else ax
    ax.set_xscale("log")
    ax.axvspan(ratio / factor, ratio * factor, color=GRID, alpha=0.6, linewidth=0, zorder=0)
    ax.axvline(ratio, color=INK, linewidth=1, linestyle=":")
    place, before = 0.0, rows[0].group
    places: list[float] = []
    for row in rows:
        place += 0.6 if row.group != before else 0.0
        color = PALETTE[GROUPS.index(row.group)]
        label = row.group if row.group != before or not places else None
        ax.plot([row.tokens_per_param], [place], "o", color=color, label=label, zorder=3)
        if row.interval is not None:
            ax.plot(row.interval, [place, place], color=color, zorder=2)
        places.append(place)
        before, place = row.group, place + 1
    ax.set_yticks(places, [row.name for row in rows])
    ax.set_ylim(place - 0.3, -0.7)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("training tokens for each parameter")
    label_counts(ax.xaxis)
    ax.figure.legend(frameon=False, fontsize=9.5, loc="outside upper right", ncols=2)
    return ax
