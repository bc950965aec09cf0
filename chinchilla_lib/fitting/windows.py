"""What a valley must have to be fitted, and when its minimum counts: one rule for all of Approach 2."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.counts import check_counts
from chinchilla_lib.fitting.diagnostics import ValleyFit
from chinchilla_lib.sweeps.table import SweepTable, Valley

__all__ = ["check_minima", "check_valleys", "edge_reason", "size_numbers"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_SAME_SIZE: Final = 1e-9  # sizes closer than this in ln N are one size


def check_valleys(table: SweepTable) -> tuple[Valley, ...]:
    """The valleys of a table that can be fitted, ascending.

    Raises
    ------
    InputError
        If a count is below 1,000, budgets cannot be told apart or there is only one, or a valley has fewer
        than three sizes.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> [f"{valley.flops:.0e}" for valley in check_valleys(runs)]
    ['1e+18', '1e+19', '1e+20']
    """
    check_counts(table)
    valleys = table.valleys()
    for valley in valleys:
        n_sizes = int(size_numbers(np.log(table.n_params[valley.index])).max()) + 1
        if n_sizes < 3:
            n_runs = len(valley.index)
            raise InputError(
                f"{table.where(valley.index, 'n_params')}: the valley at {format_flops(valley.flops)} FLOPs "
                f"has {n_runs} run{'s' if n_runs > 1 else ''} of {n_sizes} "
                f"size{'s' if n_sizes > 1 else ''}; a valley needs three sizes or more"
            )
    if len(valleys) < 2:
        column = "flops" if table.flops_budget is None else "flops_budget"
        raise InputError(
            f"{table.where(valleys[0].index, column)}: all runs belong to one budget, "
            f"{format_flops(valleys[0].flops)}; an exponent needs two budgets or more"
        )
    return valleys


def size_numbers(log_n: FloatArray) -> IntArray:
    """Number of the distinct size of each run, from 0; `log_n` ascending.

    Examples
    --------
    >>> size_numbers(np.log([1e8, 1e8, 3e8, 9e8])).tolist()
    [0, 0, 1, 2]
    """
    return np.concatenate([[0], np.cumsum(np.diff(log_n) > _SAME_SIZE)]).astype(np.intp)


def edge_reason(log_n: FloatArray, loss: FloatArray, log_n_opt: float) -> str | None:
    """Why the minimum of a valley does not count, or None.

    Parameters
    ----------
    log_n : array of float, shape (n_runs,)
        ln N of its runs, ascending.
    loss : array of float, shape (n_runs,)
        Nats per token.
    log_n_opt : float
        Where the fitted minimum lies.

    Examples
    --------
    >>> log_n, loss = np.log([1e8, 2e8, 4e8]), np.array([3.2, 3.0, 2.9])
    >>> edge_reason(log_n, loss, np.log(9e8))
    'the minimum lies above the sampled sizes, beyond the edge 400M'
    """
    if not log_n[0] < log_n_opt < log_n[-1]:
        side, edge = ("below", log_n[0]) if log_n_opt <= log_n[0] else ("above", log_n[-1])
        return f"the minimum lies {side} the sampled sizes, beyond the edge {format_count(math.exp(edge))}"
    size = size_numbers(log_n)
    best = int(np.argmin(np.bincount(size, weights=loss) / np.bincount(size)))
    if best in (0, size[-1]):
        side, edge = ("smallest", log_n[0]) if best == 0 else ("largest", log_n[-1])
        return f"the lowest loss is that of the {side} size, at the edge {format_count(math.exp(edge))}"
    return None


def check_minima(table: SweepTable, fits: tuple[ValleyFit, ...]) -> None:
    """Refuse valleys of which fewer than two have a minimum inside.

    Raises
    ------
    InputError
        With the reason of each of the others.
    """
    closed = [fit for fit in fits if fit.reason is not None]
    if len(fits) - len(closed) < 2:
        reasons = "; ".join(f"{format_flops(fit.flops)}: {fit.reason}" for fit in closed)
        raise InputError(
            f"{table.where(np.concatenate([fit.index for fit in closed]), 'loss')}: "
            f"{len(fits) - len(closed)} of {len(fits)} valleys have a minimum inside their "
            f"sizes and an exponent needs two ({reasons}); add runs beyond the edges of these valleys"
        )
