"""Corpora beside each other: the smallest loss of each budget, in a unit that they share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import PALETTE, axes_or_new, label_axes, label_flops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bits_per_byte_at_minima", "plot_bits_per_byte"]


def bits_per_byte_at_minima(fit: FrontierFit) -> dict[float, float]:
    """Bits per byte at the minimum of each budget.

    Parameters
    ----------
    fit : FrontierFit
        Of runs on one held-out text, so that nats per token and bits per byte differ by one factor.

    Returns
    -------
    dict
        By budget, FLOPs.

    Raises
    ------
    InputError
        If the table has no bits per byte, or they are no fixed multiple of the loss.
    """
    bits = fit.table.bits_per_byte
    if bits is None:
        raise InputError(f"{fit.table.source}: bits_per_byte is missing; add the column")
    ratio = bits / fit.table.loss
    if np.ptp(ratio) > 1e-6 * ratio.mean():
        raise InputError(f"{fit.table.source}: bits per byte over loss is not one number; fit one corpus")
    return {point.flops: point.loss * float(ratio.mean()) for point in fit.points}


def plot_bits_per_byte(fits: Mapping[str, FrontierFit], ax: "Axes | None" = None) -> "Axes":
    """Draw bits per byte at the minima against compute, one line for each corpus.

    Parameters
    ----------
    fits : mapping of str to FrontierFit
        By the name of the corpus; five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        As `bits_per_byte_at_minima`.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for (name, fit), color in zip(fits.items(), PALETTE, strict=False):
        found = bits_per_byte_at_minima(fit)
        ax.plot(list(found), list(found.values()), "o-", color=color, label=name)
    ax.set_xscale("log")
    label_flops(ax.xaxis)
    label_axes(ax, x="training compute C (FLOPs)", y="bits per byte at the best size")
    return ax
