"""One budget spent three ways, and where Kaplan's law and ours name the same size (section 4, Figure 1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.experiments.little_chinchilla import Model
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.laws import PowerLaw
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_counts, label_flops
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.reference.tables import load_paper_table
from chinchilla_lib.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_crossing", "plot_models"]

_GREY: Final = "#8d8a80"
_REACH: Final = 1e25


def plot_models(
    models: Sequence[Model], ax: "Axes | None" = None, *, valley: SweepTable | None = None
) -> "Axes":
    """Draw models of one budget: each seed's loss, and the mean with its interval.

    Parameters
    ----------
    models : sequence of Model
        As :func:`chinchilla_lib.experiments.little_chinchilla.models_of` returns them; five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.
    valley : SweepTable, optional
        Other runs of the same budget, drawn in grey behind.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    if valley is not None:
        order = np.argsort(valley.n_params)
        ax.plot(
            valley.n_params[order],
            valley.loss[order],
            "o-",
            color=_GREY,
            linewidth=1,
            markersize=4,
            label="main sweep, same budget",
        )
    for model, color in zip(models, PALETTE, strict=False):
        label = f"{model.role}, {model.n_tokens / model.n_params:.0f} tokens a parameter"
        ax.plot([model.n_params] * len(model.losses), model.losses, "o", color=color, alpha=0.6, zorder=3)
        ax.errorbar(
            model.n_params * 1.06,
            model.loss,
            yerr=model.half_width,
            fmt="D",
            color=color,
            markeredgecolor=CARD,
            capsize=4,
            zorder=4,
            label=label,
        )
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters N", y="loss (nats per token)")
    return ax


def plot_crossing(fit: FrontierFit, ax: "Axes | None" = None, *, anchored: PowerLaw | None = None) -> "Axes":
    """Draw the size that each law names for a budget, from the budgets of a fit to those of Table 1.

    Parameters
    ----------
    fit : FrontierFit
        Ours: drawn with its minima, dashed beyond them, with its interval where it has draws.
    ax : Axes, optional
        Where to draw; a new figure by default.
    anchored : PowerLaw, optional
        Kaplan's exponent from an optimum of ours.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    budgets = np.array([point.flops for point in fit.points])
    grid = np.geomspace(budgets.min(), _REACH, 100)
    if fit.has_intervals:
        low, high = fit.band("n_params", grid, 0.9)
        ax.fill_between(grid, low, high, color=PALETTE[0], alpha=0.2, linewidth=0)
    ax.plot(grid, fit.n_opt.predict(grid), "--", color=PALETTE[0], label=f"ours, extended, $a = {fit.a:.2f}$")
    sizes = [point.n_params for point in fit.points]
    ax.plot(budgets, sizes, "o-", color=PALETTE[0], label="ours, minima of the valleys")
    paper = approach_line("1").n_opt
    label = f"Hoffmann et al., approach 1, $a = {paper.exponent:.2f}$"
    ax.plot(grid, paper.predict(grid), color=PALETTE[2], linewidth=1.2, label=label)
    label = f"Kaplan et al., as printed, $a = {KAPLAN_N_OPT.exponent:.2f}$"
    ax.plot(grid, KAPLAN_N_OPT.predict(grid), color=PALETTE[1], label=label)
    if anchored is not None:
        label = "Kaplan's exponent from our optimum"
        ax.plot(grid, anchored.predict(grid), ":", color=PALETTE[1], label=label)
    table = load_paper_table("table1_current_llms")
    numbers = zip(table.column("model"), table.numbers("n_params"), table.numbers("n_tokens"), strict=True)
    for model, n_params, n_tokens in numbers:
        if model in ("Gopher", "Chinchilla"):
            point = (6 * n_params * n_tokens, n_params)
            marker, side, place = ("o", "right", (-6, 4)) if model == "Gopher" else ("*", "left", (4, -14))
            ax.plot(*point, marker, color=INK, markersize=9, zorder=4)
            ax.annotate(model, point, xytext=place, textcoords="offset points", fontsize=9.5, ha=side)
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_flops(ax.xaxis)
    label_counts(ax.yaxis)
    label_axes(ax, x="training compute C (FLOPs)", y="optimal parameters N")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    return ax
