"""The designs by class of machine, and their rules."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.tiers import (
    TIERS,
    Tier,
    batch_size_rule,
    learning_rate_rule,
    rope_shape,
    tier_shape,
)


@given(st.integers(4, 300).map(lambda n: 2 * n))
def test_heads_fill_the_width_and_are_even(d_model: int) -> None:
    shape = rope_shape(d_model, n_layers=2, vocab_size=512, seq_len=128)
    assert shape.attention_width == d_model
    assert shape.kv_size % 2 == 0
    assert shape.ffw_size == 4 * d_model


@pytest.mark.parametrize("d_model", [0, 6, 33])
def test_a_width_without_heads_is_refused(d_model: int) -> None:
    with pytest.raises(InputError, match=f"d_model is {d_model}"):
        rope_shape(d_model, n_layers=2, vocab_size=512, seq_len=128)


def test_the_rules_scale_as_stated() -> None:
    # Steps of one window, so that rounding does not hide the exponent.
    assert batch_size_rule(2e9, seq_len=1, factor=0.29) / batch_size_rule(1e9, seq_len=1, factor=0.29) == (
        pytest.approx(2**0.571, rel=1e-3)
    )
    assert batch_size_rule(10, seq_len=128, factor=0.29) == 1
    rate = learning_rate_rule(46e6, 32768, maximum=1.0)
    assert rate == pytest.approx(2e-3)
    assert learning_rate_rule(46e6 / 4, 32768 * 4, maximum=1.0) == pytest.approx(4**0.7 * rate)
    assert learning_rate_rule(1, 32768, maximum=0.02) == 0.02


@pytest.mark.parametrize("name", ["ci", "cpu-20", "cpu-60", "cpu-120"])
def test_the_cpu_tiers_have_the_measured_optimum_well_inside(name: str) -> None:
    # Feasibility trials on English text, all parameters counted: 31k at 1e11, 358k at 1e13.
    for budget, widths in TIERS[name].widths.items():
        expected = 31e3 * (budget / 1e11) ** math.log(358 / 31, 100)
        sizes = [count_params(tier_shape(TIERS[name], width)).total for width in widths]
        assert sizes[1] < expected < sizes[-2], (budget, expected, sizes)


@pytest.mark.parametrize("horizons", [(), (0.0, 1.0), (0.5, 1.5), (0.2, 1.0)])
def test_horizons_that_do_not_fit_a_trunk_are_refused(horizons: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="horizons is"):
        replace(TIERS["ci"], schedule="wsd", horizons=horizons)


@pytest.mark.parametrize("name", TIERS)
def test_a_tier_comes_back_from_json(name: str) -> None:
    assert Tier.from_dict(json.loads(json.dumps(TIERS[name].to_dict()))) == TIERS[name]
