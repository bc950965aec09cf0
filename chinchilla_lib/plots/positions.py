"""Models of Table 1 over compute and size: a law's contours of loss and the frontiers (Figures 1 and 4)."""

from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.plots.style import CARD, GRID, INK, PALETTE, axes_or_new, label_counts
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.reference.tables import load_paper_table
from chinchilla_lib.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_positions"]

_FLOPS: Final = (1e21, 1e25)
_LARGEST: Final = 2e12
_LABELS: Final = {
    "LaMDA": ("LaMDA", (-7, 0)),
    "GPT-3": ("", (0, 0)),
    "Jurassic": ("GPT-3, Jurassic-1", (7, -4)),
    "Gopher": ("Gopher", (-7, 4)),
    "MT-NLG 530B": ("MT-NLG", (-7, 5)),
    "Chinchilla": ("Chinchilla", (8, -5)),
}
"""Text beside a model, and where; two models stand on one another."""


def plot_positions(
    law: ParametricLoss = LAWS["hoffmann-unrounded"].law,
    ax: "Axes | None" = None,
    *,
    runs: SweepTable | None = None,
    flops_range: tuple[float, float] = _FLOPS,
) -> "Axes":
    """Draw the models of Table 1 on the contours of a law's loss, with the frontiers of all approaches.

    Parameters
    ----------
    law : ParametricLoss
        Its loss under D = C / (6 N) gives the contours, its optimum the third frontier.
    ax : Axes, optional
        Where to draw; a new figure by default.
    runs : SweepTable, optional
        Runs to show as small dots, such as the published points; give a range of FLOPs that holds them.
    flops_range : tuple of float
        Budgets at the left and right edge, FLOPs.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)  # names the extra where matplotlib is missing
    from matplotlib.patheffects import withStroke

    flops = np.geomspace(*flops_range, 160)
    sizes = np.geomspace(law.n_opt(flops_range[0]) / 8, _LARGEST, 160)
    grid_flops, grid_sizes = np.meshgrid(flops, sizes)
    loss = law.loss(grid_sizes, grid_flops / (6 * grid_sizes))
    best = law.loss(law.n_opt(flops), law.d_opt(flops))
    ax.contour(flops, sizes, loss, levels=np.sort(best[::16]), colors="#8d8a80", linewidths=0.7, zorder=1)
    lines = {
        "Approach 1": (approach_line("1").n_opt, PALETTE[0], "-"),
        "Approach 2": (approach_line("2").n_opt, PALETTE[2], (0, (6, 2))),
        "the law drawn": (law.n_opt_law, PALETTE[1], "-"),
        "Kaplan et al.": (KAPLAN_N_OPT, PALETTE[3], (0, (2, 2))),
    }
    for name, (line, color, dashes) in lines.items():
        label = rf"{name}, $a = {line.exponent:.2f}$"
        ax.plot(flops, line.predict(flops), color=color, linestyle=dashes, label=label, zorder=2)
    if runs is not None:
        ax.plot(runs.flops, runs.n_params, ".", color=INK, markersize=3, zorder=2)
    table = load_paper_table("table1_current_llms")
    models = zip(table.column("model"), table.numbers("n_params"), table.numbers("n_tokens"), strict=True)
    for model, n_params, n_tokens in models:
        point = (float(6 * n_params * n_tokens), float(n_params))
        marker, size = ("*", 14) if model == "Chinchilla" else ("o", 8)
        ax.plot(*point, marker, color=INK, markeredgecolor=CARD, markersize=size)
        text, (right, up) = _LABELS[model]
        ax.annotate(
            text,
            point,
            xytext=(right, up),
            textcoords="offset points",
            fontsize=9.5,
            va="center",
            ha="left" if right > 0 else "right",
            path_effects=[withStroke(linewidth=2.5, foreground=CARD)],
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*flops_range)
    ax.set_ylim(sizes[0], sizes[-1])
    ax.grid(color=GRID)
    label_counts(ax.yaxis)
    ax.set_xlabel("training compute C = 6ND (FLOPs)")
    ax.set_ylabel("parameters N")
    ax.legend(fontsize=9, loc="lower right", frameon=True, framealpha=0.9, facecolor=CARD, edgecolor="none")
    spread = f"{best.max():.2f} to {best.min():.2f}"
    ax.set_title(f"Equal loss (grey, {spread}) and the frontiers", loc="left")
    return ax
