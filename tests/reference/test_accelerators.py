"""Accelerators: days are arithmetic, and memory holds what it says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference.accelerators import load_accelerators

CHIPS = load_accelerators()


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_a_day_at_full_peak_is_a_day(chip) -> None:  # type: ignore[no-untyped-def]
    assert chip.days(86_400 * chip.peak_flops, 1.0) == pytest.approx(1)
    assert chip.days(1e24, 0.25) == pytest.approx(2 * chip.days(1e24, 0.5))
    assert chip.source


@given(st.floats(min_value=1, max_value=1e14))
def test_no_chip_fewer_would_hold_it(n_bytes: float) -> None:
    for chip in CHIPS:
        n_chips = chip.holding(n_bytes)
        assert n_chips * chip.memory_bytes >= n_bytes * (1 - 1e-12)
        assert n_chips == 1 or (n_chips - 1) * chip.memory_bytes < n_bytes


def test_memories_that_are_full_hold_it() -> None:
    for chip in CHIPS:
        assert [chip.holding(share * chip.memory_bytes) for share in (0, 1, 3, 3.01)] == [1, 1, 3, 4]


def test_newer_chips_are_faster() -> None:
    peaks = [chip.peak_flops for chip in CHIPS]
    assert peaks == sorted(peaks)


@pytest.mark.parametrize("utilisation", [0, -0.1, 1.01, math.nan])
def test_utilisation_is_a_share(utilisation: float) -> None:
    with pytest.raises(InputError, match="utilisation is"):
        CHIPS[0].days(1e20, utilisation)


@pytest.mark.parametrize("flops", [0, -1.0, math.inf, math.nan])
def test_flops_are_positive(flops: float) -> None:
    with pytest.raises(InputError, match="flops is"):
        CHIPS[0].days(flops, 0.5)


@pytest.mark.parametrize("n_bytes", [-1.0, math.inf, math.nan])
def test_bytes_are_no_less_than_none(n_bytes: float) -> None:
    with pytest.raises(InputError, match="n_bytes is"):
        CHIPS[0].holding(n_bytes)
