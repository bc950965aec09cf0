"""Repeated data: published losses, allocation and fit; laws recovered from their own runs; refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.data_constrained import allocate_data_constrained, fit_data_constrained
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.reference.laws import MUENNIGHOFF
from chinchilla_lib.sweeps.simulate import simulate_table
from chinchilla_lib.sweeps.table import SweepTable

TRUTH = RepeatedDataLoss(ParametricLoss(E=1.8, A=480, B=2000, alpha=0.35, beta=0.37), r_d=12, r_n=4)


def repeated_runs(law: RepeatedDataLoss, *, noise: float = 0.0) -> tuple[SweepTable, np.ndarray]:
    """Runs of 1 to 40 epochs, some with far more parameters than their data are worth."""
    rng = np.random.default_rng(3)
    sizes, tokens = 10 ** rng.uniform(7, 10, 120), 10 ** rng.uniform(8.5, 11.5, 120)
    unique = tokens / np.maximum(1, 10 ** rng.uniform(-0.5, 1.6, 120))
    table = simulate_table(law.law, sizes, tokens)
    loss = law.loss(sizes, tokens, unique) * np.exp(noise * rng.standard_normal(120))
    return replace(table, loss=loss), unique


def test_the_published_losses_of_figure_1() -> None:
    """Of the repository's README: 2.2256440889984477, which is better, and 2.2269634075087867."""
    assert MUENNIGHOFF.loss(6.34e9, 242e9, 25e9) == pytest.approx(2.2256440889984477, abs=1e-9)
    assert MUENNIGHOFF.loss(8.67e9, 178e9, 25e9) == pytest.approx(2.2269634075087867, abs=1e-9)


def test_the_published_allocation() -> None:
    """The README's grid (steps of 0.4 %) ends at 237336955477.55 tokens, 9.4935 epochs, 7022364735.88."""
    found = allocate_data_constrained(MUENNIGHOFF, 1e22, 25e9)
    assert found.n_tokens == pytest.approx(237336955477.55, rel=0.004)
    assert found.epochs == pytest.approx(9.4935, rel=0.004)
    assert found.n_params == pytest.approx(7022364735.88, rel=0.004)
    assert found.loss <= MUENNIGHOFF.loss(7022364735.88, 237336955477.55, 25e9) + 1e-12
    assert found.fresh_loss < found.loss
    assert "(9.49 epochs)" in str(found)


@pytest.mark.parametrize("r_n", [math.inf, 4.0, None])
@pytest.mark.parametrize("joint", [False, True])
def test_a_law_comes_back_from_its_own_runs(r_n: float | None, joint: bool) -> None:
    truth = replace(TRUTH, r_n=4.0 if r_n is None else r_n)
    table, unique = repeated_runs(truth)
    fit = fit_data_constrained(table, unique, law=None if joint else truth.law, r_n=r_n)
    assert fit.law.r_d == pytest.approx(truth.r_d, rel=1e-3)
    assert fit.law.r_n == pytest.approx(truth.r_n, rel=1e-3)
    assert fit.law.law.alpha == pytest.approx(truth.law.alpha, rel=1e-3)
    assert np.abs(fit.residuals).max() < 1e-4
    assert fit.fitted == ("r_d", *(("r_n",) * (r_n is None)), *(("E", "A", "B", "alpha", "beta") * joint))


def test_noise_moves_the_fit_little() -> None:
    table, unique = repeated_runs(TRUTH, noise=0.002)
    fit = fit_data_constrained(table, unique, r_n=None)
    assert fit.law.r_d == pytest.approx(TRUTH.r_d, rel=0.2)
    assert fit.law.loss(1e9, 2e10, 5e9) == pytest.approx(TRUTH.loss(1e9, 2e10, 5e9), rel=2e-3)
    np.testing.assert_allclose(
        fit.residuals, table.loss - fit.law.loss(table.n_params, table.n_tokens, unique), rtol=1e-6, atol=1e-9
    )


def test_runs_that_show_no_decay_say_so() -> None:
    table, unique = repeated_runs(replace(TRUTH, r_d=math.inf, r_n=math.inf))
    fit = fit_data_constrained(table, unique, law=TRUTH.law)
    assert any(message.startswith("r_d came out at the end of its range") for message in fit.messages)
    assert "note: r_d came out" in str(fit)


def test_enough_data_give_chinchillas_optimum() -> None:
    law = replace(MUENNIGHOFF, r_n=math.inf)
    found = allocate_data_constrained(law, 1e21, 1e13)
    assert found.n_params == pytest.approx(found.fresh_n_params, rel=1e-3)
    assert found.loss == pytest.approx(found.fresh_loss, rel=1e-9)


def test_fewer_unique_tokens_cost_loss_and_many_epochs_use_fewer_parameters() -> None:
    found = [allocate_data_constrained(MUENNIGHOFF, 1e22, unique) for unique in (1e12, 1e11, 2.5e10, 5e9)]
    assert sorted(found, key=lambda one: one.loss) == found
    assert sorted(found, key=lambda one: one.epochs) == found
    assert found[-1].n_params < found[-1].fresh_n_params
    for one in found:
        assert 6 * one.n_params * one.n_tokens == pytest.approx(1e22, rel=1e-12)
        for factor in (0.9, 1.1):
            assert (
                MUENNIGHOFF.loss(one.n_params * factor, one.n_tokens / factor, one.unique_tokens) > one.loss
            )


def test_what_is_not_allowed_is_named() -> None:
    table, unique = repeated_runs(TRUTH)
    with pytest.raises(InputError, match="no run repeats its tokens"):
        fit_data_constrained(table, table.n_tokens)
    with pytest.raises(InputError, match=r"unique_tokens has the shape \(1,\), but there are 120 runs"):
        fit_data_constrained(table, [1e9])
    with pytest.raises(InputError, match=r"unique_tokens must be finite and above 0, found 0\.0 for run"):
        fit_data_constrained(table, np.zeros(120))
    with pytest.raises(InputError, match="r_n must be above 0 or None, found 0"):
        fit_data_constrained(table, unique, r_n=0)
    with pytest.raises(InputError, match="delta must be above 0"):
        fit_data_constrained(table, unique, delta=0)
    with pytest.raises(InputError, match="2 runs for 2 free parameters"):
        fit_data_constrained(table.take([0, 1]), unique[:2] / 2, law=TRUTH.law, r_n=None)
    with pytest.raises(InputError, match="unique_tokens must be finite and above 0, found -1"):
        allocate_data_constrained(TRUTH, 1e21, -1)
