"""The recorded checks of the recipe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chinchilla_lib.experiments.recipe import FACTORS, MAX_EXCESS, RateCheck
from chinchilla_lib.plots.style import axes_or_new, label_axes, sequence_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_rate_checks"]


def plot_rate_checks(checks: Sequence[RateCheck], ax: "Axes | None" = None) -> "Axes":
    """Draw what half and twice the learning rate of the rule cost each size.

    Parameters
    ----------
    checks : sequence of RateCheck
        One line each.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
    """
    ax = axes_or_new(ax)
    for check, color in zip(checks, sequence_colors(len(checks)), strict=True):
        _, rule, _ = check.losses
        lost = [loss - rule + check.excess for loss in check.losses]
        ax.plot(FACTORS, lost, "o-", color=color, linewidth=1.2, label=f"width {check.d_model}")
    ax.axhline(MAX_EXCESS, linestyle="--", linewidth=1, color=ax.xaxis.label.get_color())
    ax.set_xscale("log", base=2)
    ax.set_xticks(FACTORS, [f"{factor:g}" for factor in FACTORS])
    label_axes(ax, x="learning rate over that of the rule", y="loss above the best rate (nats per token)")
    return ax
