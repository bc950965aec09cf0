"""Figures of size: a line for each part, and marks where the theory puts them."""

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.at_scale import Cluster, PlannedRun, daly_interval, young_interval
from chinchilla_lib.plots.at_scale import plot_costs, plot_intervals
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference.accelerators import load_accelerators

ROWS = [
    {"part": part, "size": str(size), "seconds": str(size / 100), "peak_mib": "50"}
    for part in ("fit", "plan")
    for size in (1000, 10, 100)
]


def test_each_part_is_a_line_in_the_order_of_sizes() -> None:
    ax = new_axes()
    assert plot_costs(ROWS, ax=ax) is ax
    fit, plan = ax.get_lines()
    assert list(fit.get_xdata()) == [10, 100, 1000] and list(fit.get_ydata()) == [0.1, 1, 10]
    assert [fit.get_label(), plan.get_label()] == ["fit", "plan"]
    memory = plot_costs(ROWS, "peak_mib")
    assert list(memory.get_lines()[0].get_ydata()) == [50, 50, 50]


def test_intervals_of_young_and_daly_are_marked_near_the_bottom() -> None:
    cluster = Cluster(
        accelerator=load_accelerators()[2], n_chips=1024, utilisation=0.4, chip_mtbf_hours=50_000
    )
    ax = plot_intervals(cluster, PlannedRun(70e9, 1.4e12))
    curve, young, daly = ax.get_lines()
    mtbf = 50_000 * 3600 / 1024
    assert float(young.get_xdata()[0]) == pytest.approx(young_interval(84, mtbf) / 60)
    assert float(daly.get_xdata()[0]) == pytest.approx(daly_interval(84, mtbf) / 60)
    assert min(curve.get_ydata()) == pytest.approx(float(daly.get_ydata()[0]), rel=0.01)
    ax.figure.canvas.draw()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="rows have 0 parts"):
        plot_costs([])
    with pytest.raises(InputError, match="quantity is 'loss'"):
        plot_costs(ROWS, "loss")  # type: ignore[arg-type]
