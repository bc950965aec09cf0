"""Contours between valleys against a known law, whose contours are exact."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.iso_loss import LossContour, loss_contours
from chinchilla_lib.fitting.serving import training_overhead
from chinchilla_lib.fitting.serving_curve import serving_curve
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

BUDGETS = [1e18, 3e18, 1e19, 3e19]
CONTOURS = loss_contours(simulate_isoflop_sweep(PUBLISHED, BUDGETS))


def test_one_contour_for_each_valley_and_the_next() -> None:
    assert [contour.flops for contour in CONTOURS] == [(1e18, 3e18), (3e18, 1e19), (1e19, 3e19)]
    for contour, flops in zip(CONTOURS, BUDGETS, strict=False):
        best = PUBLISHED.loss(PUBLISHED.n_opt(flops), PUBLISHED.d_opt(flops))
        assert contour.loss == pytest.approx(best, rel=1e-3)
        assert (np.diff(contour.n_params) > 0).all() and (np.diff(contour.n_tokens) < 0).all()
        cost = 6 * contour.n_params * contour.n_tokens
        assert cost[contour.unserved] == pytest.approx(flops, rel=2e-3)


@pytest.mark.parametrize("contour", CONTOURS, ids=lambda contour: f"{contour.flops[0]:.0e}")
def test_models_of_a_contour_have_its_loss(contour: LossContour) -> None:
    """To what a parabola misses of a valley's shape, some sixth of a per cent within half a decade."""
    loss = PUBLISHED.loss(contour.n_params, contour.n_tokens)
    np.testing.assert_allclose(loss, contour.loss, rtol=2e-3)


@pytest.mark.parametrize("contour", CONTOURS, ids=lambda contour: f"{contour.flops[0]:.0e}")
def test_smaller_models_cost_what_the_law_says(contour: LossContour) -> None:
    for factor in (0.75, 1.5, 2.5):
        cost = contour.overhead(factor)
        assert cost is not None
        assert cost == pytest.approx(training_overhead(PUBLISHED, factor), rel=0.15)
    assert contour.overhead(1) == pytest.approx(0, abs=1e-9)
    assert contour.overhead(0.1) is None


@pytest.mark.parametrize("contour", CONTOURS, ids=lambda contour: f"{contour.flops[0]:.0e}")
def test_serving_moves_the_best_size_as_the_law_says(contour: LossContour) -> None:
    for share in (0.1, 0.5, 2.0):
        best = contour.cheapest(share)
        assert best is not None
        flops = contour.flops[0]
        curve = serving_curve(PUBLISHED, flops, [share * PUBLISHED.d_opt(flops)])
        found = contour.n_params[best] / contour.n_params[contour.unserved]
        assert found == pytest.approx(curve.size_factor[0], abs=0.02)
    assert contour.cheapest(0) == contour.unserved
    assert contour.cheapest(1e3) is None


def test_levels_that_no_additive_law_has_are_followed() -> None:
    """A frontier twice as steep halves what a smaller model costs more, to first order."""
    runs = simulate_isoflop_sweep(PUBLISHED, [1e18, 3e18])
    (plain,) = loss_contours(runs)
    gain = plain.loss - loss_contours(simulate_isoflop_sweep(PUBLISHED, [3e18, 1e19]))[0].loss
    steep = replace(runs, loss=runs.loss - gain * (runs.flops_budget == 3e18))
    (contour,) = loss_contours(steep)
    for factor in (0.8, 1.25):
        cheap, dear = contour.overhead(factor), plain.overhead(factor)
        assert cheap is not None and dear is not None
        assert math.log1p(cheap) == pytest.approx(math.log1p(dear) / 2, rel=0.1)


def test_a_loss_that_does_not_fall_is_refused() -> None:
    rising = simulate_isoflop_sweep(PUBLISHED, [1e18, 3e18])
    rising = replace(rising, loss=rising.loss + (rising.flops_budget == 3e18))
    with pytest.raises(InputError, match=r"the loss does not fall from 1e18 FLOPs, 3\.\d+, to 3e18, 4\.\d+"):
        loss_contours(rising)
    floor = ParametricLoss(E=3.0, A=1.0, B=1.0, alpha=0.3, beta=0.3)
    with pytest.raises(InputError):
        loss_contours(simulate_isoflop_sweep(floor, [1e18]))


def test_numbers_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="size_factor must be above 0, found 0"):
        CONTOURS[0].overhead(0)
    with pytest.raises(InputError, match="served_over_tokens must be 0 or above, found -1"):
        CONTOURS[0].cheapest(-1)
