"""Does the frontier bend? Its minima against a straight line, and the bend that a design could see."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.curvature_result import Curvature
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_flops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_curvature"]


def plot_curvature(curvature: Curvature, ax: "Axes | None" = None) -> "Axes":
    """Draw the minima of valleys over the straight line through them, in percent of N_opt.

    Parameters
    ----------
    curvature : Curvature
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the fitted quadratic, its interval as a band about the line, and, dashed, bends of the size
        that would be found with probability 0.8. All have their own straight line taken off.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    flops, sizes = np.array([(point.flops, point.n_params) for point in curvature.used]).T
    x = np.log(flops / curvature.middle_flops)
    grid = np.linspace(x.min(), x.max(), 100)
    # What a quadratic leaves over of a straight line through the same budgets.
    line = np.polynomial.Polynomial.fit(x, x**2, 1)
    at = curvature.middle_flops * np.exp(grid)

    def bend(c2: float) -> npt.NDArray[np.float64]:
        return np.asarray(100 * np.expm1(c2 * (grid**2 - line(grid))), dtype=np.float64)

    low, high = (bend(end) for end in curvature.c2_interval)
    ax.fill_between(
        at, low, high, color=PALETTE[0], alpha=0.2, linewidth=0, label=f"{curvature.level:.0%} interval"
    )
    ax.plot(at, bend(curvature.c2), color=PALETTE[0], label="quadratic")
    for number, sign in enumerate((1, -1)):
        label = "found 4 times in 5" if number == 0 else None
        ax.plot(at, bend(sign * curvature.detectable), "--", color=PALETTE[2], linewidth=1.2, label=label)
    straight = np.polynomial.Polynomial.fit(x, np.log(sizes), 1)
    left = 100 * np.expm1(np.log(sizes) - straight(x))
    ax.axhline(0, color=INK, linewidth=1)
    ax.plot(flops, left, "o", color=PALETTE[1], markeredgecolor=CARD, markersize=7, zorder=4, label="minima")
    ax.set_xscale("log")
    reach = math.exp(0.04 * float(x.max() - x.min()))
    ax.set_xlim(flops.min() / reach, flops.max() * reach)
    label_flops(ax.xaxis)
    label_axes(ax, x="training compute C (FLOPs)", y=r"$N_\mathrm{opt}$ over a power law (%)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9.5)
    return ax
