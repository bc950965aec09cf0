"""Figures where the truth is known: what is drawn was measured, and lines have the slopes they claim."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.known_truth import Estimate
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.plots.known_truth import plot_estimates, plot_excess, plot_spans
from chinchilla_lib.plots.style import PALETTE, new_axes
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.experiments.small_truth import LAW

FIT = fit_isoflop_profiles(simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13]))


@pytest.mark.parametrize(("against", "exponent"), [("n_params", LAW.alpha), ("n_tokens", LAW.beta)])
def test_minima_fall_with_the_exponent_of_the_law(against: str, exponent: float) -> None:
    ax = new_axes()
    assert plot_excess(FIT, LAW.E, ax, against=against, exponent=exponent) is ax
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    at, lowest = lines["minima of parabolas"].get_data()
    assert list(at) == [getattr(point, against) for point in FIT.points]
    np.testing.assert_allclose(lowest, [point.loss - LAW.E for point in FIT.points])
    theory = lines[f"slope of theory, $-{exponent:.3g}$"]
    x, y = (np.log(np.asarray(values)) for values in theory.get_data())
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(-exponent)
    # The runs follow that law, so its minima lie on the line, but for the parabola's own bias.
    np.testing.assert_allclose(np.interp(np.log(at), x, y), np.log(lowest), atol=0.02)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == len(FIT.table)
    ax.figure.canvas.draw()


def test_a_floor_above_a_loss_is_refused() -> None:
    with pytest.raises(InputError, match="it must lie below the lowest loss"):
        plot_excess(FIT, 9.0)
    with pytest.raises(InputError, match="against is 'flops'"):
        plot_excess(FIT, LAW.E, against="flops")


def test_intervals_that_miss_the_truth_stand_out() -> None:
    ax = plot_estimates(
        [Estimate("2", "alpha", 0.5, (0.4, 0.6)), Estimate("3", "alpha", 0.7, (0.6, 0.8))], 0.45
    )
    bars = [line for line in ax.get_lines() if len(line.get_xdata()) == 2][:2]
    assert [bar.get_color() for bar in bars] == [PALETTE[0], PALETTE[1]]
    assert [list(bar.get_xdata()) for bar in bars] == [[0.4, 0.6], [0.6, 0.8]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["2", "3"]
    assert ax.get_xlabel() == "alpha"


def test_spans_are_drawn_by_noise_and_filled_where_e_is_known() -> None:
    rows = [
        {"decades": decades, "noise_share": share, "low": 1.0, "estimate": 1.1, "high": 1.3,
         "identifiable": known}
        for share in (1.0, 1 / 3) for decades, known in ((1.0, 0.0), (4.0, 0.9))
    ]  # fmt: skip
    ax = plot_spans(rows, LAW)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert len(dots) == 4
    filled = [line.get_markerfacecolor() == line.get_color() for line in dots]
    assert filled == [False, True, False, True]
    (best,) = [line for line in ax.get_lines() if line.get_label() == "loss of the best run"]
    assert list(best.get_xdata()) == [1.0, 4.0]
    flops = np.array([3e11, 3e14])
    np.testing.assert_allclose(best.get_ydata(), LAW.loss(LAW.n_opt(flops), LAW.d_opt(flops)))
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "loss of the best run", "E, noise of our seeds", "E, 33% of that noise", "true E"]  # fmt: skip
    ax.figure.canvas.draw()
