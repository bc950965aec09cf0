import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.scores import Score, summarise_metric

losses = st.lists(st.floats(-50, -0.01), min_size=2, max_size=30)


def test_known_values() -> None:
    assert summarise_metric("mean", [0, 1, 1, 0]) == Score(0.5, pytest.approx(math.sqrt(1 / 12)), 4)
    assert summarise_metric("mean", [1.0]) == Score(1.0, None, 1)
    assert summarise_metric("perplexity", [-math.log(4)] * 3) == Score(pytest.approx(4), 0.0, 3)
    pairs = [(-8 * math.log(2), 4), (-16 * math.log(2), 8)]  # two bits a byte, both
    assert summarise_metric("bits_per_byte", pairs) == Score(pytest.approx(2), pytest.approx(0, abs=1e-9), 2)
    assert summarise_metric("weighted_perplexity", pairs).value == pytest.approx(4)


@given(losses)
def test_equal_to_lm_eval(values: list[float]) -> None:
    metrics = pytest.importorskip("lm_eval.api.metrics", reason="the extra eval is not installed")
    pairs = [(value, 1 + i) for i, value in enumerate(values)]
    for name, given_ in (
        ("perplexity", values),
        ("weighted_perplexity", pairs),
        ("bits_per_byte", pairs),
    ):
        expected = getattr(metrics, name)(given_)
        assert summarise_metric(name, given_).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("aggregation", ["mean", "perplexity", "weighted_perplexity", "bits_per_byte"])
def test_errors_are_those_of_drawing_items_again(aggregation: str) -> None:
    """Against a bootstrap of 400 items, whose own error is 1/sqrt(2 x 4000), 1.1 %; first order adds some."""
    rng = np.random.default_rng(0)
    weights = rng.integers(50, 150, size=400)
    losses = -rng.gamma(4, 0.25, size=400)
    values = (
        list(zip(losses * weights, weights, strict=True))
        if aggregation in ("weighted_perplexity", "bits_per_byte")
        else list(losses)
    )
    again = [
        summarise_metric(aggregation, [values[i] for i in rng.integers(400, size=400)]).value
        for _ in range(4000)
    ]
    found = summarise_metric(aggregation, values).standard_error
    assert found == pytest.approx(np.std(again), rel=0.05)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="values is empty"):
        summarise_metric("mean", [])
    with pytest.raises(InputError, match="aggregation is 'median'; choose of mean"):
        summarise_metric("median", [1.0])
