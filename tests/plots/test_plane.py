"""The plane of parameters and tokens: what is drawn where."""

import numpy as np
import pytest

from chinchilla_lib.plots.plane import plot_plane
from chinchilla_lib.plots.style import new_axes
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.models import printed_models
from chinchilla_lib.reference.positions import KAPLAN_N_OPT
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.reference.standings import law_of_draw, tokens_for_size

FRONTIERS = {
    "Kaplan et al.": KAPLAN_N_OPT,
    "Approach 1": approach_line("1").n_opt,
    "Approach 3, unrounded": LAWS["hoffmann-unrounded"].law.n_opt_law,
    "Besiroglu et al.": LAWS["epoch"].law.n_opt_law,
}


def test_models_stand_where_they_are_printed_and_are_named() -> None:
    ax = new_axes()
    assert plot_plane(ax) is ax
    points = {tuple(line.get_xydata()[0]) for line in ax.get_lines() if len(line.get_xdata()) == 1}
    assert points == {(model.n_params, model.n_tokens) for model in printed_models()}
    texts = " ".join(text.get_text() for text in ax.texts)
    assert all(model.title in texts for model in printed_models())
    (low, high), (least, most) = ax.get_xlim(), ax.get_ylim()
    assert all(low < x < high and least < y < most for x, y in points)


def test_grey_lines_are_of_equal_compute() -> None:
    ax = plot_plane()
    grey = [line for line in ax.get_lines() if line.get_color() == "#8d8a80"]
    budgets = []
    for line in grey:
        flops = 6 * line.get_xdata() * line.get_ydata()
        np.testing.assert_allclose(flops, flops[0])
        budgets.append(flops[0])
    assert budgets == pytest.approx([1e22, 1e23, 1e24, 1e25, 1e26])


def test_the_corner_ends_at_the_largest_run_of_the_fits_and_budgets_stand_on_their_lines() -> None:
    ax = plot_plane()
    (corner,) = (path.vertices for path in ax.collections[0].get_paths())
    largest = LAWS["hoffmann"].largest
    assert tuple(corner.max(0)) == (largest["n_params"], largest["n_tokens"])
    budgets = {text.get_text(): text.xy for text in ax.texts if text.get_text().startswith("1e")}
    assert len(budgets) == 5
    for name, (n_params, n_tokens) in budgets.items():
        assert 6 * n_params * n_tokens == pytest.approx(float(name))


def test_frontiers_are_optimal_for_their_budgets() -> None:
    lines = {line.get_label(): line for line in plot_plane().get_lines()}
    for name, n_opt in FRONTIERS.items():
        sizes, tokens = lines[name].get_data()
        np.testing.assert_allclose(n_opt.predict(6 * sizes * tokens), sizes)


def test_draws_make_a_band_and_plans_hollow_marks() -> None:
    law = LAWS["epoch"].law
    rng = np.random.default_rng(0)
    row = np.array([law.E, np.log(law.A), np.log(law.B), law.alpha, law.beta])
    draws = row + rng.normal(0, 0.003, (40, 5))
    ax = plot_plane(draws=draws, planned={"a plan": (4e11, 1.6e13)})
    assert len(ax.collections) == len(plot_plane().collections) + 1
    sizes = ax.get_lines()[0].get_xdata()
    tokens = [tokens_for_size(law_of_draw(one).n_opt_law, sizes) for one in draws]
    (edges,) = (path.vertices for path in ax.collections[-1].get_paths())
    low, high = np.quantile(tokens, (0.05, 0.95), axis=0)
    assert {tuple(edge) for edge in edges} >= {*zip(sizes, low, strict=True), *zip(sizes, high, strict=True)}
    assert (4e11, 1.6e13) in {tuple(line.get_xydata()[0]) for line in ax.get_lines()}
    assert "a plan" in {text.get_text() for text in ax.texts}
    ax.figure.canvas.draw()
