"""What a fit leaves over."""

from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_flops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_residuals"]


def plot_residuals(fit: FrontierFit, ax: "Axes | None" = None, *, delta: float | None = None) -> "Axes":
    """Draw the residuals of a fit, as shares of the fitted loss, against FLOPs.

    Parameters
    ----------
    fit : FrontierFit
        Any method's.
    ax : Axes, optional
        Where to draw; a new figure by default.
    delta : float, optional
        Huber's; the band within which a residual counts by its square is shaded.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    loss = fit.table.loss
    log_residuals = np.log(loss) - np.log(loss - fit.residuals)
    if delta is not None:
        ax.axhspan(-100 * delta, 100 * delta, color=PALETTE[1], alpha=0.3, linewidth=0)
    ax.axhline(0, color=INK, linewidth=1)
    ax.plot(fit.table.flops, 100 * log_residuals, "o", color=PALETTE[0], markersize=4, alpha=0.7)
    ax.set_xscale("log")
    label_flops(ax.xaxis)
    label_axes(ax, x="training compute C (FLOPs)", y="measured over fitted loss (%)")
    return ax
