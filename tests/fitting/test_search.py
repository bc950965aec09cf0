"""Free parameters, starts that grow, and what is checked at the end."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.certify import random_table
from chinchilla_lib.fitting import search
from chinchilla_lib.fitting.objective import HuberSum, Runs, huber, log_residuals
from chinchilla_lib.fitting.projection import START_COUNTS
from chinchilla_lib.fitting.search import Space, approach, find_optimum, finish
from tests.fitting.test_parametric import NOISY

RUNS = Runs.from_table(NOISY, np.arange(len(NOISY)))
SPACES = [Space(), Space(tied=True), Space(floor=1.6), Space(floor=0.0), Space(tied=True, floor=1.6)]


@pytest.mark.parametrize("space", SPACES)
@given(st.lists(st.floats(-5, 5), min_size=5, max_size=5))
def test_free_parameters_go_and_come_back(space: Space, values: list[float]) -> None:
    free = np.array([values[: space.n_free]])
    params = space.to_params(free)
    np.testing.assert_allclose(space.to_free(params), free, rtol=1e-12, atol=1e-12)
    if space.tied:
        assert params[0, 3] == params[0, 4]
    if space.floor is not None:
        assert math.exp(params[0, 2]) == pytest.approx(space.floor)


def test_no_floor_at_all_is_kept_through_the_free_parameters() -> None:
    params = np.array([[1.0, 2.0, -np.inf, 0.3, 0.4]])
    assert np.array_equal(Space().to_free(params), params)
    assert np.array_equal(Space(floor=1.0).to_free(params), [[1.0, 2.0, 0.3, 0.4]])


@pytest.mark.parametrize("space", SPACES)
def test_the_optimum_is_what_the_check_says(space: Space) -> None:
    found = find_optimum(RUNS, 1e-3, space)
    assert found.value == pytest.approx(huber(log_residuals(RUNS, found.params[None]), 1e-3).sum())
    assert found.check.passed and found.check.agreeing_share >= 0.5
    free = space.to_free(found.params[None])[0]
    for direction in np.random.default_rng(0).standard_normal((50, space.n_free)):
        near = space.to_params((free + 1e-4 * direction)[None])
        assert huber(log_residuals(RUNS, near), 1e-3).sum() > found.value


def test_starts_grow_while_they_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_optimum(RUNS, 1e-3, Space()).check.n_starts == START_COUNTS[0]
    # A data set of the certification whose first starts end at different optima.
    table = random_table(0, 75)
    hard = Runs.from_table(table, np.arange(len(table)))
    grown = find_optimum(hard, 1e-3, Space())
    monkeypatch.setattr(search, "START_COUNTS", START_COUNTS[:1])
    first = find_optimum(hard, 1e-3, Space())
    assert first.check.agreeing_share < 0.5 < START_COUNTS[0] < grown.check.n_starts
    assert grown.value <= first.value


def test_stages_lead_towards_the_smallest_delta() -> None:
    assert search._stages(1e-3) == [1e-2]
    assert search._stages(1e-6) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])
    assert search._stages(np.inf) == [np.inf]


def test_approach_ends_near_the_optimum_and_finish_at_it() -> None:
    start = np.array([[0.5, 0.5, 0.3, 0.5, 0.5]])
    near = approach(RUNS, start, 1e-3, Space())
    end = finish(RUNS, near, 1e-3, Space())
    best = find_optimum(RUNS, 1e-3, Space())
    assert end.value[0] == pytest.approx(best.value, rel=1e-9)
    evaluate = HuberSum(RUNS, 1e-3)
    values = [float(evaluate(point, np.arange(1))[0][0]) for point in (start, near)]
    assert best.value <= values[1] < 1.5 * best.value < values[0]
