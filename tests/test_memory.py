"""Memory by arithmetic: parts sum, and the cache is that of its formula."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import KNOWN_SHAPES
from chinchilla_lib.errors import InputError
from chinchilla_lib.memory import format_bytes, kv_cache_bytes, training_memory

CHINCHILLA = KNOWN_SHAPES["chinchilla"]


@given(st.floats(min_value=1, max_value=1e13))
def test_parts_sum_to_sixteen_bytes_a_parameter(n_params: float) -> None:
    memory = training_memory(n_params)
    assert memory.total == pytest.approx(16 * n_params)
    assert memory.weights + memory.gradients == pytest.approx(memory.master_weights)
    assert memory.moments == pytest.approx(2 * memory.master_weights)


@given(st.integers(min_value=1, max_value=10**6))
def test_cache_grows_by_the_same_for_every_token(n_tokens: int) -> None:
    # Keys and values of 80 layers of 64 heads of 128, in two bytes.
    assert kv_cache_bytes(CHINCHILLA, n_tokens) == n_tokens * 2 * 80 * 64 * 128 * 2


def test_cache_is_of_the_training_length_and_twice_as_large_for_gopher() -> None:
    assert kv_cache_bytes(CHINCHILLA) == kv_cache_bytes(CHINCHILLA, 2048)
    assert kv_cache_bytes(KNOWN_SHAPES["gopher"]) == 2 * kv_cache_bytes(CHINCHILLA)


@pytest.mark.parametrize("n_params", [0, -1.0, math.nan, math.inf])
def test_parameters_are_positive(n_params: float) -> None:
    with pytest.raises(InputError, match="n_params is"):
        training_memory(n_params)


def test_a_sequence_has_a_token() -> None:
    with pytest.raises(InputError, match="n_tokens is 0"):
        kv_cache_bytes(CHINCHILLA, 0)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.9, "1 kB"),
        (1536, "1.54 kB"),
        (9.996e11, "1 TB"),
        (4.48e15, "4.48 PB"),
    ],
)
def test_units(n_bytes: float, text: str) -> None:
    assert format_bytes(n_bytes) == text
