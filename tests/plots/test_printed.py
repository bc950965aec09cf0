"""The plot of the paper's scores."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.printed import PrintedScore, compare
from chinchilla_lib.plots.printed import plot_gains
from chinchilla_lib.plots.style import new_axes

SCORES = [PrintedScore("x", str(gain), 50.0 + gain, 50.0, n_items=200) for gain in (-30, 4, 20, -2, 0)]


def test_tasks_are_in_order_and_marked_by_what_noise_allows() -> None:
    ax = new_axes()
    assert plot_gains(compare(SCORES), ax) is ax
    drawn = {
        container.get_label(): (container[0].get_xdata().tolist(), container[0].get_ydata().tolist())
        for container in ax.containers
    }
    assert drawn == {
        "gain beyond noise": ([5], [20.0]),
        "loss beyond noise": ([1], [-30.0]),
        "gain within noise": ([3, 4], [0.0, 4.0]),
        "loss within noise": ([2], [-2.0]),
    }
    [bars] = [c for c in ax.containers if c.get_label() == "loss beyond noise"]
    ((_, low), (_, high)) = bars[2][0].get_segments()[0]
    assert (high - low) / 2 == pytest.approx(1.645 * 100 * np.sqrt((0.2 * 0.8 + 0.25) / 200))
    ax.figure.canvas.draw()


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(InputError, match="comparisons is empty"):
        plot_gains([])
