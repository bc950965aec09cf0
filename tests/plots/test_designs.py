"""Figures of what to train next: every run of a design, and what numbers of runs find."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.design import design_runs
from chinchilla_lib.fitting.planned_profiles import plan_profiles
from chinchilla_lib.fitting.power import measure_power
from chinchilla_lib.plots.designs import plot_design, plot_detectable
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

RUNS = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], noise=0.002)


def test_a_design_is_drawn_over_the_runs_so_far() -> None:
    design = design_runs(RUNS, 1e20, max_runs=8)
    ax = new_axes()
    assert plot_design(design, RUNS, ax) is ax
    known, *chosen = ax.get_lines()
    assert list(known.get_xdata()) == list(RUNS.n_params)
    assert list(known.get_ydata()) == list(RUNS.n_tokens)
    drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in chosen]
    assert drawn == [(run.n_params, run.n_tokens) for run in design.runs]
    assert [text.get_text() for text in ax.texts] == [str(run.count) for run in design.runs]
    assert len(ax.get_legend().get_texts()) == 2
    ax.figure.canvas.draw()


def test_what_is_found_is_drawn_against_runs_in_order() -> None:
    plan = plan_profiles(PUBLISHED, n_budgets=3, n_sizes=5)
    powers = [
        measure_power(plan, PUBLISHED, noise=0.002, a_from=0.46, n_seeds=count, n_simulated=0)
        for count in (4, 1, 2)
    ]
    ax = plot_detectable({"three budgets": powers}, 0.04)
    line, wanted = ax.get_lines()
    assert list(line.get_xdata()) == [15, 30, 60]
    assert list(line.get_ydata()) == sorted((power.detectable for power in powers), reverse=True)
    assert list(wanted.get_ydata()) == [0.04, 0.04]
    labels = [float(tick.get_text()) for tick in ax.get_yticklabels()]
    low, high = ax.get_ylim()
    assert labels and all(low <= label <= high for label in labels)
    drawn = [0.04, *(power.detectable for power in powers)]
    assert min(drawn) / 2 < low and high < 2 * max(drawn), "marks beyond what is drawn would stretch the axis"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["20", "50"]
    assert list(ax.get_xticks()) == [20, 50]
    np.testing.assert_allclose(ax.get_yticks(), labels)
    ax.figure.canvas.draw()


def test_more_designs_than_colours_are_refused() -> None:
    with pytest.raises(InputError, match="designs must be 5 at most, found 6"):
        plot_detectable(dict.fromkeys("abcdef", ()), 0.04)
