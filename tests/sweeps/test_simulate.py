"""Simulated sweeps follow their law, their design and their seed."""

from typing import Any

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.simulate import (
    simulate_curves,
    simulate_isoflop_sweep,
    simulate_run,
    simulate_table,
)
from chinchilla_lib.sweeps.tiers import TIERS
from tests.test_laws import PUBLISHED


def test_without_noise_the_losses_are_the_laws() -> None:
    table = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19], n_sizes=5, decades=0.7)
    np.testing.assert_array_equal(table.loss, PUBLISHED.loss(table.n_params, table.n_tokens))
    assert table.flops_budget is not None
    np.testing.assert_allclose(table.flops, table.flops_budget, rtol=1e-12)
    assert table.source.startswith("simulated")
    assert table.flops_convention == "six_nd"
    assert [len(valley.index) for valley in table.valleys()] == [5, 5]
    for valley in table.valleys():
        ratio = table.n_params[valley.index] / PUBLISHED.n_opt(valley.flops)
        np.testing.assert_allclose(np.log10(ratio), np.linspace(-0.7, 0.7, 5), atol=1e-12)


def test_noise_has_the_stated_size_and_repeats() -> None:
    sizes = np.full(4000, 1e9)
    noisy = simulate_table(PUBLISHED, sizes, 2e10, noise=0.01, seed=7)
    relative = np.log(noisy.loss / PUBLISHED.loss(1e9, 2e10))
    # 4,000 normal values: the standard deviation is known to 1.1 %, the mean to 0.00016.
    assert relative.std() == pytest.approx(0.01, rel=0.05)
    assert abs(relative.mean()) < 0.0007
    again = simulate_table(PUBLISHED, sizes, 2e10, noise=0.01, seed=7)
    np.testing.assert_array_equal(noisy.loss, again.loss)
    other = simulate_table(PUBLISHED, sizes, 2e10, noise=0.01, seed=8)
    assert (noisy.loss != other.loss).all()


def relative_noise(model: str, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.repeat(np.geomspace(1e7, 1e11, 5), 20_000)
    table = simulate_table(PUBLISHED, sizes, 20 * sizes, noise=0.01, noise_model=model, seed=seed)
    assert table.source == f"simulated (noise 0.01 {model}, seed {seed})"
    return np.log(table.loss / PUBLISHED.loss(sizes, 20 * sizes)).reshape(5, -1), table.flops


def test_t3_has_the_same_deviation_and_heavier_tails() -> None:
    noise, _ = relative_noise("t3")
    # Its deviation is known from quantiles alone: the fourth moment of t3 does not exist.
    low, high = np.quantile(noise, [0.05, 0.95])
    assert high == pytest.approx(0.01 * 2.35336 / np.sqrt(3), rel=0.02)
    assert low == pytest.approx(-high, rel=0.03)
    assert np.mean(np.abs(noise) > 0.04) == pytest.approx(0.00616, rel=0.15)  # normal: 0.00006


def test_heteroscedastic_noise_falls_with_compute_by_the_stated_rule() -> None:
    noise, flops = relative_noise("heteroscedastic")
    # Eight decades of FLOPs: two orders of the deviation, and the stated one in the middle.
    np.testing.assert_allclose(noise.std(axis=1), [0.1, 0.1**1.5, 0.01, 0.01 * 0.1**0.5, 0.001], rtol=0.02)
    assert flops[-1] / flops[0] == pytest.approx(1e8)


def test_gaussian_noise_is_the_default() -> None:
    named = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19], noise=0.01, noise_model="gaussian", seed=5)
    plain = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19], noise=0.01, seed=5)
    np.testing.assert_array_equal(named.loss, plain.loss)
    assert named.source == plain.source


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"noise_model": "cauchy"}, "noise_model is 'cauchy'; give one of gaussian, t3, heteroscedastic"),
        ({"noise": -0.1}, "noise must be"),
        ({"noise": float("nan")}, "noise must be"),
        ({"seed": -1}, "seed must be"),
        ({"n_sizes": 1}, "n_sizes must be"),
        ({"decades": 0.0}, "decades must be"),
    ],
)
def test_refusals(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        simulate_isoflop_sweep(PUBLISHED, [1e18], **options)


def test_a_simulated_run_follows_the_law_and_depends_on_config_and_seed_alone() -> None:
    configs = plan_isoflop_sweep(TIERS["ci"], corpus="none", seeds=range(40)).configs
    for config in configs[::200]:
        exact = simulate_run(config, PUBLISHED)
        size = float(count_params(config.shape).total)
        assert exact.loss == PUBLISHED.loss(size, config.n_tokens)
        assert exact.curve.step[-1] == config.n_steps and exact.curve.train_loss[-1] == exact.loss
        assert list(exact.curve.train_loss) == sorted(exact.curve.train_loss, reverse=True)
        assert RunRecord.from_dict(exact.to_dict()) == exact
    noise = [simulate_run(c, PUBLISHED, noise=0.01).loss / simulate_run(c, PUBLISHED).loss for c in configs]
    # 720 normal values: their standard deviation is known to 2.6 %.
    assert np.log(noise).std() == pytest.approx(0.01, rel=0.1)
    again = simulate_run(configs[0], PUBLISHED, noise=0.01)
    assert again == simulate_run(configs[0], PUBLISHED, noise=0.01)
    assert again.loss != simulate_run(configs[0], PUBLISHED, noise=0.01, seed=1).loss
    with pytest.raises(InputError, match="noise must be"):
        simulate_run(configs[0], PUBLISHED, noise=-1)


def test_simulated_curves_follow_the_law_on_the_way_and_end_at_the_tables_losses() -> None:
    table = simulate_table(PUBLISHED, [1e8, 2e8], [2e9, 3e9], noise=0.01, seed=1)
    curves = simulate_curves(PUBLISHED, table, n_points=40)
    np.testing.assert_array_equal(curves.find_in(table), [0, 1])
    np.testing.assert_allclose(curves.loss[curves.last], table.loss, rtol=1e-14)
    np.testing.assert_allclose(curves.flops[curves.last], table.flops, rtol=1e-14)
    own = table.loss / PUBLISHED.loss(table.n_params, table.n_tokens)
    for run in (0, 1):
        points = slice(40 * run, 40 * (run + 1))
        law = PUBLISHED.loss(table.n_params[run], curves.n_tokens[points])
        np.testing.assert_allclose(curves.loss[points], law * own[run], rtol=1e-14)
    late = simulate_curves(PUBLISHED, table, n_points=40, excess=0.2)
    above = (late.loss - curves.loss).reshape(2, 40)
    np.testing.assert_allclose(above[:, [19, 39]], [[0.1, 0], [0.1, 0]], atol=1e-12)
    assert (np.diff(above) < 0).all()
    noisy = [simulate_curves(PUBLISHED, table, n_points=5000, noise=0.01, seed=s).loss for s in (1, 1, 2)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != noisy[2]).all()
    plain = simulate_curves(PUBLISHED, table, n_points=5000).loss
    # 10,000 normal values: their standard deviation is known to 0.7 %.
    assert np.log(noisy[0] / plain).std() == pytest.approx(0.01, rel=0.04)
    for options in ({"n_points": 1}, {"excess": -0.1}, {"noise": float("nan")}, {"seed": -1}):
        with pytest.raises(InputError, match="must be"):
            simulate_curves(PUBLISHED, table, **options)  # type: ignore[arg-type]
