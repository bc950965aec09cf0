"""Values and slopes of what a design can be for."""

import math

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.design_target import TARGETS, target_slopes, target_values
from chinchilla_lib.laws import ParametricLoss
from tests.fitting.test_design import at
from tests.test_laws import PUBLISHED


@pytest.mark.parametrize("target", TARGETS)
def test_slopes_of_a_target_are_its_differences(target: str) -> None:
    value, slopes = target_slopes(PUBLISHED, target, at(target))
    step = 1e-6
    for place, change in enumerate(
        (
            {"E": PUBLISHED.E + step},
            {"A": PUBLISHED.A * math.exp(step)},
            {"B": PUBLISHED.B * math.exp(step)},
            {"alpha": PUBLISHED.alpha + step},
            {"beta": PUBLISHED.beta + step},
        )
    ):
        moved, _ = target_slopes(ParametricLoss(**(vars(PUBLISHED) | change)), target, at(target))
        assert (moved - value) / step == pytest.approx(slopes[place], rel=1e-4, abs=1e-8)
    if target == "log_n_opt":
        assert value == pytest.approx(math.log(PUBLISHED.n_opt(1e22)))


def test_values_are_those_of_the_laws() -> None:
    laws = [PUBLISHED, ParametricLoss(E=0.0, A=50.0, B=128.0, alpha=0.37, beta=0.41)]
    params = np.array([[law.E, math.log(law.A), math.log(law.B), law.alpha, law.beta] for law in laws])
    for target in ("a", "alpha", "beta", "E"):
        assert target_values(params, target) == pytest.approx([getattr(law, target) for law in laws])
    expected = [math.log(law.n_opt(1e22)) for law in laws]
    assert target_values(params, "log_n_opt", 1e22) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("target", "flops", "message"),
    [
        ("b", None, "target is 'b'; give one of a, log_n_opt"),
        ("log_n_opt", None, "at is None with target 'log_n_opt'; log_n_opt needs the FLOPs of a budget"),
        ("alpha", 1e20, "log_n_opt needs the FLOPs of a budget, others take none"),
        ("log_n_opt", math.inf, "at must be finite and above 0, found inf"),
    ],
)
def test_what_is_no_target_is_refused(target: str, flops: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        target_slopes(PUBLISHED, target, flops)
