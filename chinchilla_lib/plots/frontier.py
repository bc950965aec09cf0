"""The compute-optimal frontier: optimal size or tokens against compute (Figure 3, middle and right)."""

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.result import FrontierFit
from chinchilla_lib.plots.style import CARD, PALETTE, axes_or_new, label_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_frontier"]

_AXIS: Final = {"n_params": "optimal parameters N", "n_tokens": "optimal tokens D"}


def plot_frontier(
    fit: FrontierFit,
    ax: "Axes | None" = None,
    *,
    quantity: Literal["n_params", "n_tokens"] = "n_params",
    extend_decades: float = 0.5,
    level: float = 0.9,
) -> "Axes":
    """Draw the fitted frontier, its interval and the optima it goes through.

    Parameters
    ----------
    fit : FrontierFit
        With bootstrap draws the pointwise interval is shaded.
    ax : Axes, optional
        Where to draw; a new figure by default.
    quantity : {"n_params", "n_tokens"}
        What to draw against compute.
    extend_decades : float
        How far the law is drawn beyond the smallest and the largest budget.
    level : float
        Level of the shaded interval.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If an argument is not allowed.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_isoflop_profiles
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> ax = plot_frontier(fit_isoflop_profiles(table))
    >>> ax.get_ylabel()
    'optimal parameters N'
    """
    if quantity not in _AXIS:
        raise InputError(f"quantity must be 'n_params' or 'n_tokens', found {quantity!r}")
    if not 0 <= extend_decades <= 10:
        raise InputError(f"extend_decades must lie in 0..10, found {extend_decades!r}")
    ax = axes_or_new(ax)
    budgets = np.array([point.flops for point in fit.points])
    optima = np.array([getattr(point, quantity) for point in fit.points])
    law = fit.n_opt if quantity == "n_params" else fit.d_opt
    reach = 10.0**extend_decades
    grid = np.geomspace(budgets.min() / reach, budgets.max() * reach, 100)
    if fit.has_intervals:
        low, high = fit.band(quantity, grid, level)
        ax.fill_between(grid, low, high, color=PALETTE[0], alpha=0.2, linewidth=0)
    ax.plot(grid, law.predict(grid), color=PALETTE[0])
    ax.plot(budgets, optima, "o", color=PALETTE[1], markeredgecolor=CARD, markersize=7, zorder=4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_counts(ax.yaxis)
    symbol, letter = ("N", "a") if quantity == "n_params" else ("D", "b")
    text = rf"${symbol}_\mathrm{{opt}} \propto C^{{\,{letter}}}$, ${letter} = {law.exponent:.3f}$"
    if fit.has_intervals:
        ends = fit.interval(letter, level)
        text += f"\n{level:.0%} interval {ends[0]:.3f} to {ends[1]:.3f}"
    ax.text(0.04, 0.96, text, transform=ax.transAxes, va="top", color=PALETTE[0])
    ax.set_xlabel("training compute C (FLOPs)")
    ax.set_ylabel(_AXIS[quantity])
    return ax
