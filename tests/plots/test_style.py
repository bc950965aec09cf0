"""Figures read on light and dark pages, for every kind of eye, and fail clearly without matplotlib."""

import itertools
import sys

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.plots.style import (
    CARD,
    FIGURE_SIZE,
    INK,
    PALETTE,
    axes_or_new,
    label_axes,
    label_counts,
    label_flops,
    marked,
    new_axes,
    sequence_colors,
    style,
)

# Machado, Oliveira and Fernandes (2009), severity 1, acting on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# Ottosson (2020), linear RGB to OKLab; one unit spans black to white.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _linear(color: str) -> npt.NDArray[np.float64]:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _contrast(one: str, other: str) -> float:
    """Ratio of WCAG 2."""
    low, high = sorted(float(_linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", [*PALETTE, *sequence_colors(5)])
def test_lines_stand_out_from_the_card(color: str) -> None:
    assert _contrast(color, CARD) >= 3


def test_text_stands_out_from_the_card() -> None:
    assert _contrast(INK, CARD) >= 7


APART = 0.1  # of black to white: two tones of a grey scale of ten steps, told apart at a glance


@pytest.mark.parametrize("vision", VISION)
def test_palette_is_told_apart(vision: str) -> None:
    seen = [TO_LAB @ np.cbrt(TO_CONES @ np.clip(VISION[vision] @ _linear(color), 0, 1)) for color in PALETTE]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > APART


def test_sequence_darkens_in_order() -> None:
    assert len(sequence_colors(1)) == 1
    contrasts = [_contrast(color, CARD) for color in sequence_colors(6)]
    assert contrasts == sorted(contrasts)
    assert len(set(contrasts)) == 6


def test_new_axes_are_an_opaque_card_of_the_books_size() -> None:
    before = pyplot.rcParams["axes.facecolor"]
    ax = new_axes()
    assert to_hex(ax.figure.get_facecolor()) == to_hex(ax.get_facecolor()) == CARD
    assert tuple(ax.figure.get_size_inches()) == FIGURE_SIZE
    assert pyplot.rcParams["axes.facecolor"] == before


def test_a_backend_may_turn_interactive_with_the_first_figure() -> None:
    """As the one of notebooks does; switched back, it would show the first figure only."""
    assert not matplotlib.is_interactive()
    try:
        with style():
            matplotlib.interactive(True)
        assert matplotlib.is_interactive()
    finally:
        matplotlib.interactive(False)


def test_a_given_axes_is_kept() -> None:
    with style():
        _, (left, right) = pyplot.subplots(1, 2)
    assert axes_or_new(left) is left
    assert axes_or_new(None) not in (left, right)
    assert to_hex(right.get_facecolor()) == CARD


def test_labels_and_legend() -> None:
    ax = new_axes()
    label_axes(ax, x="parameters N", y="loss", title="a valley")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == (
        "parameters N",
        "loss",
        "a valley",
    )
    assert ax.get_legend() is None
    ax.plot([1, 2], [1, 2], label="1e11")
    label_axes(ax, x="parameters N", y="loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1e11"]


@pytest.mark.parametrize(
    ("low", "high", "some"),
    [(4e3, 3e5, ["10k", "100k"]), (2e4, 9e4, ["20k", "50k"]), (4e7, 3e11, ["100M", "10B"])],
)
def test_counts_on_a_logarithmic_axis(low: float, high: float, some: list[str]) -> None:
    ax = new_axes()
    ax.plot([low, high], [0, 1])
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    ax.figure.canvas.draw()
    shown = [tick.get_text() for tick in ax.get_xticklabels()]
    assert set(some) <= set(shown)
    assert len(shown) <= 12


def test_flops_are_written_as_the_text_writes_them() -> None:
    ax = new_axes()
    ax.plot([8e10, 5e11], [0, 1])
    ax.set_xscale("log")
    label_flops(ax.xaxis)
    ax.figure.canvas.draw()
    assert {"1e11", "2e11", "5e11"} <= {tick.get_text() for tick in ax.get_xticklabels()}


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chinchilla-lib\[plots\]'"):
        new_axes()


def test_series_differ_in_colour_and_in_marker_and_none_is_dropped() -> None:
    names, colors, markers = zip(*marked("abcde", "letters"), strict=True)
    assert names == tuple("abcde")
    assert colors == PALETTE and len(set(markers)) == 5
    with pytest.raises(InputError, match="letters must be 5 at most, found 6"):
        marked("abcdef", "letters")
