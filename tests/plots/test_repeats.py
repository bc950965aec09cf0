"""Figures of repeated data: every run and every cell is drawn where it was measured."""

import numpy as np
import pytest

from chinchilla_lib.experiments.repeats import fresh_curves, unique_tokens_of, worth_by_cell
from chinchilla_lib.laws import RepeatedDataLoss
from chinchilla_lib.plots.repeats import plot_misses, plot_passes, plot_worth
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference.laws import MUENNIGHOFF
from tests.experiments.small_truth import LAW
from tests.experiments.test_repeats import simulate

ROWS = simulate(15.387756, noise=0.005)
CELLS = worth_by_cell(ROWS)


def test_a_size_has_its_fresh_curve_and_a_line_for_each_set() -> None:
    cells = [cell for cell in CELLS if cell.d_model == 40]
    fresh = [
        (float(row["n_tokens"]), float(row["loss"]))
        for row in ROWS
        if row["d_model"] == 40 and unique_tokens_of(row) is None
    ]
    curve, ax = fresh_curves(ROWS)[40], new_axes()
    assert plot_passes(cells, curve, fresh, ax) is ax
    line, dots, *sets = ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), curve.loss(line.get_xdata()))
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == fresh
    assert [len(one.get_xdata()) for one in sets] == [5, 6, 4]
    assert sets[0].get_ydata()[2] == pytest.approx(np.mean([c.losses for c in cells if c.n_tokens == 1048320
                                                            and c.unique_tokens == 262144]))  # fmt: skip
    assert [text.get_text() for text in ax.texts] == ["16 passes", "32 passes", "64 passes"]
    ax.figure.canvas.draw()
    beside = plot_passes(cells, curve, fresh, law=MUENNIGHOFF)
    dashed = [line for line in beside.get_lines() if line.get_linestyle() == "--"]
    assert len(dashed) == 3
    assert dashed[1].get_xdata()[-1] == 4195072
    assert dashed[1].get_ydata()[-1] == pytest.approx(MUENNIGHOFF.loss(cells[0].n_params, 4195072, 131072))


def test_each_cell_has_its_interval_and_the_law_its_share() -> None:
    ax = plot_worth(CELLS, {"published": MUENNIGHOFF, "endless": RepeatedDataLoss(LAW)})
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    published = np.asarray(lines["published"].get_ydata())
    assert published[0] == 1
    assert published[-1] == pytest.approx(MUENNIGHOFF.effective_tokens(64, 1) / 64, rel=1e-3)
    np.testing.assert_allclose(lines["endless"].get_ydata(), 1)
    assert len(ax.containers) == 7
    bars = dict(zip([bar.get_label() for bar in ax.containers], ax.containers, strict=True))
    [stem] = bars["14.4k on 131k tokens"].lines[2]
    cells = [cell for cell in CELLS if (cell.d_model, cell.unique_tokens) == (16, 131072)]
    for segment, cell in zip(stem.get_segments(), cells, strict=True):
        np.testing.assert_allclose(segment[:, 1], cell.interval)
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "4", "8", "16", "32", "64"]


def test_misses_are_drawn_by_group_on_the_band_of_the_noise() -> None:
    epochs, residuals = [1, 4, 8, 8], [0.01, -0.02, 0.0, 0.03]
    ax = plot_misses(epochs, residuals, ["a", "a", "b", "a"], noise=0.01)
    [_, a, b] = ax.get_lines()
    assert list(a.get_ydata()) == [0.01, -0.02, 0.03]
    assert list(b.get_ydata()) == [0.0]
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-0.02, 0.02))
    ax.figure.canvas.draw()
