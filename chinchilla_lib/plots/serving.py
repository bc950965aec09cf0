"""The best model by tokens served: its size, its tokens per parameter, and what valleys say of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.published_contours import SHARES, ContourSizes
from chinchilla_lib.fitting.serving_curve import ServingCurve
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_served", "plot_size_shares"]

_DASHES: Final = ("-", "--", "-.", ":")
_LABELS: Final = {"size": "size over the Chinchilla-optimal size", "ratio": "training tokens per parameter"}


def plot_served(
    curves: Mapping[str, ServingCurve],
    quantity: Literal["size", "ratio"] = "size",
    ax: "Axes | None" = None,
    *,
    marks: Mapping[str, float] | None = None,
) -> "Axes":
    """Draw the cheapest model of one quality against the tokens it serves, by law.

    Parameters
    ----------
    curves : mapping of str to ServingCurve
        By the law's name; four at most. Bands are shaded.
    quantity : {"size", "ratio"}
        Size over that of the Chinchilla model, or tokens per parameter.
    ax : Axes, optional
        Where to draw; a new figure by default.
    marks : mapping of str to float, optional
        Numbers of tokens served to draw a vertical line at.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no curves or more than four, or the quantity is not known.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not 1 <= len(curves) <= len(_DASHES):
        raise InputError(f"curves must be from 1 to {len(_DASHES)}, found {len(curves)}")
    if quantity not in _LABELS:
        raise InputError(f"quantity is {quantity!r}; give one of {', '.join(_LABELS)}")
    ax = axes_or_new(ax)
    for (name, curve), color, dashes in zip(curves.items(), PALETTE, _DASHES, strict=False):
        values, band = (
            (curve.size_factor, curve.size_band)
            if quantity == "size"
            else (curve.tokens_per_param, curve.ratio_band)
        )
        if band is not None:
            ax.fill_between(curve.served_tokens, *band, color=color, alpha=0.2, linewidth=0)
        ax.plot(curve.served_tokens, values, dashes, color=color, label=name)
    ax.set_xscale("log")
    if quantity == "ratio":
        ax.set_yscale("log")
        label_counts(ax.yaxis)
    else:
        ax.set_ylim(0, 1.05)
    for name, tokens in (marks or {}).items():
        ax.axvline(tokens, color=INK, linewidth=1, linestyle=":", label=name)
    label_counts(ax.xaxis)
    label_axes(ax, x="tokens served", y=_LABELS[quantity])
    return ax


def plot_size_shares(
    laws: Mapping[str, ServingCurve],
    valleys: Mapping[str, Sequence[ContourSizes]],
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the best size against tokens served over training tokens: what laws say, and what valleys do.

    Parameters
    ----------
    laws : mapping of str to ServingCurve
        By name; three at most. Bands are shaded.
    valleys : mapping of str to sequence of ContourSizes
        By whose they are, two at most; one line for each pair of neighbouring valleys.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are more than three laws or two sets of valleys.
    MissingExtraError
        If matplotlib is not installed.
    """
    if len(laws) > 3 or len(valleys) > 2:
        raise InputError(
            f"laws must be 3 at most and valleys 2, found {len(laws)} and {len(valleys)}; draw fewer"
        )
    ax = axes_or_new(ax)
    for (name, curve), color, dashes in zip(laws.items(), PALETTE, _DASHES, strict=False):
        shares = curve.served_tokens / curve.unserved_n_tokens
        if curve.size_band is not None:
            ax.fill_between(shares, *curve.size_band, color=color, alpha=0.2, linewidth=0)
        ax.plot(shares, curve.size_factor, dashes, color=color, label=name)
    for (name, contours), color, marker in zip(valleys.items(), PALETTE[3:], "os", strict=False):
        for number, one in enumerate(contours):
            known = np.isfinite(one.size_factor)
            ax.plot(
                np.array(SHARES)[known],
                one.size_factor[known],
                f"{marker}-",
                color=color,
                linewidth=0.9,
                markersize=3,
                label=name if number == 0 else None,
            )
    ax.set_xscale("log")
    ax.set_xlim(SHARES[0], SHARES[-1])
    ax.set_ylim(0, 1.05)
    label_axes(ax, x="tokens served over training tokens", y=_LABELS["size"])
    ax.legend(frameon=False, fontsize=8.5, loc="lower left")
    return ax
