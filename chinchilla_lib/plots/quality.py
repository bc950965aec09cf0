"""What the quality of text does: valleys of several texts in one figure, and what leaked copies gain."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.experiments.leakage import Leak
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import CARD, INK, axes_or_new, label_axes, label_counts, marked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_leaks", "plot_valleys_of_texts"]


def plot_valleys_of_texts(fits: Mapping[str, FrontierFit], ax: "Axes | None" = None) -> "Axes":
    """Draw the valleys of several texts, and the line through the minima of each.

    Parameters
    ----------
    fits : mapping of str to FrontierFit
        By the name of the text, from parabolas; five at most. The budgets are named at the last one's
        valleys.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are more than five texts.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for (name, fit), color, marker in marked(fits.items(), "texts"):
        ax.plot(fit.table.n_params, fit.table.loss, marker, color=color, markersize=3.5, alpha=0.5)
        for valley in fit.diagnostics.valleys:
            grid = np.geomspace(*valley.n_params_range, 60)
            ax.plot(grid, valley.predict(grid), color=color, linewidth=1)
        ax.plot(
            [point.n_params for point in fit.points],
            [point.loss for point in fit.points],
            f"{marker}--",
            color=color,
            markeredgecolor=CARD,
            markersize=9,
            linewidth=1.4,
            label=name,
            zorder=4,
        )
    for valley in fit.diagnostics.valleys:
        right = valley.n_params_range[1]
        place = (right, float(valley.predict(np.array([right]))[0]))
        ax.annotate(
            format_flops(valley.flops),
            place,
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=9.5,
            va="center",
        )
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(low, high * (high / low) ** 0.1)  # room for the names of the budgets
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters N", y="loss on clean text (nats per token)")
    return ax


def plot_leaks(leaks: Sequence[Leak], ax: "Axes | None" = None) -> "Axes":
    """Draw what near-copies gain, against their number, one line for each size.

    Parameters
    ----------
    leaks : sequence of Leak
        As :func:`chinchilla_lib.experiments.leakage.leaks` returns them; the mean over sizes is left out.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are more than five sizes.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    sizes = sorted({leak.n_params for leak in leaks if leak.n_params})
    for i, (n_params, color, marker) in enumerate(marked(sizes, "sizes")):
        here = [leak for leak in leaks if leak.n_params == n_params]
        aside = 1.04 ** (i - (len(sizes) - 1) / 2)  # so that bars do not hide each other
        ax.errorbar(
            [leak.copies * aside for leak in here],
            [leak.gain for leak in here],
            yerr=[leak.half_width for leak in here],
            fmt=f"{marker}-",
            color=color,
            markeredgecolor=CARD,
            markersize=7,
            capsize=3,
            label=f"{format_count(n_params)} parameters",
        )
    copies = sorted({leak.copies for leak in leaks})
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xticks(copies, [str(number) for number in copies])
    ax.minorticks_off()
    label_axes(ax, x="near-copies in the training text", y="gain on their passages (nats per token)")
    return ax
