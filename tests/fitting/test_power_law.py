"""Power laws in log-log coordinates: exact on exact data, least squares otherwise, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.power_law import fit_log_lines, fit_power_law, fit_weighted_log_lines
from chinchilla_lib.laws import PowerLaw


@given(st.floats(1e-3, 1e3), st.floats(-2, 2), st.integers(2, 9))
def test_an_exact_law_is_recovered(coefficient: float, exponent: float, n_points: int) -> None:
    x = np.geomspace(1e18, 1e22, n_points)
    law = fit_power_law(x, PowerLaw(coefficient, exponent).predict(x))
    assert law.exponent == pytest.approx(exponent, abs=1e-10)
    assert law.coefficient == pytest.approx(coefficient, rel=1e-8)


def test_many_rows_are_polyfit_one_by_one() -> None:
    rng = np.random.default_rng(1)
    log_x, log_y = np.array([41.0, 43.5, 44.0, 48.0]), rng.normal(20, 1, (50, 4))
    intercept, slope = fit_log_lines(log_x, log_y)
    for row, line in enumerate(log_y):
        expected = np.polyfit(log_x, line, 1)
        np.testing.assert_allclose([slope[row], intercept[row]], expected, rtol=1e-9)


def test_weighted_rows_are_polyfit_one_by_one() -> None:
    rng = np.random.default_rng(2)
    log_x, log_y = np.linspace(41.0, 48.0, 6), rng.normal(20, 1, (50, 6))
    weights = rng.uniform(0.1, 2, (50, 6)) * (np.arange(6) != 2)
    intercept, slope = fit_weighted_log_lines(log_x, log_y, weights)
    for row, line in enumerate(log_y):
        expected = np.polyfit(log_x, line, 1, w=np.sqrt(weights[row]))
        np.testing.assert_allclose([slope[row], intercept[row]], expected, rtol=1e-9)
    lone = np.zeros((1, 6))
    assert fit_weighted_log_lines(log_x, log_y[:1], lone)[1][0] == 0


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([1e18], [1e9], "two different x"),
        ([1e18, 1e18], [1e9, 2e9], "two different x"),
        ([1e18, 1e19], [1e9, 0], "y must be finite and above 0"),
        ([1e18, np.inf], [1e9, 1e9], "x must be finite and above 0"),
        ([1e18, 1e19], [1e9], "equal length"),
        ([1e18, 1.001e18], [1e9, 1e11], "outside the range of a double"),
    ],
)
def test_refusals(x: list[float], y: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        fit_power_law(x, y)
