"""The picture of a game: questions, the region in which runs answer, the far budget, what was submitted."""

import numpy as np
import pytest

from chinchilla_lib.game.game import Game
from chinchilla_lib.game.variants import find_variant, recorded_surface
from chinchilla_lib.plots.game import plot_game
from chinchilla_lib.plots.style import new_axes

CODE = find_variant("code")


def test_questions_stand_where_they_were_asked_and_grow_with_their_cost() -> None:
    game, ax = Game("ada", "code"), new_axes()
    for size in (4e4, 8e4, 2e5):
        game.train(size, 1e6)
    assert plot_game(game, ax) is ax
    (asked,) = (drawn for drawn in ax.collections if drawn.get_label() == "asked")
    np.testing.assert_allclose(asked.get_offsets(), [[4e4, 1e6], [8e4, 1e6], [2e5, 1e6]])
    areas = asked.get_sizes() - 12
    np.testing.assert_allclose(areas / areas[0], [a.flops / game.answers[0].flops for a in game.answers])


def test_the_far_budget_is_a_line_of_equal_cost_and_the_submission_lies_on_it() -> None:
    game = Game("ada", "code")
    n_tokens = CODE.tokens_for(2e5, CODE.far_budget)
    game.submit(2e5, n_tokens, (2.2, 2.4))
    far, star = plot_game(game).get_lines()
    sizes, tokens = far.get_data()
    assert [CODE.cost(*run) for run in zip(sizes, tokens, strict=True)] == pytest.approx(
        [CODE.far_budget] * len(sizes)
    )
    assert "1e13" in str(far.get_label())
    np.testing.assert_allclose(star.get_xydata(), [[2e5, n_tokens]])


def test_the_region_is_that_of_the_runs() -> None:
    ax = plot_game(Game("ada", "code"))
    (region,) = (drawn for drawn in ax.collections if drawn.get_label() == "recorded runs answer")
    corners = region.get_paths()[0].vertices
    surface = recorded_surface("code")
    assert (corners[:, 0].min(), corners[:, 0].max()) == pytest.approx(surface.size_range)
    low, high = surface.token_range(1e5)
    near = corners[np.abs(np.log(corners[:, 0] / 1e5)) < 0.02, 1]
    assert near.min() == pytest.approx(low, rel=0.05) and near.max() == pytest.approx(high, rel=0.05)
