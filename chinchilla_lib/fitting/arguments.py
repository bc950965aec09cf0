"""What several functions ask of the arguments that they share, in the same words."""

import math

from chinchilla_lib.errors import InputError

__all__ = ["check_level", "check_noise", "check_power", "check_seed", "check_simulations"]


def check_level(level: float) -> None:
    """Refuse the level of an interval that is not from 0.5, below 1.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> check_level(0.1)
    Traceback (most recent call last):
        ...
    chinchilla_lib.errors.InputError: level must be from 0.5, below 1, found 0.1; 0.9 is usual
    """
    if not 0.5 <= level < 1:
        raise InputError(f"level must be from 0.5, below 1, found {level!r}; 0.9 is usual")


def check_power(power: float, level: float) -> None:
    """Refuse a power that a test at 1 - level has of nothing, or that no test has.

    Raises
    ------
    InputError
        If it is not above 1 - level and below 1.
    """
    if not 1 - level < power < 1:
        raise InputError(
            f"power must lie between 1 - level = {1 - level:.3g}, which needs no runs, and 1, found "
            f"{power!r}; 0.8 is usual"
        )


def check_noise(noise: float) -> None:
    """Refuse a standard deviation of the loss, relative to it, that is not finite and above 0.

    Raises
    ------
    InputError
        If it is not.
    """
    if not (math.isfinite(noise) and noise > 0):
        raise InputError(f"noise must be finite and above 0, found {noise!r}; 0.002 is 0.2 % of the loss")


def check_seed(seed: int) -> None:
    """Refuse a seed of random numbers that is negative.

    Raises
    ------
    InputError
        If it is.
    """
    if seed < 0:
        raise InputError(f"seed must be a whole number, 0 or above, found {seed!r}")


def check_simulations(n_simulated: int) -> None:
    """Refuse a number of simulated sweeps that has no spread; 0 is none of them.

    Raises
    ------
    InputError
        If it is negative or 1.
    """
    if n_simulated < 0 or n_simulated == 1:
        raise InputError(f"n_simulated must be 0, or 2 or above, found {n_simulated!r}")
