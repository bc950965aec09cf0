"""The figure of ratios: each row at its own height, extremes where there are any."""

import warnings

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.performance import plot_ratios

ROWS = [
    {"area": "fits", "ours": "a fit", "peer": "SciPy", "ratio": "40", "low": "", "high": ""},
    {"area": "training", "ours": "64x2", "peer": "nanoGPT", "ratio": "1.4", "low": "1.3", "high": "1.5"},
]


def test_each_ratio_has_its_height_its_extremes_and_its_name_above() -> None:
    ax = plot_ratios(ROWS)
    fits, training, extremes, one = ax.get_lines()
    assert list(fits.get_xdata()) == [40] and list(training.get_xdata()) == [1.4]
    assert list(extremes.get_xdata()) == [1.3, 1.5]
    assert list(extremes.get_ydata()) == 2 * list(training.get_ydata())
    assert list(one.get_xdata()) == [1, 1]
    first, second = ax.texts
    assert (first.get_text(), second.get_text()) == ("a fit / SciPy", "64x2 / nanoGPT")
    points = [fits.get_ydata()[0], training.get_ydata()[0]]
    assert first.get_position()[1] > points[0] > second.get_position()[1] > points[1]


def test_names_of_any_length_leave_room_for_the_points() -> None:
    long = [dict(ROWS[i % 2], peer="a peer with many settings, " * 5) for i in range(20)]
    ax = plot_ratios(long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()
    assert ax.get_window_extent().width > 0.8 * ax.figure.bbox.width


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError, match="rows is empty"):
        plot_ratios([])
