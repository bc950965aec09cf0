"""Smoothing of curves: lines stay, an even stretch is a Gaussian mean, runs do not mix."""

import dataclasses

import numpy as np

from chinchilla_lib.fitting.smoothing import smooth_curves
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_table
from tests.test_laws import PUBLISHED

TABLE = simulate_table(PUBLISHED, [1e8, 2e8], [2e9, 3e9])
CURVES = simulate_curves(PUBLISHED, TABLE, n_points=30, noise=0.01, seed=1)


def test_lines_stay_lines_up_to_both_ends() -> None:
    straight = dataclasses.replace(CURVES, loss=5 - 0.1 * CURVES.step)
    np.testing.assert_allclose(smooth_curves(straight, 10), straight.loss, rtol=1e-12)


def test_inside_an_even_curve_it_is_the_gaussian_mean() -> None:
    smooth = smooth_curves(CURVES, 10)
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 2.5) ** 2)
    for place in (5, 15, 24, 35, 50):
        near = CURVES.loss[place - 5 : place + 6]
        assert np.isclose(smooth[place], weights @ near / weights.sum(), rtol=1e-12)


def test_each_run_is_smoothed_on_its_own() -> None:
    other = CURVES.loss.copy()
    other[30:] += 1
    changed = smooth_curves(dataclasses.replace(CURVES, loss=other), 10)
    np.testing.assert_allclose(changed[:30], smooth_curves(CURVES, 10)[:30], rtol=1e-14)


def test_points_further_apart_than_the_window_stay() -> None:
    thinned = dataclasses.replace(CURVES, step=CURVES.step * 6)
    np.testing.assert_array_equal(smooth_curves(thinned, 10), CURVES.loss)
    np.testing.assert_array_equal(smooth_curves(CURVES, 0), CURVES.loss)


def test_noise_falls_by_the_weights() -> None:
    """A weighted mean's standard deviation is that of a point times the root of the sum of squares."""
    flat = dataclasses.replace(
        simulate_curves(PUBLISHED, TABLE, n_points=20_000),
        loss=np.random.default_rng(0).normal(5, 0.1, 40_000),
    )
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 2.5) ** 2)
    expected = 0.1 * np.sqrt((weights**2).sum()) / weights.sum()
    # Neighbours share points, so about 40,000 / 5 values are independent: 0.8 %, five errors are 4 %.
    assert abs(smooth_curves(flat, 10).std() / expected - 1) < 0.04
