"""Where the FLOPs of training go, and how the conventions compare with 6ND."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.flops import CONVENTIONS, OPERATIONS, FlopCount, count_forward_flops, ratio_to_six_nd
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_flops_by_operation", "plot_ratio_to_six_nd"]

_GROUPS: Final = {
    "feed-forward": ("feed_forward",),
    "attention matrices": ("query_key_value", "attention_output"),
    "attention between positions": ("attention_logits", "attention_values", "softmax"),
    "relative positions": ("relative_position_projection", "relative_position_logits"),
    "embedding and final logits": ("embedding", "final_logits"),
}
"""Operations drawn as one band each, bottom to top."""

_COMPARED: Final = tuple(name for name in CONVENTIONS if name != "six_nd")


def plot_flops_by_operation(
    shapes: Sequence[TransformerShape], convention: str = "appendix_f", ax: "Axes | None" = None
) -> "Axes":
    """Draw each group of operations as a share of the FLOPs, over model size.

    Parameters
    ----------
    shapes : sequence of TransformerShape
        At least two sizes; they are drawn in order of their parameters.
    convention : str
        A convention that adds up operations: ``appendix_f``, ``table_a4`` or ``matmul``.
    ax : matplotlib.axes.Axes, optional
        Drawn on; by default a new one.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    ordered = sorted(shapes, key=lambda shape: count_params(shape).total)
    counts = [count_forward_flops(shape) for shape in ordered]
    totals = np.array([count.under(convention) for count in counts], dtype=float)
    shares: dict[str, npt.NDArray[np.float64]] = {}
    for group, operations in _GROUPS.items():
        counted = set(operations) & set(OPERATIONS[convention])
        shares[group] = np.array([_sum(count, counted) for count in counts]) / totals
    drawn = {group: share for group, share in shares.items() if share.any()}
    colors = dict(zip(_GROUPS, PALETTE, strict=True))
    ax.stackplot(
        [count_params(shape).total for shape in ordered],
        list(drawn.values()),
        labels=list(drawn),
        colors=[colors[group] for group in drawn],
        edgecolor=ax.get_facecolor(),
        linewidth=1,
    )
    ax.set_xscale("log")
    ax.margins(0)
    ax.set_ylim(0, 1)
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters N", y=f"share of FLOPs ({convention})")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False, fontsize=9.5)
    return ax


def plot_ratio_to_six_nd(
    series: Mapping[str, Sequence[TransformerShape]],
    conventions: Sequence[str] = _COMPARED,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the FLOPs under each convention over 6ND, against model size.

    Parameters
    ----------
    series : mapping of str to sequence of TransformerShape
        Models by label, each label with its own marker: at most four.
    conventions : sequence of str
        Names of `chinchilla_lib.flops.CONVENTIONS`, one colour each.
    ax : matplotlib.axes.Axes, optional
        Drawn on; by default a new one.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.lines import Line2D

    ax = axes_or_new(ax)
    markers = dict(zip(series, "osD^", strict=False))
    colors = dict(zip(conventions, PALETTE, strict=False))
    for label, shapes in series.items():
        ordered = sorted(shapes, key=lambda shape: count_params(shape).total)
        sizes = [count_params(shape).total for shape in ordered]
        for convention in conventions:
            ratios = [ratio_to_six_nd(shape, convention) for shape in ordered]
            ax.plot(
                sizes, ratios, marker=markers[label], markersize=3.5, linewidth=1, color=colors[convention]
            )
    ax.axhline(1, color=INK, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters N", y="FLOPs over 6ND")
    handles = [Line2D([], [], color=color, label=convention) for convention, color in colors.items()]
    handles += [
        Line2D([], [], color=INK, marker=marker, linestyle="", label=label)
        for label, marker in markers.items()
    ]
    ax.legend(handles=handles, frameon=False, fontsize=9.5)
    return ax


def _sum(count: FlopCount, operations: Iterable[str]) -> int:
    by_name = count.to_dict()
    return sum(by_name[operation] for operation in operations)
