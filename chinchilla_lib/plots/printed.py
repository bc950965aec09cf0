"""The paper's scores, task by task, with the noise of their items."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.printed import Comparison
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_gains"]

_Z_90: Final = 1.645


def plot_gains(
    comparisons: Sequence[Comparison], ax: "Axes | None" = None, *, level: float = 0.05, title: str = ""
) -> "Axes":
    """Draw Chinchilla's gain over Gopher on each task, in order of size, with 90 % intervals.

    Parameters
    ----------
    comparisons : sequence of Comparison
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float
        Tasks whose adjusted p lies below are drawn full, the others hollow.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are none.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not comparisons:
        raise InputError("comparisons is empty; give one at least")
    ax = axes_or_new(ax)
    ordered = sorted(comparisons, key=lambda comparison: comparison.score.gain)
    rank = np.arange(1, len(ordered) + 1)
    gain = np.array([comparison.score.gain for comparison in ordered])
    error = _Z_90 * np.array([comparison.standard_error for comparison in ordered])
    clear = np.array([comparison.p_adjusted < level for comparison in ordered])
    ax.axhline(0, color=INK, linewidth=1)
    for shown, color, face, label in (
        (clear & (gain >= 0), PALETTE[0], PALETTE[0], "gain beyond noise"),
        (clear & (gain < 0), PALETTE[1], PALETTE[1], "loss beyond noise"),
        (~clear & (gain >= 0), PALETTE[0], "none", "gain within noise"),
        (~clear & (gain < 0), PALETTE[1], "none", "loss within noise"),
    ):
        if shown.any():
            ax.errorbar(
                rank[shown], gain[shown], error[shown], fmt="o", color=color, markerfacecolor=face,
                markersize=4, elinewidth=0.7, label=label,
            )  # fmt: skip
    label_axes(ax, x="task, by rank", y="Chinchilla less Gopher (per cent)", title=title)
    return ax
