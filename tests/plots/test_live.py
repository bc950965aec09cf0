"""A live curve shows what was measured so far, in one output, and ends as the curve of the record."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import IPython.display
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from chinchilla_lib.plots.curves import plot_loss_curves
from chinchilla_lib.plots.live import LiveCurve
from chinchilla_lib.runs import LossCurve, RunRecord
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS

CONFIG = replace(plan_isoflop_sweep(TIERS["ci"], corpus="c").configs[0], n_steps=600, warmup_steps=10)
LOSSES = 6 - np.arange(CONFIG.n_steps) / CONFIG.n_steps
RECORD = RunRecord(
    config=CONFIG,
    loss=5.1,
    loss_se=0.01,
    bits_per_byte=2.0,
    curve=LossCurve((300, 600), (5.5, 5.25)),
    seconds=1.0,
)


class Output:
    """An output of a cell: notes how many points each drawing of it has."""

    def __init__(self) -> None:
        self.drawings: list[int] = []

    def display(self, figure: Figure, *, display_id: bool) -> "Output":
        assert display_id
        self.update(figure)
        return self

    def update(self, figure: Figure) -> None:
        self.drawings.append(len(figure.axes[0].get_lines()[0].get_xdata()))


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    output = Output()
    monkeypatch.setattr(IPython.display, "display", output.display)
    yield output
    pyplot.close("all")


def train(curve: LiveCurve) -> None:
    for step, loss in enumerate(LOSSES, start=1):
        curve(step, float(loss))


def test_the_curve_grows_by_means_over_stretches_of_steps(output: Output) -> None:
    curve = LiveCurve(CONFIG, seconds=0)
    train(curve)
    assert output.drawings == list(range(201))
    (line,) = curve.ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), LOSSES.reshape(-1, 3).mean(axis=1))
    assert list(line.get_xdata())[-1] == CONFIG.n_tokens
    low, high = curve.ax.get_ylim()
    assert low < LOSSES.min() < LOSSES.max() < high


def test_drawings_are_as_rare_as_asked_for(output: Output) -> None:
    curve = LiveCurve(CONFIG, seconds=math.inf)
    train(curve)
    curve.finish(RECORD)
    assert len(output.drawings) == 2


def test_it_ends_as_the_curve_of_the_record_shown_once(output: Output) -> None:
    curve = LiveCurve(CONFIG, seconds=0)
    train(curve)
    curve.finish(RECORD)
    assert pyplot.get_fignums() == [], "an open figure is shown again at the end of the cell"
    expected = plot_loss_curves([RECORD])
    for ours, theirs in zip(curve.ax.get_lines(), expected.get_lines(), strict=True):
        assert list(ours.get_ydata()) == list(theirs.get_ydata())
    assert curve.ax.get_title("left") == expected.get_title("left")
    assert curve.ax.get_xlim() == expected.get_xlim() and curve.ax.get_ylim() == expected.get_ylim()


def test_without_a_notebook_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*args: Any, **options: Any) -> None: ...

    monkeypatch.setattr(IPython.display, "display", nothing)
    curve = LiveCurve(CONFIG, seconds=0)
    train(curve)
    curve.finish(RECORD)
    assert len(curve.ax.get_lines()) == 2
