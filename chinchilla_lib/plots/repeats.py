"""Passes over the same tokens: their losses beside fresh tokens, and what they are worth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count
from chinchilla_lib.experiments.repeats import FreshCurve, Worth
from chinchilla_lib.laws import RepeatedDataLoss
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_counts, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_misses", "plot_passes", "plot_worth"]

FloatArray = npt.NDArray[np.float64]

_MARKERS: Final = ("o", "s", "^", "D")
_WITH_LEGEND: Final = (5.6, 4.8)  # inches; eight entries stand below the figure
_LINES: Final = ("-", "--", ":", "-.")


def plot_passes(
    cells: Sequence[Worth],
    curve: FreshCurve,
    fresh: Sequence[tuple[float, float]],
    ax: "Axes | None" = None,
    *,
    law: RepeatedDataLoss | None = None,
) -> "Axes":
    """Draw the losses of one size against training tokens, a line for each set, with its number of passes.

    Parameters
    ----------
    cells : sequence of Worth
        Of one width, as :func:`chinchilla_lib.experiments.repeats.worth_by_cell` returns them.
    curve : FreshCurve
        Of that width.
    fresh : sequence of (float, float)
        Tokens and loss of its fresh runs.
    ax : Axes, optional
        Where to draw; a new figure by default.
    law : RepeatedDataLoss, optional
        Drawn dashed for each set.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    tokens, losses = np.array(fresh).T
    grid = np.geomspace(tokens.min(), tokens.max(), 100)
    ax.plot(grid, curve.loss(grid), color=INK, linewidth=1.2, zorder=2)
    ax.plot(tokens, losses, "x", color=INK, markersize=6, label="fresh tokens", zorder=3)
    sets = sorted({cell.unique_tokens or 0 for cell in cells}, reverse=True)
    for unique, color, marker in zip(sets, PALETTE, _MARKERS, strict=False):
        ours = [cell for cell in cells if cell.unique_tokens == unique]
        lengths, means = _lengths(ours), [float(np.mean(cell.losses)) for cell in ours]
        label = f"{format_count(unique)} tokens, repeated"
        ax.plot(lengths, means, marker=marker, color=color, markeredgecolor=CARD, label=label, zorder=4)
        if law is not None:
            grid = np.geomspace(lengths[0], lengths[-1], 100)
            fitted = law.loss(np.full(100, float(ours[0].n_params)), grid, float(unique))
            ax.plot(grid, fitted, "--", color=color, linewidth=1.2, zorder=2)
        last = f"{ours[-1].epochs:.0f} passes"
        at = (lengths[-1], means[-1])
        ax.annotate(last, at, xytext=(7, -3), textcoords="offset points", fontsize=9.5, color=color)
    ax.set_xscale("log")
    ax.set_xlim(right=tokens.max() * 2)  # room for what stands beside the last points
    label_counts(ax.xaxis)
    label_axes(
        ax,
        x="training tokens D",
        y="loss (nats per token)",
        title=f"{format_count(cells[0].n_params)} parameters",
    )
    ax.legend(frameon=False, fontsize=9.5, loc="lower left")  # losses fall towards the right
    return ax


def plot_worth(
    cells: Sequence[Worth], laws: Mapping[str, RepeatedDataLoss], ax: "Axes | None" = None
) -> "Axes":
    """Draw what a token is worth, after so many passes, with 90 % intervals, beside laws of D' / D.

    Parameters
    ----------
    cells : sequence of Worth
        Of four widths at most, each drawn in a colour; of four sets at most, each with a marker.
    laws : mapping of str to RepeatedDataLoss
        By label; only `r_d` of a law is drawn. Four at most.
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
    ax = new_axes(_WITH_LEGEND) if ax is None else ax
    most = max(cell.epochs for cell in cells)
    grid = np.geomspace(1, most, 200)
    for (label, law), line in zip(laws.items(), _LINES, strict=False):
        share = [law.effective_tokens(epochs, 1.0) / epochs for epochs in grid.tolist()]
        ax.plot(grid, share, line, color=INK, linewidth=1.4, label=label, zorder=2)
    widths = sorted({cell.d_model for cell in cells})
    sets = sorted({cell.unique_tokens or 0 for cell in cells}, reverse=True)
    for place, (width, color) in enumerate(zip(widths, PALETTE, strict=False)):
        aside = 1.05 ** (place - (len(widths) - 1) / 2)  # so that intervals do not hide each other
        for unique, marker in zip(sets, _MARKERS, strict=False):
            ours = [cell for cell in cells if (cell.d_model, cell.unique_tokens) == (width, unique)]
            if not ours:
                continue
            worth = np.array([cell.share for cell in ours])
            ends = np.array([cell.interval for cell in ours]).T
            ax.errorbar(
                [cell.epochs * aside for cell in ours],
                worth,
                yerr=np.abs(ends - worth),
                fmt=marker,
                color=color,
                markeredgecolor=CARD,
                elinewidth=1.2,
                capsize=2,
                label=f"{format_count(ours[0].n_params)} on {format_count(unique)} tokens",
                zorder=3,
            )
    ax.axhline(1, color=INK, linewidth=0.8)
    _epoch_axis(ax, most)
    label_axes(ax, x="passes over the set", y="worth of a token, in fresh ones")
    ax.legend(frameon=False, fontsize=9.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    ax.set_ylim(bottom=0)
    return ax


def plot_misses(
    epochs: npt.ArrayLike,
    residuals: npt.ArrayLike,
    groups: Sequence[str],
    ax: "Axes | None" = None,
    *,
    noise: float,
) -> "Axes":
    """Draw by how much a law misses each run, against its passes.

    Parameters
    ----------
    epochs : array of float, shape (n_runs,)
        1 for fresh runs.
    residuals : array of float, shape (n_runs,)
        Measured minus fitted loss, nats per token.
    groups : sequence of str
        The series that each run belongs to, five at most.
    ax : Axes, optional
        Where to draw; a new figure by default.
    noise : float
        Two standard deviations to either side are shaded, nats per token.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    passes, missed = np.asarray(epochs, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    ax.axhspan(-2 * noise, 2 * noise, color=INK, alpha=0.08, linewidth=0)
    ax.axhline(0, color=INK, linewidth=0.8)
    names = list(dict.fromkeys(groups))
    for place, (name, color, marker) in enumerate(zip(names, PALETTE, (*_MARKERS, "v"), strict=False)):
        here = np.array([group == name for group in groups])
        aside = 1.05 ** (place - (len(names) - 1) / 2)
        ax.plot(passes[here] * aside, missed[here], marker, color=color, markeredgecolor=CARD, label=name)
    _epoch_axis(ax, float(passes.max()))
    label_axes(ax, x="passes over the set", y="loss less law (nats per token)")
    return ax


def _lengths(cells: Sequence[Worth]) -> list[float]:
    return [float(cell.n_tokens or 0) for cell in cells]


def _epoch_axis(ax: "Axes", most: float) -> None:
    """Passes on a logarithmic axis, labelled at powers of two."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ax.set_xscale("log", base=2)
    ax.set_xlim(0.85, most * 1.2)
    ax.xaxis.set_major_locator(FixedLocator([2.0**k for k in range(int(np.log2(most) + 1.01))]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
