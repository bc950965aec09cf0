"""Arguments at the ends of what is allowed, and beyond."""

import math
from collections.abc import Callable

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.arguments import (
    check_level,
    check_noise,
    check_power,
    check_seed,
    check_simulations,
)


@pytest.mark.parametrize(
    ("check", "arguments"),
    [
        (check_level, (0.5,)),
        (check_level, (0.999,)),
        (check_power, (0.11, 0.9)),
        (check_power, (0.999, 0.9)),
        (check_noise, (1e-300,)),
        (check_seed, (0,)),
        (check_simulations, (0,)),
        (check_simulations, (2,)),
    ],
)
def test_what_is_allowed_passes(check: Callable[..., None], arguments: tuple[float, ...]) -> None:
    check(*arguments)


@pytest.mark.parametrize(
    ("check", "arguments", "message"),
    [
        (check_level, (0.49,), r"level must be from 0\.5, below 1, found 0\.49"),
        (check_level, (1.0,), r"level must be from 0\.5, below 1, found 1\.0"),
        (check_level, (math.nan,), "level must be from 0.5, below 1, found nan"),
        (check_power, (0.09, 0.9), r"power must lie between 1 - level = 0\.1, .* found 0\.09"),
        (check_power, (1.0, 0.9), r"power must lie between .* and 1, found 1\.0"),
        (check_power, (math.nan, 0.9), "power must lie between .* found nan"),
        (check_noise, (0.0,), r"noise must be finite and above 0, found 0\.0"),
        (check_noise, (math.inf,), "noise must be finite and above 0, found inf"),
        (check_noise, (math.nan,), "noise must be finite and above 0, found nan"),
        (check_seed, (-1,), "seed must be a whole number, 0 or above, found -1"),
        (check_simulations, (1,), "n_simulated must be 0, or 2 or above, found 1"),
        (check_simulations, (-2,), "n_simulated must be 0, or 2 or above, found -2"),
    ],
)
def test_what_is_not_allowed_is_named(
    check: Callable[..., None], arguments: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check(*arguments)
