"""Where models stand under laws: nothing is lost at an optimum, and draws make intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib._format import parse_number
from chinchilla_lib.errors import InputError
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.models import PrintedModel, find_model, printed_models
from chinchilla_lib.reference.positions import model_positions
from chinchilla_lib.reference.projections import approach_line
from chinchilla_lib.reference.standings import LAW_LABELS, law_of_draw, standings, tokens_for_size
from chinchilla_lib.reference.tables import load_paper_table

GOPHER = find_model("Gopher")


def row_of(name: str) -> np.ndarray:
    """A law in the form of a draw."""
    law = LAWS[name].law
    return np.array([law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta])


def test_every_law_has_a_label_and_positions_are_those_of_table_1() -> None:
    assert set(LAW_LABELS) == {p.law for p in model_positions()}
    for model in printed_models():
        own = {p.law: p for p in model_positions() if p.model == model.name}
        assert {one.position.law: one.position for one in standings(model)} == own


@given(st.floats(min_value=20, max_value=26), st.sampled_from(sorted(LAWS)))
def test_a_model_at_the_optimum_of_a_law_loses_nothing(log_flops: float, name: str) -> None:
    law = LAWS[name].law
    flops = 10**log_flops
    model = PrintedModel("best", law.n_opt(flops), law.d_opt(flops), "the law itself")
    (one,) = (one for one in standings(model) if one.position.law == name)
    assert one.position.excess_loss == pytest.approx(0, abs=1e-9)
    assert one.position.wasted == pytest.approx(0, abs=1e-6)
    assert one.position.size_factor == pytest.approx(1)


@pytest.mark.parametrize("model", printed_models(), ids=lambda model: model.title)
def test_less_compute_by_the_share_wasted_reaches_the_same_loss(model: PrintedModel) -> None:
    for one in standings(model):
        position = one.position
        if position.loss is None:
            assert position.wasted is None
            continue
        law, flops = LAWS[position.law].law, position.flops * (1 - position.wasted)
        assert law.loss(law.n_opt(flops), law.d_opt(flops)) == pytest.approx(position.loss)


def test_equal_draws_make_an_interval_of_no_width_at_the_law() -> None:
    draws = {"epoch": np.tile(row_of("epoch"), (5, 1))}
    by_law = {one.position.law: one for one in standings(GOPHER, draws=draws)}
    epoch = by_law["epoch"]
    assert epoch.level == 0.9
    for name, (low, high) in epoch.intervals.items():
        assert low == pytest.approx(high)
        assert low == pytest.approx(getattr(epoch.position, name))
    assert all(not one.intervals for law, one in by_law.items() if law != "epoch")


def test_a_wider_level_is_a_wider_interval() -> None:
    rng = np.random.default_rng(0)
    draws = {"epoch": row_of("epoch") + rng.normal(0, 0.01, (200, 5))}
    narrow, wide = (
        next(one for one in standings(GOPHER, draws=draws, level=level) if one.intervals)
        for level in (0.5, 0.95)
    )
    for name, (low, high) in narrow.intervals.items():
        assert wide.intervals[name][0] < low < high < wide.intervals[name][1]


def test_an_interval_leaves_the_same_share_of_draws_on_either_side() -> None:
    """A loss shifts with E and by as much."""
    rows = np.tile(row_of("epoch"), (101, 1))
    rows[:, 0] += np.linspace(0, 1, 101)
    (epoch,) = (one for one in standings(GOPHER, draws={"epoch": rows}, level=0.6) if one.intervals)
    assert epoch.intervals["loss"] == pytest.approx((epoch.position.loss + 0.2, epoch.position.loss + 0.8))


@pytest.mark.parametrize("law", sorted(LAW_LABELS))
def test_a_model_is_beyond_a_fit_as_soon_as_it_passes_the_largest_run(law: str) -> None:
    (gopher,) = (one for one in standings(GOPHER) if one.position.law == law)
    largest = GOPHER.n_params / gopher.beyond["n_params"]
    for factor in (0.999, 1.001):
        (one,) = (
            one
            for one in standings(PrintedModel("edge", factor * largest, 1e9, "me"))
            if one.position.law == law
        )
        assert one.extrapolated == (factor > 1)


def test_the_largest_runs_of_lines_are_those_of_the_tables() -> None:
    facts = {row["item"]: row["value"] for row in load_paper_table("approach3_protocol").rows}
    kaplan = {row["item"]: row["value"] for row in load_paper_table("kaplan2020_facts").rows}
    beyond = {one.position.law: one.beyond["n_params"] for one in standings(GOPHER)}
    for law, text in (
        ("approach 1", facts["Approach 1 sizes"]),
        ("approach 2", facts["Approach 2 sizes"]),
        ("kaplan", kaplan["sizes"]),
    ):
        assert beyond[law] == pytest.approx(GOPHER.n_params / parse_number(text.split()[-1]))


def test_models_of_table_1_lie_outside_of_every_fit_and_a_small_one_inside() -> None:
    for model in printed_models():
        for one in standings(model):
            assert one.extrapolated
            assert one.beyond["n_params"] > 1
    small = PrintedModel("small", 1e9, 2e10, "me")
    assert not any(one.extrapolated for one in standings(small))
    long = PrintedModel("long", 1e9, 2e12, "me")
    (epoch,) = (one for one in standings(long) if one.position.law == "epoch")
    assert set(epoch.beyond) == {"n_tokens"}


def test_a_size_with_its_tokens_is_the_best_of_their_budget() -> None:
    for line in (approach_line("1").n_opt, LAWS["hoffmann"].law.n_opt_law):
        sizes = np.geomspace(1e7, 1e13, 7)
        tokens = tokens_for_size(line, sizes)
        np.testing.assert_allclose(line.predict(6 * sizes * tokens), sizes)


def test_a_draw_is_a_law() -> None:
    assert law_of_draw(row_of("hoffmann")).loss(1e9, 1e10) == pytest.approx(
        LAWS["hoffmann"].law.loss(1e9, 1e10)
    )


@pytest.mark.parametrize(
    ("draws", "level", "message"),
    [
        ({"kaplan": np.ones((2, 5))}, 0.9, "draws are given of 'kaplan'"),
        ({"epoch": np.ones((2, 4))}, 0.9, r"have shape \(2, 4\)"),
        ({"epoch": np.ones((0, 5))}, 0.9, r"have shape \(0, 5\)"),
        ({}, 1.0, "level is 1.0"),
    ],
)
def test_arguments_are_checked(draws: dict[str, np.ndarray], level: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        standings(GOPHER, draws=draws, level=level)


@pytest.mark.parametrize("size", [0.0, -1e9, math.inf, math.nan])
def test_sizes_are_positive(size: float) -> None:
    with pytest.raises(InputError, match="sizes must be finite and above 0"):
        tokens_for_size(approach_line("1").n_opt, np.array([1e9, size]))
