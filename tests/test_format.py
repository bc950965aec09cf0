"""Numbers are written as in the paper and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib._format import format_count, format_flops, parse_number
from chinchilla_lib.errors import InputError


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (70e9, "70B"),
        (1.4e12, "1.4T"),
        (11_000, "11k"),
        (43_692_032, "43.7M"),
        (999, "999"),
        (999_999, "1M"),
        (999_499, "999k"),
        (0, "0"),
        (1e15, "1e15"),
        (2.162e14, "216T"),
    ],
)
def test_counts_carry_a_suffix(count: float, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("flops", "text"), [(5.76e23, "5.76e23"), (1e11, "1e11"), (6e10, "6e10"), (9.999e22, "1e23")]
)
def test_flops_carry_an_exponent(flops: float, text: str) -> None:
    assert format_flops(flops) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.4T", 1.4e12), ("70b", 70e9), ("11K", 11e3), ("5.76e23", 5.76e23), ("1_400", 1400.0), (" 2 ", 2.0)],
)
def test_numbers_are_read(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "T", "1e3T", "-1B", "0", "nan", "inf", "1e999", "70 B B", "seven"])
def test_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^--n-tokens is .*above zero.*$"):
        parse_number(text, "--n-tokens")


@given(st.floats(1, 1e28))
def test_formatting_keeps_three_digits(number: float) -> None:
    for text in (format_count(number), format_flops(number)):
        assert parse_number(text) == pytest.approx(number, rel=0.5e-2)
    assert parse_number(format_flops(number, digits=17)) == number
