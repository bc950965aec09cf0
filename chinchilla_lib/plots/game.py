"""A budget game on the plane of parameters and tokens: what can be asked, what was, and the far budget."""

from typing import TYPE_CHECKING, Final

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.game.game import Game
from chinchilla_lib.game.variants import recorded_surface
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_game"]

_GREY: Final = "#8d8a80"


def plot_game(game: Game, ax: "Axes | None" = None) -> "Axes":
    """Draw the questions of a game, the region in which recorded runs answer, and the far budget.

    Parameters
    ----------
    game : Game
        Of recorded runs. A question's mark grows with what it cost; what was submitted is a star.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> game = Game("ada", "code")
    >>> _ = game.train(1e5, 1e6)
    >>> plot_game(game).get_ylabel()
    'tokens D'
    """
    ax = axes_or_new(ax)
    surface, variant = recorded_surface(game.variant.name), game.variant
    sizes = np.geomspace(*surface.size_range, 200)
    low, high = np.array([surface.token_range(size) for size in sizes]).T
    ax.fill_between(sizes, low, high, color=_GREY, alpha=0.25, linewidth=0, label="recorded runs answer")
    asked = game.answers
    shares = np.array([answer.flops for answer in asked]) / game.budget
    ax.scatter(
        [answer.n_params for answer in asked],
        [answer.n_tokens for answer in asked],
        s=12 + 600 * shares,
        color=PALETTE[0],
        edgecolors=CARD,
        zorder=3,
        label="asked",
    )
    wide = np.geomspace(sizes[0], sizes[-1] * 3, 200)
    tokens = np.array([variant.tokens_for(size, variant.far_budget) for size in wide])
    shown = tokens < high.max() * 10
    far = f"far budget, {format_flops(variant.far_budget)} FLOPs"
    ax.plot(wide[shown], tokens[shown], color=PALETTE[1], linewidth=1.6, label=far)
    if game.submission is not None:
        point = (game.submission.n_params, game.submission.n_tokens)
        ax.plot(*point, "*", color=INK, markeredgecolor=CARD, markersize=15, zorder=4, label="submitted")
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        label_counts(axis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel("tokens D")
    ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return ax
