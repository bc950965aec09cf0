"""Counts that cannot be what they say."""

from typing import Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["check_counts"]

_FEWEST: Final = 1_000.0


def check_counts(table: SweepTable) -> None:
    """Refuse counts that are no plain counts.

    Raises
    ------
    InputError
        If a run has fewer than 1,000 parameters or tokens.
    """
    for name in ("n_params", "n_tokens"):
        counts = getattr(table, name)
        if counts.min() < _FEWEST:
            position = int(np.argmax(counts < _FEWEST))
            raise InputError(
                f"{table.where([position], name)}: found {counts[position]:g}, but fits need 1000 or more; "
                "write plain counts, not millions or billions"
            )
