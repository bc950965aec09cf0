"""How far claimed figures are from the same figures computed again."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import CARD, FIGURE_SIZE, INK, PALETTE, label_axes, new_axes
from chinchilla_lib.reference.claims import Settled
from chinchilla_lib.reference.misreadings import FACTOR, off_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_misreadings"]

_ROW: Final = 0.22  # inches, for one line of text
_TICKS: Final = {0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %", 1: "×2", 9: "×10", 99: "×100"}


def plot_misreadings(
    settled: Sequence[Settled], ax: "Axes | None" = None, *, factor: float = FACTOR, title: str = ""
) -> "Axes":
    """Draw how far claimed figures are off, up or down, one line each, the worst on top.

    Beside each mark stands the figure found. Figures that agree, and those whose ratio has no meaning, are
    left out.

    Parameters
    ----------
    settled : sequence of Settled
    ax : Axes, optional
        Where to draw; a new figure by default, as high as the lines need.
    factor : float
        Above 1: a line there divides what is called imprecise from what is called wrong.
    title : str

    Returns
    -------
    Axes
        With a logarithmic axis of the ratio of the larger figure to the smaller one, less 1.

    Raises
    ------
    InputError
        If nothing is left to draw, or the factor is not above 1.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not 1 < factor < math.inf:
        raise InputError(f"factor is {factor!r}; give a finite number above 1")
    found = [(one, off_by(one)) for one in settled if one.outcome == "differs"]
    rows = sorted(
        ((max(ratio, 1 / ratio) - 1, ratio > 1, one) for one, ratio in found if ratio not in (None, 1)),
        key=lambda row: row[0],
    )
    if not rows:
        raise InputError("settled has no claim that differs by a ratio; give one at least")
    if ax is None:
        ax = new_axes((FIGURE_SIZE[0], 1.4 + _ROW * len(rows)))
    low, high = min(rows[0][0], 0.01) / 2, max(rows[-1][0], 1) * 4
    ax.axvline(factor - 1, color=INK, linewidth=1, linestyle=":")
    for higher, marker, color, label in (
        (True, "^", PALETTE[0], "more than claimed"),
        (False, "v", PALETTE[1], "less than claimed"),
    ):
        places = [place for place, row in enumerate(rows) if row[1] == higher]
        sizes = [rows[place][0] for place in places]
        ax.hlines(places, low, sizes, color=color, linewidth=1.2)
        if places:
            ax.plot(sizes, places, marker, color=color, label=label)
    for place, (size, _, one) in enumerate(rows):
        ax.annotate(
            one.ours, (size, place), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK,
            bbox={"facecolor": CARD, "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
    wheres = {one.claim.where for _, _, one in rows}
    labels = [one.paper if len(wheres) == 1 else f"{one.claim.where}: {one.paper}" for _, _, one in rows]
    ax.set_yticks(range(len(rows)), labels, fontsize=8.5)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    ax.set_xticks(ticks, [_TICKS[tick] for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y", visible=False)
    label_axes(ax, x="off by (right of the dots: wrong)", y="", title=title)
    ax.legend(loc="lower right", frameon=False, fontsize=9.5)
    return ax
