"""Rows that cannot be what they say: counts that look like millions, runs that stand twice."""

from typing import Final

import numpy as np

from chinchilla_lib._format import format_count
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["check_counts", "repeated_rows"]

_FEWEST: Final = 1_000.0
_SAME_SIZE: Final = 1e-9  # in ln N


def check_counts(table: SweepTable) -> None:
    """Refuse counts that are no plain counts, and runs of one size only.

    Raises
    ------
    InputError
        If a run has fewer than 1,000 parameters or tokens, or all have one size.
    """
    for name in ("n_params", "n_tokens"):
        counts = getattr(table, name)
        if counts.min() < _FEWEST:
            position = int(np.argmax(counts < _FEWEST))
            raise InputError(
                f"{table.where([position], name)}: found {counts[position]:g}, fewer than 1,000; "
                "give plain counts, not millions or billions"
            )
    if np.ptp(np.log(table.n_params)) < _SAME_SIZE:
        raise InputError(
            f"{table.where(range(len(table)), 'n_params')}: all runs have one size, "
            f"{format_count(table.n_params[0])}; the best size can only be told among runs of several sizes"
        )


def repeated_rows(table: SweepTable) -> tuple[str, ...]:
    """A message if rows repeat another's size, tokens, loss and seed; else none.

    Replicates with other seeds have other losses, and are runs like any.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_table
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> len(repeated_rows(simulate_table(law, [1e8, 2e8, 1e8], [2e9, 2e9, 2e9])))
    1
    >>> repeated_rows(simulate_table(law, [1e8, 2e8, 4e8], [2e9, 2e9, 2e9]))
    ()
    """
    columns = [table.n_params, table.n_tokens, table.loss]
    if table.seed is not None:
        columns.append(table.seed.astype(np.float64))
    rows = np.stack(columns, axis=1)
    _, first, label = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[label.ravel()] != np.arange(len(rows)))
    if not copies.size:
        return ()
    return (
        f"{table.where(copies, 'loss')}: {copies.size} of {len(rows)} rows repeat another's size, tokens, "
        "loss and seed; if they are copies, drop them",
    )
