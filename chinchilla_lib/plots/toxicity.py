"""Toxicity of what models write, beside their loss."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_toxicity"]

_Z_90: Final = 1.645
_DASHES: Final = ("--", ":", "-.")


def plot_toxicity(
    losses: Sequence[float],
    means: Sequence[float],
    errors: Sequence[float],
    ax: "Axes | None" = None,
    *,
    levels: Mapping[str, float] | None = None,
    y: str = "mean toxicity score",
    title: str = "",
) -> "Axes":
    """Draw the mean score of each model's samples beside its loss, with 90 % intervals over samples.

    Parameters
    ----------
    losses, means, errors : sequence of float
        Of each model; errors are standard errors of the means.
    ax : Axes, optional
        Where to draw; a new figure by default.
    levels : mapping of str to float, optional
        Other means, drawn as lines across, such as that of text people wrote; three at most.
    y, title : str

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no models, their numbers do not match, or there are more than three levels.
    MissingExtraError
        If matplotlib is not installed.
    """
    levels = levels or {}
    if not len(losses) or not len(losses) == len(means) == len(errors) or len(levels) > len(_DASHES):
        raise InputError(
            f"{len(losses)} losses, {len(means)} means, {len(errors)} errors, {len(levels)} levels; give as "
            f"many of each of the first three, one at least, and {len(_DASHES)} levels at most"
        )
    ax = axes_or_new(ax)
    ax.errorbar(
        losses, means, _Z_90 * np.asarray(errors),
        fmt="o", color=PALETTE[0], markersize=4, elinewidth=0.8, label="models",
    )  # fmt: skip
    for (name, level), dashes in zip(levels.items(), _DASHES, strict=False):
        ax.axhline(level, color=INK, linewidth=1, linestyle=dashes, label=name)
    label_axes(ax, x="held-out loss (nats per token)", y=y, title=title)
    return ax
