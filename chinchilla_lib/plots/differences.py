"""What a change costs: differences of pairs of runs, at the end and along the way; learning rates."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.experiments.excess import Trace
from chinchilla_lib.fitting.paired import PairedDifference, pair_differences
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, sequence_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_differences", "plot_learning_rates", "plot_traces"]

_SPREAD: Final = 0.22
"""Between two groups of one change, where neighbouring changes are 1 apart."""


def plot_differences(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    ax: "Axes | None" = None,
    *,
    pooled: Mapping[str, PairedDifference] | None = None,
) -> "Axes":
    """Draw differences of pairs by what was changed: a dot for each pair, the mean with its 90 % interval.

    Parameters
    ----------
    groups : mapping
        By group, such as a size, and by change: differences in nats per token, two at least. Five groups at
        most, with the same changes.
    ax : Axes, optional
        Where to draw; a new figure by default.
    pooled : mapping, optional
        By change: the mean over groups with its interval, drawn in black.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    ax.axhline(0, color=INK, linewidth=1)
    changes = list(next(iter(groups.values())))
    n_columns = len(groups) + (pooled is not None)
    offsets = _SPREAD * (np.arange(n_columns) - (n_columns - 1) / 2)
    for (group, by_change), color, offset in zip(groups.items(), PALETTE, offsets, strict=False):
        for k, change in enumerate(changes):
            differences = by_change[change]
            ax.plot([k + offset] * len(differences), differences, "o", color=color, alpha=0.5, markersize=4)
        found = [pair_differences([by_change[change]]) for change in changes]
        _draw_means(ax, found, offset + _SPREAD / 4, color, group)
    if pooled is not None:
        _draw_means(ax, [pooled[change] for change in changes], float(offsets[-1]), INK, "all")
    ax.set_xticks(range(len(changes)), changes)
    ax.grid(visible=False, axis="x")
    label_axes(ax, x="", y="loss above that of the pair (nats per token)")
    return ax


def _draw_means(ax: "Axes", found: Sequence[PairedDifference], offset: float, color: str, label: str) -> None:
    ax.errorbar(
        np.arange(len(found)) + offset,
        [pairs.mean for pairs in found],
        yerr=[pairs.half_width for pairs in found],
        fmt="D",
        markersize=4.5,
        color=color,
        markeredgecolor=CARD,
        capsize=3,
        linewidth=1.4,
        zorder=4,
        label=label,
    )


def plot_traces(traces: Mapping[str, Trace], ax: "Axes | None" = None, *, skip: float = 0.05) -> "Axes":
    """Draw how differences in training loss come about while the runs go on, with 90 % intervals.

    Parameters
    ----------
    traces : mapping
        By what was changed; five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.
    skip : float
        Share of the run that is left out at its beginning, where losses fall fast.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    ax.axhline(0, color=INK, linewidth=1)
    for (label, trace), color in zip(traces.items(), PALETTE, strict=False):
        kept = trace.share > skip
        share, mean, half = trace.share[kept], trace.mean[kept], trace.half_width[kept]
        ax.fill_between(share, mean - half, mean + half, color=color, alpha=0.15, linewidth=0)
        ax.plot(share, mean, color=color, label=label)
    ax.set_xlim(0, 1)
    label_axes(ax, x="share of the run", y="training loss above that of the pair")
    return ax


def plot_learning_rates(rates: Mapping[str, Sequence[float]], ax: "Axes | None" = None) -> "Axes":
    """Draw the learning rates of runs of one length, over their peak.

    Parameters
    ----------
    rates : mapping
        By label, in an order that the colours show: the rate at each step.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for (label, values), color in zip(rates.items(), sequence_colors(len(rates)), strict=True):
        share = np.arange(1, len(values) + 1) / len(values)
        ax.plot(share, np.array(values) / max(values), color=color, label=label)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.05)
    label_axes(ax, x="share of the run", y="learning rate over its peak")
    return ax
