"""Accuracy on a task against held-out loss: runs, the curve fitted to them, and what came (section 4.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, marked, sequence_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_phenomena", "plot_task"]

_CURVE: Final = PALETTE[1]
_TEST: Final = PALETTE[2]
_MARGIN: Final = 0.03


def plot_task(
    task: str,
    fitted: Sequence[Mapping[str, Any]],
    said: Mapping[str, Any],
    ax: "Axes | None" = None,
    *,
    tested: Sequence[Mapping[str, Any]] = (),
) -> "Axes":
    """Draw the accuracy of runs on a task against their loss, with chance, and the curve where there is one.

    Parameters
    ----------
    task : str
    fitted : sequence of mapping
        Rows of the runs that the curve was fitted to, with ``flops_budget``, ``loss`` and ``TASK acc``.
    said : mapping
        What the forecast says of the task: ``chance``, and ``exponential`` with the curve on a grid.
    ax : Axes, optional
        Where to draw; a new figure by default.
    tested : sequence of mapping
        Rows of the runs that were foretold.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    budgets = sorted({float(row["flops_budget"]) for row in fitted})
    for budget, color in zip(budgets, sequence_colors(len(budgets)), strict=True):
        own = [row for row in fitted if float(row["flops_budget"]) == budget]
        ax.plot(*_points(task, own), "o", color=color, markersize=4, label=f"{format_flops(budget)} FLOPs")
    ax.axhline(said["chance"], color=INK, linewidth=1, linestyle=":")
    losses = [float(row["loss"]) for row in (*fitted, *tested)]
    if curve := said.get("exponential"):
        grid = np.array(curve["loss"])
        near = grid >= min(losses) - 0.1
        low, high = (np.clip(np.array(curve[name])[near], 0, 1) for name in ("low", "high"))
        ax.fill_between(grid[near], low, high, color=_CURVE, alpha=0.15, linewidth=0)
        ax.plot(grid[near], np.array(curve["value"])[near], color=_CURVE, label="fitted, 90 % of a size")
    if tested:
        ax.plot(
            *_points(task, tested),
            "D",
            color=_TEST,
            markersize=6,
            markeredgecolor=CARD,
            label="foretold, then asked",
        )
    ax.invert_xaxis()
    accuracies = _points(task, [*fitted, *tested])[1]
    ax.set_ylim(min(said["chance"], *accuracies) - _MARGIN, max(accuracies) + _MARGIN)
    label_axes(ax, x="held-out loss (nats per token)", y="accuracy", title=task.replace("_", " "))
    ax.legend(frameon=False, fontsize=8.5, loc="upper left", ncols=2, columnspacing=1)
    return ax


def plot_phenomena(
    losses: Sequence[float], accuracies: Mapping[str, Sequence[float]], ax: "Axes | None" = None
) -> "Axes":
    """Draw the accuracy of each kind of minimal pair against the loss.

    Parameters
    ----------
    losses : sequence of float
        Of each run.
    accuracies : mapping of str to sequence of float
        By kind, of each run; five kinds at most.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are more than five kinds.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for (kind, values), color, marker in marked(accuracies.items(), "kinds"):
        ax.plot(losses, values, marker, color=color, markersize=4, alpha=0.8, label=kind)
    ax.axhline(0.5, color=INK, linewidth=1, linestyle=":")
    ax.invert_xaxis()
    label_axes(ax, x="held-out loss (nats per token)", y="accuracy")
    ax.legend(frameon=False, fontsize=9.5, ncols=2, loc="upper left", bbox_to_anchor=(0, 0.95))
    return ax


def _points(task: str, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [float(row["loss"]) for row in rows], [float(row[f"{task} acc"]) for row in rows]
