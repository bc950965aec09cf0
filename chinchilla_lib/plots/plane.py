"""The models of Table 1 over parameters and tokens, with lines of equal compute and the laws' frontiers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_flops
from chinchilla_lib.plots.style import CARD, INK, PALETTE, label_counts, new_axes
from chinchilla_lib.reference.laws import find_law
from chinchilla_lib.reference.models import printed_models
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.reference.standings import law_of_draw, tokens_for_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_plane"]

FloatArray = npt.NDArray[np.float64]

_GREY: Final = "#8d8a80"
_N_RANGE: Final = (3e9, 1.5e12)
_D_RANGE: Final = (2e10, 3e13)
_FIGURE_SIZE: Final = (5.6, 4.6)
_LABELS: Final = {
    "LaMDA": ("LaMDA", -7, -1, "right"),
    "GPT-3": ("", 0, 0, "left"),
    "Jurassic-1": ("GPT-3, Jurassic-1", 0, 11, "right"),
    "Gopher": ("Gopher", 0, 12, "center"),
    "MT-NLG": ("MT-NLG", 0, -13, "center"),
    "Chinchilla": ("Chinchilla", 10, -2, "left"),
}
"""Text beside a model, and where; two models stand on one another."""


def plot_plane(
    ax: "Axes | None" = None,
    *,
    draws: FloatArray | None = None,
    planned: Mapping[str, tuple[float, float]] | None = None,
) -> "Axes":
    """Draw tokens against parameters: the models, budgets as falling lines, and each law's frontier.

    A frontier is a line because both optima are powers of the budget. The grey corner holds the runs that
    the paper's laws were fitted to; all beyond is extrapolated.

    Parameters
    ----------
    ax : Axes, optional
        Where to draw; a new figure by default.
    draws : array, optional
        E, ln A, ln B, alpha and beta of resamples of the refitted law, shape (n_draws, 5): its 90 % band.
    planned : mapping, optional
        Parameters and tokens by name: hollow marks, for allocations that somebody computed.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = new_axes(_FIGURE_SIZE) if ax is None else ax
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground=CARD)]
    sizes = np.geomspace(*_N_RANGE, 200)
    for flops in 10.0 ** np.arange(22, 27):
        ax.plot(sizes, flops / (6 * sizes), color=_GREY, linewidth=0.7, zorder=1)
        x = max(flops / (6 * 0.78 * _D_RANGE[1]), 1.35 * _N_RANGE[0])  # near the top or the left edge
        ax.annotate(
            format_flops(flops),
            (x, flops / (6 * x)),
            fontsize=8,
            color=INK,
            rotation=-33,
            ha="center",
            va="center",
            path_effects=halo,
            zorder=2,
        )
    largest = find_law("hoffmann").largest
    ax.fill_between(
        [_N_RANGE[0], largest["n_params"]], _D_RANGE[0], largest["n_tokens"], color=_GREY, alpha=0.25
    )
    ax.annotate("fitted\nhere", (1.15 * _N_RANGE[0], 1.2 * _D_RANGE[0]), fontsize=8.5)
    if draws is not None:
        tokens = np.array([tokens_for_size(law_of_draw(row).n_opt_law, sizes) for row in draws])
        low, high = np.quantile(tokens, (0.05, 0.95), axis=0)
        ax.fill_between(sizes, low, high, color=PALETTE[2], alpha=0.2, linewidth=0)
    frontiers = {
        "Kaplan et al.": (KAPLAN_N_OPT, PALETTE[3], (0, (2, 2))),
        "Approach 1": (approach_line("1").n_opt, PALETTE[0], "-"),
        "Approach 3, unrounded": (find_law("hoffmann-unrounded").law.n_opt_law, PALETTE[1], "-"),
        "Besiroglu et al.": (find_law("epoch").law.n_opt_law, PALETTE[2], (0, (6, 2))),
    }
    for name, (line, color, dashes) in frontiers.items():
        ax.plot(sizes, tokens_for_size(line, sizes), color=color, linestyle=dashes, label=name, zorder=3)
    for model in printed_models():
        mark, size = ("*", 14) if model.title == "Chinchilla" else ("o", 7)
        point = (model.n_params, model.n_tokens)
        ax.plot(*point, mark, color=INK, markeredgecolor=CARD, markersize=size, zorder=5)
        text, right, up, side = _LABELS[model.title]
        ax.annotate(
            text,
            point,
            xytext=(right, up),
            textcoords="offset points",
            fontsize=9.5,
            ha=side,
            va="center",
            path_effects=halo,
            zorder=6,
        )
    for name, point in (planned or {}).items():
        ax.plot(*point, "D", color=INK, markerfacecolor=CARD, markersize=7, zorder=5)
        ax.annotate(
            name,
            point,
            xytext=(0, -14),
            textcoords="offset points",
            fontsize=9.5,
            ha="center",
            va="center",
            path_effects=halo,
            zorder=6,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*_N_RANGE)
    ax.set_ylim(*_D_RANGE)
    ax.grid(visible=False)
    label_counts(ax.xaxis)
    label_counts(ax.yaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel("training tokens D")
    ax.set_title("Grey lines: equal compute, 6ND in FLOPs", loc="left")
    ax.legend(fontsize=8.5, loc="upper center", bbox_to_anchor=(0.46, -0.13), ncols=2, frameon=False)
    return ax
