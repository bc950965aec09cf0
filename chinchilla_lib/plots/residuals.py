"""What a fit leaves over."""

from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_flops, sequence_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_residuals", "plot_valley_residuals"]


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


def plot_valley_residuals(
    fit: FrontierFit, ax: "Axes | None" = None, *, noise: float | None = None
) -> "Axes":
    """Draw what the curves of valleys leave over, against size over the best size, a colour for each budget.

    A shape that is wrong shows as one bow in all valleys; noise shows as scatter.

    Parameters
    ----------
    fit : FrontierFit
        Of a method with valleys; those that it left out are not drawn.
    ax : Axes, optional
        Where to draw; a new figure by default.
    noise : float, optional
        Standard deviation of a loss over seeds, nats per token; shaded to both sides of 0.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the fit has no valleys.
    MissingExtraError
        If matplotlib is not installed.
    """
    valleys = fit.diagnostics.valleys
    if not valleys:
        raise InputError(f"the fit of method {fit.method} has no valleys; give isoflop or valley")
    ax = axes_or_new(ax)
    if noise is not None:
        ax.axhspan(-noise, noise, color=PALETTE[2], alpha=0.15, linewidth=0, label="noise of a run")
    ax.axhline(0, color=INK, linewidth=1)
    for valley, color in zip(valleys, sequence_colors(len(valleys)), strict=True):
        if valley.optimum is None:
            continue
        ratio = fit.table.n_params[valley.index] / valley.optimum.n_params
        residuals = fit.residuals[valley.index]
        sizes, place = np.unique(ratio, return_inverse=True)
        means = np.bincount(place, weights=residuals) / np.bincount(place)
        ax.plot(ratio, residuals, "o", color=color, markersize=3, alpha=0.5)
        ax.plot(sizes, means, "-", color=color, linewidth=1.2, label=format_flops(valley.flops))
    ax.set_xscale("log")
    ticks = (0.125, 0.25, 0.5, 1, 2, 4, 8)
    low, high = ax.get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.set_xticks([], minor=True)
    label_axes(ax, x="parameters over those of the minimum", y="measured less fitted (nats per token)")
    ax.legend(frameon=False, fontsize=9.5, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return ax
