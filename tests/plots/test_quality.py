"""Figures of the quality of text."""

from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.experiments.leakage import Leak
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.plots.quality import plot_leaks, plot_valleys_of_texts
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.experiments.small_truth import LAW


def one_sided(table: SweepTable) -> SweepTable:
    """Without the smallest two sizes of each budget: a valley read from the wrong end is another."""
    return table.take([i for i in range(len(table)) if i % 9 > 1])


def test_each_text_has_its_runs_its_valleys_and_its_minima() -> None:
    laws = {"clean": LAW, "bad": replace(LAW, E=LAW.E + 1)}
    fits = {
        name: fit_isoflop_profiles(one_sided(simulate_isoflop_sweep(law, [1e11, 1e12])))
        for name, law in laws.items()
    }
    ax = new_axes()
    assert plot_valleys_of_texts(fits, ax) is ax
    handles, labels = ax.get_legend_handles_labels()
    assert labels == list(fits)
    for line, fit in zip(handles, fits.values(), strict=True):
        assert list(line.get_xdata()) == [point.n_params for point in fit.points]
        assert list(line.get_ydata()) == [point.loss for point in fit.points]
    lines = ax.get_lines()
    assert len(lines) == 2 * (1 + 2 + 1)
    for first, fit in zip((0, 4), fits.values(), strict=True):
        for line, valley in zip(lines[first + 1 : first + 3], fit.diagnostics.valleys, strict=True):
            sizes = np.asarray(line.get_xdata(), dtype=float)
            assert (sizes[0], sizes[-1]) == pytest.approx(valley.n_params_range)
            np.testing.assert_allclose(line.get_ydata(), valley.predict(sizes))
    assert [text.get_text() for text in ax.texts] == ["1e11", "1e12"]
    for text, valley in zip(ax.texts, fits["bad"].diagnostics.valleys, strict=True):
        assert text.xy == (valley.n_params_range[1], valley.predict(np.array([valley.n_params_range[1]]))[0])
    low, high = ax.get_xlim()
    assert low < min(fit.table.n_params.min() for fit in fits.values())
    assert high > max(fit.table.n_params.max() for fit in fits.values())
    ax.figure.canvas.draw()


def test_leaks_have_a_line_for_each_size_and_bars() -> None:
    leaks = [Leak(w, 1000 * w, k, 0.01 * w * k, 0.02) for w in (16, 40) for k in (1, 3, 9)]
    ax = plot_leaks([*leaks, Leak(0, 0, 1, 0.5, 0.1)])
    assert len(ax.containers) == 2
    for width, bars in zip((16, 40), ax.containers, strict=True):
        [stem] = bars.lines[2]
        ends = np.array([segment[:, 1] for segment in stem.get_segments()])
        gains = np.array([leak.gain for leak in leaks if leak.d_model == width])
        np.testing.assert_allclose(ends, np.stack([gains - 0.02, gains + 0.02], axis=1))
        np.testing.assert_allclose(np.asarray(bars.lines[0].get_xdata(), float), [1, 3, 9], rtol=0.05)
    small, large = (np.asarray(bars.lines[0].get_xdata(), float) for bars in ax.containers)
    assert (small < large).all(), "bars of one number stand beside each other"
    np.testing.assert_allclose(np.sqrt(small * large), [1, 3, 9])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3", "9"]
    assert ax.get_legend_handles_labels()[1] == ["16k parameters", "40k parameters"]
    ax.figure.canvas.draw()
