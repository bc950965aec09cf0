"""Training curves: loss against tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chinchilla_lib._format import format_count
from chinchilla_lib.architecture import count_params
from chinchilla_lib.plots.style import PALETTE, axes_or_new, label_axes, label_counts, sequence_colors
from chinchilla_lib.runs import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["label_loss_axes", "plot_loss_curves"]


def plot_loss_curves(records: Sequence[RunRecord], ax: "Axes | None" = None) -> "Axes":
    """Draw training curves, each with its held-out loss at the end.

    Parameters
    ----------
    records : sequence of RunRecord
        One line each, labelled by the model's size, from the smallest to the largest model.
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
    ordered = sorted(records, key=lambda record: count_params(record.config.shape).total)
    colors = [PALETTE[0]] if len(ordered) == 1 else sequence_colors(len(ordered))
    for record, color in zip(ordered, colors, strict=True):
        config = record.config
        tokens = [step * config.batch_size_tokens for step in record.curve.step]
        size = format_count(count_params(config.shape).total)
        ax.plot(tokens, record.curve.train_loss, color=color, linewidth=1.2, label=f"{size} parameters")
        ax.plot(config.n_tokens, record.loss, "o", color=color)
    label_loss_axes(ax, title="Training loss; dots: held out")
    return ax


def label_loss_axes(ax: "Axes", *, title: str) -> None:
    """Name the axes of training curves, tokens on a logarithmic scale."""
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x="training tokens", y="loss (nats per token)", title=title)
