"""The curve of one valley, against what it is the closed form of."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.fitting.valley import fit_valley
from chinchilla_lib.fitting.valley_shape import ProfileFit, fit_tokens, log_minimum
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.fitting.test_isoflop import rebuilt
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20])
VALLEY = fit_valley(TABLE).diagnostics.valleys[1]


@given(alpha=st.floats(0.1, 1), beta=st.floats(0.1, 1), g=st.floats(0.5, 2), log_k=st.floats(30, 45))
def test_nothing_nearby_is_lower_than_the_minimum(alpha: float, beta: float, g: float, log_k: float) -> None:
    log_a, log_b = alpha * math.log(1e8), beta * math.log(1e9)

    def height(log_n: float) -> float:
        return math.exp(log_a - alpha * log_n) + math.exp(log_b - beta * (log_k - g * log_n))

    at = float(log_minimum(*np.array([[log_a], [log_b], [alpha], [beta]]), log_k, g)[0])
    low = height(at)
    assert low < height(at - 0.01) and low < height(at + 0.01)


def test_under_six_nd_the_minimum_is_equation_4() -> None:
    logs = np.array([[math.log(PUBLISHED.A)], [math.log(PUBLISHED.B)], [PUBLISHED.alpha], [PUBLISHED.beta]])
    at = float(log_minimum(*logs, math.log(1e19 / 6), 1.0)[0])
    assert math.exp(at) == pytest.approx(PUBLISHED.n_opt(1e19), rel=1e-12)


def test_tokens_are_a_line_in_the_logarithms() -> None:
    table = rebuilt(TABLE, n_tokens=3e14 * TABLE.n_params**-0.8)
    log_k, g = fit_tokens(table, np.arange(9))
    assert (math.exp(log_k), g) == (pytest.approx(3e14, rel=1e-9), pytest.approx(0.8, rel=1e-9))


def test_the_curvature_is_that_of_the_curve() -> None:
    assert isinstance(VALLEY, ProfileFit)
    step = 1e-3
    around = VALLEY.predict(np.exp(VALLEY.center + step * np.array([-1.0, 0.0, 1.0])))
    assert VALLEY.curvature == pytest.approx((around[0] - 2 * around[1] + around[2]) / step**2, rel=1e-4)


def test_the_level_lifts_the_curve_and_nothing_else() -> None:
    assert isinstance(VALLEY, ProfileFit)
    sizes = np.exp(VALLEY.center) * np.array([0.5, 1.0, 2.0])
    lifted = replace(VALLEY, level=VALLEY.level + 1)
    np.testing.assert_allclose(lifted.predict(sizes), VALLEY.predict(sizes) + 1, rtol=1e-12)
    assert lifted.curvature == VALLEY.curvature
    assert lifted.to_dict()["level"] == VALLEY.level + 1
