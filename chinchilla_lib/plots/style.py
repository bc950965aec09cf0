"""The look of every figure: an opaque light card, so that it reads on light and dark pages.

Colours keep a contrast of at least 3 to 1 with the card and stay apart for readers with
protanopia, deuteranopia or tritanopia. Figures are sized so that text is still legible when a phone
shows them 360 pixels wide.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

T = TypeVar("T")

__all__ = [
    "CARD",
    "FIGURE_SIZE",
    "INK",
    "PALETTE",
    "axes_or_new",
    "label_axes",
    "label_counts",
    "label_flops",
    "marked",
    "new_axes",
    "sequence_colors",
    "style",
]

CARD: Final = "#fbfaf7"
"""Background of figure and axes."""
INK: Final = "#22262b"
"""Text, ticks and reference lines."""
GRID: Final = "#d9d7d0"
PALETTE: Final = ("#2b62a3", "#d55e00", "#00946c", "#6a1f6a", "#4a531c")
"""Blue, vermilion, green, purple, moss: one for each series, in this order."""
_MARKERS: Final = "osD^v"
FIGURE_SIZE: Final = (5.6, 3.8)
"""Inches; the text column of the book is about 7.5 inches wide at 96 pixels an inch."""


def new_axes(figsize: tuple[float, float] = FIGURE_SIZE) -> "Axes":
    """A new figure with one Axes in the style of the book.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = new_axes()
    >>> tuple(float(inches) for inches in ax.figure.get_size_inches())
    (5.6, 3.8)
    """
    with style():
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    return ax


def axes_or_new(ax: "Axes | None") -> "Axes":
    """The given Axes, or a new one where there is none."""
    return new_axes() if ax is None else ax


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings of the book, for figures with several Axes.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> with style():  # doctest: +SKIP
    ...     figure, (left, right) = pyplot.subplots(1, 2, layout="constrained")
    """
    try:
        import matplotlib
        from cycler import cycler
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    settings: dict[Any, Any] = {  # matplotlib types the keys one by one
        "figure.facecolor": CARD,
        "savefig.facecolor": CARD,
        "axes.facecolor": CARD,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.labelsize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=PALETTE),
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "savefig.transparent": False,
    }
    with matplotlib.rc_context(settings):
        try:
            yield
        finally:
            interactive = matplotlib.is_interactive()
    # The first figure of a notebook chooses the backend, which makes matplotlib interactive;
    # leaving the context would undo that, and later figures would not be shown.
    matplotlib.interactive(interactive)


def marked(series: Iterable[T], what: str) -> Iterator[tuple[T, str, str]]:
    """Each of a few series with a colour and a marker of its own.

    Parameters
    ----------
    series : iterable
        Five at most.
    what : str
        What they are, for the message.

    Raises
    ------
    InputError
        If there are more series than colours.

    Examples
    --------
    >>> [(name, marker) for name, _, marker in marked(["ours", "theirs"], "fits")]
    [('ours', 'o'), ('theirs', 's')]
    """
    some = list(series)
    if len(some) > len(PALETTE):
        raise InputError(f"{what} must be {len(PALETTE)} at most, found {len(some)}")
    return zip(some, PALETTE, _MARKERS, strict=False)


def sequence_colors(n_colors: int) -> list[str]:
    """Colours for an ordered series such as budgets, from light to dark.

    Parameters
    ----------
    n_colors : int
        How many, at least 1.

    Returns
    -------
    list of str
        Hexadecimal colours; the lightest still reads on the card.
    """
    # Ends of one hue, interpolated: order shows as lightness, which every eye can tell.
    light, dark = np.array([0x2F, 0x93, 0xC9]), np.array([0x0B, 0x1F, 0x4B])
    weights = np.linspace(0, 1, n_colors) if n_colors > 1 else np.array([0.5])
    colors = np.rint(light + weights[:, None] * (dark - light)).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colors]


def label_axes(ax: "Axes", *, x: str, y: str, title: str = "") -> None:
    """Name both axes, put the title on the left, and add a legend where lines have labels.

    Examples
    --------
    >>> ax = new_axes()
    >>> label_axes(ax, x="parameters N", y="loss", title="A valley")
    >>> ax.get_title(loc="left")
    'A valley'
    """
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, loc="left")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=9.5)


def label_counts(axis: "Axis") -> None:
    """Label a logarithmic axis of parameters or tokens as 10k, 2M, 70B.

    Call it after drawing: the density of labels follows the limits.
    """
    _label(axis, format_count)


def label_flops(axis: "Axis") -> None:
    """Label a logarithmic axis of FLOPs as 1e18, 5e21; otherwise as `label_counts`."""
    _label(axis, format_flops)


def _label(axis: "Axis", write: Callable[[float], str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    decades = float(np.log10(high / low))
    subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0, 3.0) if decades < 3 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
