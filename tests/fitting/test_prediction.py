"""Predictions of new runs: what their two intervals cover."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import PARAMETRIC, bootstrap_fit, fit_isoflop_profiles, fit_parametric
from chinchilla_lib.fitting.prediction import predict_run
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

TRUTH = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
NOISE = 0.01
TABLE = simulate_isoflop_sweep(TRUTH, [1e18, 1e19, 1e20, 1e21], noise=NOISE, seed=1)
FIT = bootstrap_fit(PARAMETRIC, TABLE, n_draws=1000, seed=0)


def test_inside_the_design_a_new_run_is_as_uncertain_as_its_noise() -> None:
    """The law is known there to a fifth of the noise, so 90 % of new runs lie within 1.645 sd, about."""
    prediction = predict_run(FIT, 3e8, 1e10)
    assert prediction.law_interval is not None
    assert prediction.run_interval is not None
    law, run = (np.log(high / low) for low, high in (prediction.law_interval, prediction.run_interval))
    assert law < 0.5 * run
    assert run == pytest.approx(2 * 1.645 * NOISE, rel=0.35)
    assert prediction.law_interval[0] < TRUTH.loss(3e8, 1e10) < prediction.law_interval[1]


def test_the_noise_is_drawn_from_the_seed() -> None:
    assert predict_run(FIT, 3e8, 1e10, seed=4) == predict_run(FIT, 3e8, 1e10, seed=4)
    assert predict_run(FIT, 3e8, 1e10, seed=4) != predict_run(FIT, 3e8, 1e10, seed=5)


def test_levels_are_nested() -> None:
    wide, narrow = (predict_run(FIT, 3e8, 1e10, level=level).run_interval for level in (0.95, 0.5))
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_without_draws_there_is_a_loss_alone() -> None:
    prediction = predict_run(fit_parametric(TABLE), 3e8, 1e10)
    assert prediction.run_interval is None
    assert str(prediction) == f"loss {prediction.loss:.4f}"


def test_the_text_has_both_intervals() -> None:
    assert "new run" in str(predict_run(FIT, 3e8, 1e10))


def test_what_is_not_allowed_is_named() -> None:
    with pytest.raises(InputError, match="method isoflop gives no law"):
        predict_run(fit_isoflop_profiles(TABLE), 3e8, 1e10)
    with pytest.raises(InputError, match=r"level must lie between 0 and 1, found 1\.0"):
        predict_run(FIT, 3e8, 1e10, level=1.0)
    with pytest.raises(InputError, match="seed must be a whole number, 0 or above, found -1"):
        predict_run(FIT, 3e8, 1e10, seed=-1)
    with pytest.raises(InputError, match="n_params must be finite and above 0"):
        predict_run(FIT, 0.0, 1e10)
