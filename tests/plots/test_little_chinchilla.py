"""Figures of little Chinchilla: models with their seeds, laws with their crossing."""

import numpy as np

from chinchilla_lib.experiments.little_chinchilla import Model
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit
from chinchilla_lib.laws import PowerLaw
from chinchilla_lib.plots.little_chinchilla import plot_crossing, plot_models
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.experiments.small_truth import LAW

RUNS = simulate_isoflop_sweep(LAW, [1e11, 1e12, 1e13], noise=0.001)
MODELS = (
    Model("recommended", 100, 300_000, 5_000_000, (2.70, 2.71, 2.72)),
    Model("larger", 200, 1_200_000, 1_200_000, (2.9, 2.9, 2.9)),
)


def test_every_seed_is_drawn_and_the_mean_has_its_interval() -> None:
    ax = new_axes()
    assert plot_models(MODELS, ax, valley=RUNS) is ax
    behind, *dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert list(behind.get_xdata()) == sorted(RUNS.n_params)
    assert [list(line.get_ydata()) for line in dots] == [list(model.losses) for model in MODELS]
    for model, bars in zip(MODELS, ax.containers, strict=True):
        [stem] = bars.lines[2]
        [segment] = stem.get_segments()
        np.testing.assert_allclose(
            segment[:, 1], [model.loss - model.half_width, model.loss + model.half_width]
        )
    assert "17 tokens a parameter" in ax.containers[0].get_label()
    ax.figure.canvas.draw()


def test_laws_are_drawn_over_all_budgets_and_ours_with_its_minima() -> None:
    fit = bootstrap_fit(ISOFLOP, RUNS, n_draws=50, seed=0)
    anchored = PowerLaw(coefficient=1.0, exponent=0.73)
    ax = plot_crossing(fit, anchored=anchored)
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    for start, law in (("Kaplan et al.", KAPLAN_N_OPT), ("ours, ext", fit.n_opt), ("Kaplan's", anchored)):
        [line] = [line for label, line in lines.items() if label.startswith(start)]
        np.testing.assert_allclose(line.get_ydata(), law.predict(line.get_xdata()))
        assert line.get_xdata()[-1] > 6e23, "as far as the models of Table 1"
    [minima] = [line for label, line in lines.items() if label.startswith("ours, min")]
    assert list(minima.get_ydata()) == [point.n_params for point in fit.points]
    assert {text.get_text() for text in ax.texts} == {"Gopher", "Chinchilla"}
    assert len(plot_crossing(fit).get_lines()) == len(lines) - 1
    ax.figure.canvas.draw()
