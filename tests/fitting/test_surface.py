"""The engine for any form: the optimum of Approach 3 found without its search, bounds, refusals."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.objective import huber
from chinchilla_lib.fitting.surface import LogSurface, fit_surface, grid_of_starts, refit_surface
from chinchilla_lib.reference import load_published

FloatArray = npt.NDArray[np.float64]

LOWER, UPPER = np.array([-30.0, -30, -30, 1e-3, 1e-3]), np.array([30.0, 30, 5, 10, 10])


def additive(x: FloatArray, y: FloatArray) -> LogSurface:
    """Approach 3's surface; x and y are centred."""

    def log_surface(params: FloatArray) -> FloatArray:
        a, b, e, alpha, beta = (column[:, None] for column in params.T)
        return np.log(np.exp(a - alpha * x) + np.exp(b - beta * y) + np.exp(e))

    return log_surface


STARTS = grid_of_starts(
    np.array([-3.0, -1]),
    np.array([-3.0, -1]),
    np.array([0.0, 0.7]),
    np.array([0.2, 0.6]),
    np.array([0.2, 0.6]),
)


def test_it_reaches_the_known_optimum_of_the_published_points(published_folder: Path) -> None:
    table = load_published("epoch_fig4", folder=published_folder)
    x, y = np.log(table.n_params), np.log(table.n_tokens)
    found = fit_surface(
        additive(x - x.mean(), y - y.mean()), np.log(table.loss), STARTS, lower=LOWER, upper=UPPER
    )
    assert found.value == pytest.approx(1.0182740178006e-3, rel=1e-10)
    assert found.params[3:] == pytest.approx([0.34731050, 0.36717243], abs=1e-7)
    assert found.check.passed
    assert found.check.agreeing_share > 0.5


@pytest.mark.parametrize("delta", [1e-4, 1e-3, 0.1, math.inf])
def test_exact_losses_give_their_surface_back(delta: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-2, 2, (2, 40))
    surface, truth = additive(x, y), np.array([[-1.5, -1.0, 0.5, 0.3, 0.4]])
    found = fit_surface(surface, surface(truth)[0], STARTS, lower=LOWER, upper=UPPER, delta=delta)
    assert found.params == pytest.approx(truth[0], abs=1e-5)
    assert found.value < 1e-12


def test_bounds_hold_and_what_leaves_a_double_is_no_start() -> None:
    x = np.linspace(-1, 1, 9)

    def line(params: FloatArray) -> FloatArray:
        return params[:, :1] + np.exp(params[:, 1:]) * x

    starts = np.array([[0.0, 0.0], [0.0, 800.0]])
    found = fit_surface(
        line, 1 + 2 * x, starts, lower=np.array([-5.0, -5]), upper=np.array([5.0, 800]), delta=math.inf
    )
    assert found.params == pytest.approx([1, math.log(2)], abs=1e-8)
    found = fit_surface(line, 1 + 2 * x, starts, lower=np.array([-5.0, -5]), upper=np.array([5.0, 0.5]))
    assert found.params[1] == 0.5
    assert found.check.relative_gradient < 1e-6


def test_the_grid_has_all_combinations() -> None:
    grid = grid_of_starts(np.array([1.0, 2]), np.array([3.0, 4, 5]))
    assert sorted(map(tuple, grid.tolist())) == [(a, b) for a in (1, 2) for b in (3, 4, 5)]


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan])
def test_delta_is_above_0(delta: float) -> None:
    with pytest.raises(InputError, match="delta must be above 0"):
        fit_surface(
            lambda p: p, np.zeros(1), np.zeros((1, 1)), lower=-np.ones(1), upper=np.ones(1), delta=delta
        )


def test_a_refit_is_the_fit_of_the_runs_written_out() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-2, 2, (2, 40))
    truth = np.array([[-1.5, -1.0, 0.5, 0.3, 0.4]])
    log_loss = additive(x, y)(truth)[0] + 0.002 * rng.standard_normal(40)
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=5)
    surface = additive(x, y)
    params, predicted = refit_surface(surface, log_loss, truth[0], counts, lower=LOWER, upper=UPPER)
    assert (predicted < 1e-3).all()
    for row, times in zip(params, counts, strict=True):
        again = np.repeat(np.arange(40), times)
        alone = fit_surface(additive(x[again], y[again]), log_loss[again], STARTS, lower=LOWER, upper=UPPER)
        value = huber(surface(row[None])[0][again] - log_loss[again], 1e-3).sum()
        assert alone.value * (1 - 1e-9) <= value <= alone.value * 1.001
        # Resamples of so few runs scatter by about 0.01 in the exponents.
        np.testing.assert_allclose(row[3:], alone.params[3:], atol=2e-3)
