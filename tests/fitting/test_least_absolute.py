"""Corners: what they fit exactly, and when one is an optimum."""

import numpy as np
import pytest
from scipy.optimize import linprog

from chinchilla_lib.fitting.least_absolute import SMOOTH, find_corner
from chinchilla_lib.fitting.objective import Runs, log_gradients, log_residuals
from chinchilla_lib.fitting.search import Space, find_optimum
from tests.fitting.test_parametric import NOISY

RUNS = Runs.from_table(NOISY, np.arange(len(NOISY)))
SMOOTHED = find_optimum(RUNS, SMOOTH, Space()).params


@pytest.mark.parametrize("space", [Space(), Space(tied=True), Space(floor=1.6), Space(tied=True, floor=1.6)])
def test_as_many_runs_are_fitted_exactly_as_parameters_are_free(space: Space) -> None:
    smoothed = find_optimum(RUNS, SMOOTH, space).params
    corner = find_corner(RUNS, smoothed, space.basis)
    assert corner is not None
    residuals = np.sort(np.abs(log_residuals(RUNS, corner.params[None])[0]))
    assert (residuals[: space.n_free] < 1e-12).all() and residuals[space.n_free] > 1e-9
    assert corner.unbalanced < 1e-9 and corner.left < 1e-11
    assert np.abs(residuals).sum() <= np.abs(log_residuals(RUNS, smoothed[None])).sum()


def test_another_corner_is_told_to_be_no_optimum() -> None:
    """Its weights leave what a linear programme of the first order can still gain."""
    corner = find_corner(RUNS, SMOOTHED + np.array([0.05, -0.05, 0.05, 0.0, 0.0]), Space().basis)
    assert corner is not None
    residuals, slopes = (
        log_residuals(RUNS, corner.params[None])[0],
        log_gradients(RUNS, corner.params[None])[0],
    )
    n, eye = len(residuals), np.eye(len(residuals))
    gain = (
        np.abs(residuals).sum()
        - linprog(
            np.concatenate([np.zeros(5), np.ones(n)]),
            A_ub=np.block([[slopes, -eye], [-slopes, -eye]]),
            b_ub=np.concatenate([-residuals, residuals]),
            bounds=[(-1e-4, 1e-4)] * 5 + [(0, None)] * n,
        ).fun
    )
    assert gain > 1e-6
    assert corner.unbalanced > 1e-3


def test_runs_that_determine_nothing_have_no_corner() -> None:
    """Five runs of one size and one length are one equation."""
    same = Runs(np.zeros(5), np.zeros(5), np.log(np.linspace(3.0, 3.1, 5)), (18.0, 22.0))
    assert find_corner(same, np.array([-0.5, -0.5, 0.5, 0.3, 0.3]), Space().basis) is None
