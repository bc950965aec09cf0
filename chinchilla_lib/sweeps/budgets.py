"""The budgets of a sweep: what each of them was given."""

from dataclasses import dataclass

import numpy as np

from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["BudgetRuns", "list_budgets"]


@dataclass(frozen=True)
class BudgetRuns:
    """The runs of one budget.

    Attributes
    ----------
    flops : float
        The budget.
    n_runs, n_sizes : int
    n_seeds : int or None
        None if seeds are not known.
    n_params, n_tokens : tuple of float
        Fewest and most.
    flops_spent : float
        By all runs together.
    """

    flops: float
    n_runs: int
    n_sizes: int
    n_seeds: int | None
    n_params: tuple[float, float]
    n_tokens: tuple[float, float]
    flops_spent: float


def list_budgets(table: SweepTable) -> tuple[BudgetRuns, ...]:
    """The budgets of a table, from small to large.

    Raises
    ------
    InputError
        If budgets cannot be told apart.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> [(row.flops, row.n_sizes) for row in list_budgets(table)]
    [(1e+18, 9), (1e+19, 9), (1e+20, 9)]
    """
    found = []
    for valley in table.valleys():
        sizes, tokens = table.n_params[valley.index], table.n_tokens[valley.index]
        found.append(
            BudgetRuns(
                flops=valley.flops,
                n_runs=len(valley.index),
                n_sizes=len(np.unique(sizes)),
                n_seeds=None if table.seed is None else len(np.unique(table.seed[valley.index])),
                n_params=(float(sizes.min()), float(sizes.max())),
                n_tokens=(float(tokens.min()), float(tokens.max())),
                flops_spent=float(table.flops[valley.index].sum()),
            )
        )
    return tuple(found)
