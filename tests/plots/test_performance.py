"""The figure of ratios: each row at its own height, extremes where there are any."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.plots.performance import plot_ratios

ROWS = [
    {"area": "fits", "ours": "a fit", "peer": "SciPy", "ratio": "40", "low": "", "high": ""},
    {"area": "training", "ours": "64x2", "peer": "nanoGPT", "ratio": "1.4", "low": "1.3", "high": "1.5"},
]


def test_each_ratio_has_its_height_and_its_extremes() -> None:
    ax = plot_ratios(ROWS)
    fits, training, extremes, one = ax.get_lines()
    assert (list(fits.get_xdata()), list(fits.get_ydata())) == ([40], [0])
    assert (list(training.get_xdata()), list(training.get_ydata())) == ([1.4], [-1])
    assert list(extremes.get_xdata()) == [1.3, 1.5] and list(extremes.get_ydata()) == [-1, -1]
    assert list(one.get_xdata()) == [1, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a fit / SciPy", "64x2 / nanoGPT"]
    ax.figure.canvas.draw()


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError, match="rows is empty"):
        plot_ratios([])
