"""Profiles around the optima of a law, and the law with another exponent."""

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.planned_profiles import law_with_exponent, plan_profiles
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.test_laws import PUBLISHED

LAW = law_with_exponent(PUBLISHED, 0.46, 1e19)
DESIGN = plan_profiles(LAW, n_budgets=5, n_sizes=7, decades=2.0)


@pytest.mark.parametrize("a", [0.3, 0.46, 0.5, 0.73])
def test_a_law_with_another_exponent_keeps_the_rest(a: float) -> None:
    law = law_with_exponent(PUBLISHED, a, 1e20)
    assert law.a == pytest.approx(a)
    assert law.E == PUBLISHED.E
    assert law.alpha + law.beta == pytest.approx(PUBLISHED.alpha + PUBLISHED.beta)
    n_params = PUBLISHED.n_opt(1e20)
    assert law.n_opt(1e20) == pytest.approx(n_params)
    tokens = 1e20 / 6 / n_params
    assert law.loss(n_params, tokens) == pytest.approx(PUBLISHED.loss(n_params, tokens))
    same = law_with_exponent(PUBLISHED, PUBLISHED.a, 1e20)
    assert pytest.approx(vars(PUBLISHED)) == vars(same)


def test_the_plan_is_that_of_section_3_2() -> None:
    known = simulate_isoflop_sweep(LAW, np.geomspace(1e18, 1e20, 5).tolist(), n_sizes=7)
    np.testing.assert_allclose(DESIGN.n_params, known.n_params)
    np.testing.assert_allclose(DESIGN.n_tokens, known.n_tokens)
    np.testing.assert_allclose(DESIGN.loss, known.loss)


def test_bad_plans() -> None:
    for change, message in (
        ({"n_budgets": 1}, "n_budgets must be 2 or above"),
        ({"n_sizes": 2}, "n_sizes must be 3 or above"),
        ({"decades": 0.0}, "decades must be finite and above 0"),
        ({"window": 9.0}, "20 of compute and 3 of size are the most"),
        ({"n_budgets": 1000, "n_sizes": 11}, "10,000 runs of one seed are the most"),
    ):
        with pytest.raises(InputError, match=message):
            plan_profiles(LAW, **change)  # type: ignore[arg-type]
