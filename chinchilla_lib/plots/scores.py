"""Scores of several models on several tasks, each task a line."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.style import FIGURE_SIZE, GRID, PALETTE, label_axes, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_scores"]

_MARKERS: Final = "oDs^v"
_Z_90: Final = 1.645


def plot_scores(
    tasks: Sequence[str],
    scores: Mapping[str, Sequence[tuple[float, float | None] | None]],
    ax: "Axes | None" = None,
    *,
    x: str,
    title: str = "",
) -> "Axes":
    """Draw scores from left to right, tasks from top to bottom, models by colour and shape.

    Parameters
    ----------
    tasks : sequence of str
    scores : mapping of str to sequence
        By model, for each task: the score and its standard error, drawn as a 90 % interval; None for the
        error if it has none, None for both if there is no score.
    ax : Axes, optional
        Where to draw; a new figure, as high as its tasks need, by default.
    x, title : str

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no tasks, more models than colours, or not one entry for each task.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not tasks:
        raise InputError("tasks is empty; give one at least")
    if len(scores) > len(PALETTE):
        raise InputError(f"scores has {len(scores)} models; {len(PALETTE)} can be told apart")
    for model, entries in scores.items():
        if len(entries) != len(tasks):
            raise InputError(
                f"scores of {model}: {len(entries)} entries for {len(tasks)} tasks; give one each"
            )
    if ax is None:
        ax = new_axes((FIGURE_SIZE[0], max(FIGURE_SIZE[1], 1.2 + 0.24 * len(tasks))))
    rows = np.arange(len(tasks))
    for (model, entries), color, marker in zip(scores.items(), PALETTE, _MARKERS, strict=False):
        held = [(row, entry) for row, entry in zip(rows, entries, strict=True) if entry is not None]
        values = [value for _, (value, _) in held]
        errors = [_Z_90 * (error or 0.0) for _, (_, error) in held]
        ax.errorbar(
            values, [row for row, _ in held], xerr=errors if any(errors) else None,
            fmt=marker, color=color, markersize=5, elinewidth=1, label=model,
        )  # fmt: skip
    ax.set_yticks(rows, tasks)
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    ax.grid(axis="y", color=GRID)
    label_axes(ax, x=x, y="", title=title)
    if (legend := ax.get_legend()) is not None:  # scores may lie anywhere, so it stands below them
        legend.remove()
        ax.figure.legend(
            *ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9.5
        )
    return ax
