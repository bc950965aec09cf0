"""Figures of the forecast: what is drawn where."""

import math
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.forecast import FORECAST, FORMS, foretell
from chinchilla_lib.experiments.hindsight import LookBack
from chinchilla_lib.plots.forecast import plot_forecast, plot_foretold_runs, plot_look_back
from chinchilla_lib.plots.style import new_axes
from tests.experiments.small_truth import simulate

FIT = simulate(FORECAST.parts_of("cpu-120"))["fit"]


@pytest.fixture(scope="module")
def forecast() -> dict[str, Any]:
    return foretell(2, {"fit": FIT})


def test_forms_go_on_where_the_minima_end_and_the_interval_widens(forecast: dict[str, Any]) -> None:
    tested = simulate(FORECAST.parts_of("cpu-120", forecast)[1:])["test"]
    ax = new_axes()
    assert plot_forecast(FIT, forecast, tested, ax) is ax
    lines = {line.get_label(): line for line in ax.get_lines()}
    for name in FORMS:
        assert lines[name].get_xdata()[[0, -1]] == pytest.approx([3e11, 3e13])
        assert lines[name].get_ydata()[-1] == pytest.approx(forecast["ahead"][1]["by_form"][name])
    assert max(lines, key=lambda name: lines[name].get_linewidth()) == forecast["form"]
    assert len(lines["minima, fitted to"].get_xdata()) == 5
    stars = lines["measured, size foretold"]
    assert list(stars.get_xdata()) == [3e12, 3e13]
    width = forecast["ahead"][0]["runs"][0]["d_model"]
    losses = [r["loss"] for r in tested if r["flops_budget"] == 3e12 and r["d_model"] == width]
    assert len(losses) > 1
    assert stars.get_ydata()[0] == pytest.approx(np.mean(losses))
    [band] = ax.collections
    ends = [y for x, y in band.get_paths()[0].vertices if x == pytest.approx(3e13)]
    best = forecast["ahead"][1]["runs"][0]
    assert max(ends) / min(ends) == pytest.approx(best["interval"][1] / best["interval"][0])
    assert "measured" not in " ".join(line.get_label() for line in plot_forecast(FIT, forecast).get_lines())


def test_runs_stand_beside_their_intervals(forecast: dict[str, Any]) -> None:
    tested = simulate(FORECAST.parts_of("cpu-120", forecast)[1:])["test"]
    ax = plot_foretold_runs(forecast, tested)
    for ahead, bars in zip(forecast["ahead"], ax.containers, strict=True):
        data, _, [stems] = bars.lines
        found = dict(zip(data.get_xdata(), data.get_ydata(), strict=True))
        assert found == {run["n_params"]: run["loss"] for run in ahead["runs"]}
        drawn = sorted(tuple(segment[:, 1]) for segment in stems.get_segments())
        np.testing.assert_allclose(drawn, sorted(run["interval"] for run in ahead["runs"]))
    dots = [line for line in ax.get_lines() if "measured" in str(line.get_label())]
    assert sum(len(line.get_xdata()) for line in dots) == len(tested)
    ax.figure.canvas.draw()
    assert len(plot_foretold_runs(forecast).get_legend().get_texts()) == 2


def test_the_widest_span_of_each_upper_end_is_drawn() -> None:
    def look(lowest: float, highest: float, error: float) -> LookBack:
        return LookBack(lowest, highest, 3, 1e13 / highest, dict.fromkeys(FORMS, error), None, None)

    ax = plot_look_back([look(3e10, 3e11, 0.03), look(1e11, 1e12, 0.5), look(3e10, 1e12, 0.02)])
    line = ax.get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), [1e13 / 3e11, 10])
    np.testing.assert_allclose(line.get_ydata(), [3, 2])
    assert ax.get_xlim()[0] > ax.get_xlim()[1], "nearer is to the right"
    assert math.isclose(ax.get_xticks()[0], 1e13 / 3e11)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["33x", "10x"]
    with pytest.raises(InputError, match="looks is empty"):
        plot_look_back([])
