"""How far runs reach, and how far from there to where a claim is made: spans of compute on one axis."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import INK, PALETTE, label_flops, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_reach"]


def plot_reach(
    spans: Mapping[str, tuple[float, float]], ax: "Axes | None" = None, *, goal: tuple[str, float]
) -> "Axes":
    """Draw spans of compute under one another, and write how many decades are left from each to a goal.

    Parameters
    ----------
    spans : mapping of str to (float, float)
        By name, from top to bottom, the smallest and the largest budget in FLOPs.
    ax : Axes, optional
        Where to draw; a new figure by default.
    goal : (str, float)
        Name and budget in FLOPs of what the spans are to speak of; not below any of them.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there is no span, one is no pair of ascending positive numbers, or the goal lies below one.
    MissingExtraError
        If matplotlib is not installed.
    """
    name_of_goal, target = goal
    if not spans:
        raise InputError("spans is empty; give one or more")
    for name, (low, high) in spans.items():
        if not (0 < low <= high <= target < math.inf):
            raise InputError(
                f"{name} spans {low:g} to {high:g} FLOPs and the goal is {target:g}; "
                "give 0 < low <= high <= goal"
            )
    ax = new_axes((5.6, 1.3 + 0.5 * len(spans))) if ax is None else ax
    ax.set_xscale("log")
    for place, (low, high) in enumerate(spans.values()):
        left = math.log10(target / high)
        ax.plot([low, high], [place, place], color=PALETTE[0], linewidth=7, solid_capstyle="butt")
        ax.plot([high, target], [place, place], color=PALETTE[1], linewidth=1.2, linestyle=":")
        end = target / 10**0.2  # clear of the line of the goal
        ax.text(end, place - 0.12, f"{left:.1f} decades", ha="right", va="bottom", fontsize=9.5)
    ax.axvline(target, color=INK, linewidth=1)
    ax.set_yticks(range(len(spans)), list(spans))
    ax.set_ylim(len(spans) - 0.4, -0.7)
    ax.grid(axis="y", visible=False)
    label_flops(ax.xaxis)
    ax.set_xlabel("training compute (FLOPs)")
    ax.set_title(name_of_goal, loc="right", fontsize=10)
    return ax
