"""Large numbers as the paper writes them: 70B, 1.4T, 5.76e23, and back."""

import math

from chinchilla_lib.errors import InputError

__all__ = ["format_count", "format_flops", "parse_number"]

_SUFFIXES = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def format_count(count: float, digits: int = 3) -> str:
    """Write a number of parameters or tokens with a suffix.

    Parameters
    ----------
    count : float
        A finite number, at least zero.
    digits : int
        Significant digits kept; trailing zeros are dropped.

    Returns
    -------
    str
        With ``k``, ``M``, ``B`` or ``T``; numbers that these do not reach are written
        plainly (below a thousand) or with an exponent (from 1e15).

    Examples
    --------
    >>> format_count(70_062_571_520), format_count(1.4e12), format_count(512)
    ('70.1B', '1.4T', '512')
    """
    rounded = float(f"{count:.{digits - 1}e}")
    if rounded >= 1e15:
        return format_flops(count, digits)
    for suffix, unit in reversed(_SUFFIXES.items()):
        if rounded >= unit:
            return f"{_plain(rounded / unit, digits)}{suffix}"
    return _plain(rounded, digits)


def format_flops(flops: float, digits: int = 3) -> str:
    """Write a number of floating-point operations as mantissa and exponent.

    Parameters
    ----------
    flops : float
        A finite number.
    digits : int
        Significant digits kept; trailing zeros are dropped.

    Examples
    --------
    >>> format_flops(5.76e23), format_flops(1e11)
    ('5.76e23', '1e11')
    """
    mantissa, _, exponent = f"{flops:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def parse_number(text: str, name: str = "number") -> float:
    """Read a positive number written as ``1400000``, ``1.4T`` or ``5.76e23``.

    Parameters
    ----------
    text : str
        Digits, with an optional exponent or one of the suffixes ``k M B T``
        (either case), not both; underscores may group the digits.
    name : str
        What the number is, for the message.

    Raises
    ------
    InputError
        If the text is not such a number, or is not finite and above zero.

    Examples
    --------
    >>> parse_number("1.4T"), parse_number("5.76e23")
    (1400000000000.0, 5.76e+23)
    """
    body, unit = text.strip(), 1.0
    for suffix, size in _SUFFIXES.items():
        if body[-1:].lower() == suffix.lower():
            body, unit = body[:-1], size
            break
    try:
        if unit != 1.0 and "e" in body.lower():
            raise ValueError
        value = float(body) * unit
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{name} is {text!r}; it must be a finite number above zero, for example 1400000, 1.4T or 5.76e23"
        )
    return value


def _plain(value: float, digits: int) -> str:
    """Fixed-point digits of a number that is already rounded."""
    whole = len(str(int(value)))
    text = f"{value:.{max(digits - whole, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
