"""Exponents of several fits under one another, with their intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExponentRow", "plot_exponents"]

ExponentRow = tuple[str, float, tuple[float, float] | None]
"""A name, an exponent, and its interval if there is one."""


def plot_exponents(
    groups: Mapping[str, Sequence[ExponentRow]],
    ax: "Axes | None" = None,
    *,
    truth: float | None = None,
    limits: tuple[float, float] | None = None,
) -> "Axes":
    """Draw exponents with their intervals, one line each, in groups of one colour.

    Parameters
    ----------
    groups : mapping of str to sequence of rows
        Rows (name, exponent, interval or None) by the name of their group; five groups at most.
    ax : Axes, optional
        Where to draw; a new figure by default.
    truth : float, optional
        A value to mark by a line.
    limits : tuple of float, optional
        Ends of the axis of exponents; an interval that leaves them has an arrow there.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no rows, or more groups than colours.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> rows = {"this book": [("Approach 2", 0.5, (0.4, 0.6))], "printed": [("Approach 2", 0.49, None)]}
    >>> ax = plot_exponents(rows, truth=0.5)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Approach 2', 'Approach 2']
    """
    if not any(groups.values()) or len(groups) > len(PALETTE):
        raise InputError(f"groups must be 1 to {len(PALETTE)} with a row, found {len(groups)}")
    ax = axes_or_new(ax)
    names, place = [], 0.0
    for color, (group, rows) in zip(PALETTE, groups.items(), strict=False):
        for number, (name, exponent, interval) in enumerate(rows):
            names.append((place, name))
            label = group if number == 0 else None
            ax.plot([exponent], [place], "o", color=color, label=label, zorder=3)
            if interval is not None:
                ax.plot(interval, [place, place], color=color, zorder=2)
                if limits is not None:
                    for end, edge, arrow in zip(interval, limits, "<>", strict=True):
                        if (end < edge) if arrow == "<" else (end > edge):
                            ax.plot([edge], [place], arrow, color=color, clip_on=False, zorder=4)
            place += 1
        place += 0.6
    if truth is not None:
        ax.axvline(truth, color=INK, linewidth=1, linestyle=":")
    ax.set_yticks([position for position, _ in names], [name for _, name in names])
    ax.set_ylim(place - 0.8, -0.8)
    if limits is not None:
        ax.set_xlim(*limits)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$")
    ax.legend(frameon=False, fontsize=9.5, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax
