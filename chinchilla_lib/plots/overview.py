"""The picture of the front page: our frontier, the paper's, Kaplan's, and the models of Table 1."""

from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_counts, label_flops
from chinchilla_lib.reference.models import printed_models
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import approach_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_overview"]

_LABELS: Final = {
    "LaMDA": ("LaMDA", (-7, -7), "right"),
    "GPT-3": ("GPT-3", (-7, 4), "right"),
    "Jurassic-1": ("", (0, 0), "left"),  # on GPT-3's place
    "Gopher": ("Gopher", (7, -3), "left"),
    "MT-NLG": ("MT-NLG", (7, 0), "left"),
    "Chinchilla": ("Chinchilla", (8, -4), "left"),
}
_LARGEST: Final = 1e26
"""FLOPs at the right edge."""


def plot_overview(fit: FrontierFit, ax: "Axes | None" = None, *, level: float = 0.9) -> "Axes":
    """Draw optimal size against compute, from our smallest budget to beyond the models of Table 1.

    Parameters
    ----------
    fit : FrontierFit
        Ours, with bootstrap draws; its law is dashed where it is extrapolated.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float
        Level of the interval of ours.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the fit has no intervals.
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    budgets = np.array([point.flops for point in fit.points])
    optima = np.array([point.n_params for point in fit.points])
    inside = np.geomspace(budgets.min(), budgets.max(), 20)
    beyond = np.geomspace(budgets.max(), _LARGEST, 60)
    both = np.concatenate([inside, beyond])
    low, high = fit.band("n_params", both, level)
    ax.fill_between(both, low, high, color=PALETTE[0], alpha=0.25, linewidth=0)
    ends = fit.interval("a", level)
    ours = f"ours, $a = {fit.a:.2f}$ ({ends[0]:.2f} to {ends[1]:.2f})"
    ax.plot(inside, fit.n_opt.predict(inside), color=PALETTE[0], linewidth=2.6, label=ours)
    ax.plot(beyond, fit.n_opt.predict(beyond), color=PALETTE[0], linestyle=(0, (3, 2)), linewidth=1.2)
    ax.plot(budgets, optima, "o", color=PALETTE[0], markeredgecolor=CARD, markersize=6, zorder=4)
    printed = [approach_line(approach).n_opt for approach in ("1", "2", "3")]
    theirs = np.geomspace(1e18, _LARGEST, 40)
    sizes = np.array([line.predict(theirs) for line in printed])
    exponents = ", ".join(f"{line.exponent:.2f}" for line in printed)
    ax.fill_between(theirs, sizes.min(0), sizes.max(0), color=PALETTE[1], alpha=0.35, linewidth=0)
    label = f"the paper's three, $a = {exponents}$"
    ax.plot(theirs, printed[0].predict(theirs), color=PALETTE[1], label=label)
    kaplan = f"Kaplan et al., $a = {KAPLAN_N_OPT.exponent:.2f}$"
    old = np.geomspace(1e17, _LARGEST, 40)
    ax.plot(old, KAPLAN_N_OPT.predict(old), color=PALETTE[3], linestyle=(0, (1, 1)), label=kaplan)
    ax.annotate("trained here", (budgets[-1], optima[-1]), (8, -9), textcoords="offset points")
    middle = float(np.sqrt(budgets.max() * 1e18))
    place = (middle, float(fit.n_opt.predict(middle)))
    ax.annotate("extrapolated", place, (8, -9), textcoords="offset points", color=PALETTE[0])
    _draw_models(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(budgets.min() / 3, _LARGEST)
    ax.set_ylim(optima.min() / 4, 3e12)
    label_flops(ax.xaxis)
    label_counts(ax.yaxis)
    ax.set_xlabel("training compute (FLOPs)")
    ax.set_ylabel("best number of parameters")
    ax.legend(loc="upper left", frameon=False, fontsize=9.5)
    return ax


def _draw_models(ax: "Axes") -> None:
    from matplotlib.patheffects import withStroke

    for model in printed_models():
        text, offset, side = _LABELS[model.title]
        star = model.title == "Chinchilla"
        ax.plot(
            model.flops,
            model.n_params,
            "*" if star else "s",
            color=PALETTE[1] if star else INK,
            markersize=14 if star else 5,
            markeredgecolor=CARD,
            zorder=5,
        )
        ax.annotate(
            text,
            (model.flops, model.n_params),
            xytext=offset,
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=9,
            path_effects=[withStroke(linewidth=2.5, foreground=CARD)],
        )
