"""The delta method: slopes against differences, and the noncentral t against scipy's."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import nct
from scipy.stats import t as student

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.power_theory import METHODS, Analysis, check_method, n_fitted
from tests.fitting.test_power import DESIGN, LAW


def prepared(method: str) -> Analysis:
    return Analysis.prepare(DESIGN, LAW, method, 0.002)


@pytest.mark.parametrize("method", METHODS)
def test_the_pull_of_a_loss_is_its_difference(method: str) -> None:
    analysis = prepared(method)
    loss, step = analysis.table.loss, 1e-4  # far below a fit that starts at the truth need not move
    (pull,) = analysis.estimate(loss[None]).pull
    moved = analysis.estimate(loss + step * np.eye(len(loss))).a
    back = analysis.estimate(loss - step * np.eye(len(loss))).a
    np.testing.assert_allclose((moved - back) / (2 * step), pull, atol=1e-3 * np.abs(pull).max())


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_all_runs_share_pulls_nothing(method: str) -> None:
    """Every budget has a level of its own; residuals are what the numbers fitted leave over."""
    analysis = prepared(method)
    found = analysis.estimate(analysis.table.loss[None])
    valleys = np.split(found.pull[0], analysis.first[1:])
    np.testing.assert_allclose([pull.sum() for pull in valleys], 0, atol=1e-9 * np.abs(found.pull).max())
    assert analysis.n_free == n_fitted(method, 5) == {"isoflop": 15, "valley": 9}[method]
    assert analysis.freedom(3) == 3 * 35 - analysis.n_free


def test_the_power_is_a_tail_of_the_noncentral_t() -> None:
    """For a curve that the runs follow without noise; the cubature is good to four places."""
    analysis = replace(prepared("valley"), misfit=0.0)
    freedom, se = analysis.freedom(2), analysis.se / np.sqrt(2)
    for distance in (0.0, 1.0, 2.5, 5.0):
        bound = student.ppf(0.95, freedom)
        expected = nct.sf(bound, freedom, distance) + nct.cdf(-bound, freedom, distance)
        assert analysis.power(distance * se, 2, 0.9) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n_seeds", [1, 4])
def test_what_is_detectable_has_the_power(n_seeds: int) -> None:
    for method in METHODS:
        analysis = prepared(method)
        difference = analysis.detectable(n_seeds, 0.9, 0.8)
        assert analysis.power(difference, n_seeds, 0.9) == pytest.approx(0.8, abs=1e-6)


def test_another_method_is_refused() -> None:
    with pytest.raises(InputError, match="method is 'envelope'; give one of isoflop, valley"):
        check_method("envelope")
