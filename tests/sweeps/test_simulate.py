"""Simulated sweeps follow their law, their design and their seed."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep, simulate_table
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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"noise": -0.1}, "noise must be"),
        ({"noise": float("nan")}, "noise must be"),
        ({"seed": -1}, "seed must be"),
        ({"n_sizes": 1}, "n_sizes must be"),
        ({"decades": 0.0}, "decades must be"),
    ],
)
def test_refusals(options: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        simulate_isoflop_sweep(PUBLISHED, [1e18], **options)
