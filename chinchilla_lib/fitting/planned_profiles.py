"""IsoFLOP profiles that nobody has run: around the optima of a law, and of laws with another exponent."""

import math
from typing import Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["law_with_exponent", "plan_profiles"]

_MOST_RUNS: Final = 10_000


def law_with_exponent(law: ParametricLoss, a: float, flops: float) -> ParametricLoss:
    """The law nearest to another whose frontier has the exponent a.

    At one budget optimum and loss stay; so do E and alpha + beta, and with them how the loss falls, nearly.

    Parameters
    ----------
    law : ParametricLoss
    a : float
        Exponent of N_opt, between 0 and 1.
    flops : float
        The budget, C = 6ND, above 0.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> other = law_with_exponent(law, 0.5, 1e20)
    >>> round(other.a, 6), round(other.n_opt(1e20) / law.n_opt(1e20), 6)
    (0.5, 1.0)
    """
    if not 0 < a < 1:
        raise InputError(f"the exponent a must lie between 0 and 1, found {a!r}; the paper's is 0.46 to 0.50")
    total = law.alpha + law.beta
    alpha, beta = total * (1 - a), total * a
    n_params = law.n_opt(float(flops))
    n_tokens = flops / 6 / n_params
    falls = law.loss(n_params, n_tokens) - law.E
    # At an optimum alpha times the size term is beta times the data term.
    return ParametricLoss(
        E=law.E,
        A=falls * a * n_params**alpha,
        B=falls * (1 - a) * n_tokens**beta,
        alpha=alpha,
        beta=beta,
    )


def plan_profiles(
    law: ParametricLoss,
    *,
    n_budgets: int = 9,
    n_sizes: int = 9,
    decades: float = 3.0,
    window: float = 0.5,
    flops: float = 1e18,
) -> SweepTable:
    """IsoFLOP profiles around the optima of a law, one run of each, without noise.

    Parameters
    ----------
    law : ParametricLoss
    n_budgets, n_sizes : int
        2 budgets and 3 sizes of each, or more.
    decades : float
        From the smallest budget to the largest, in powers of ten of FLOPs, above 0.
    window : float
        Sizes reach so many powers of ten to either side of the optimum, above 0.
    flops : float
        The smallest budget, C = 6ND.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> plan = plan_profiles(law, n_budgets=3, n_sizes=5, decades=2)
    >>> len(plan), [f"{flops:.0e}" for flops in np.unique(plan.flops_budget)]
    (15, ['1e+18', '1e+19', '1e+20'])
    """
    for name, count, fewest in (("n_budgets", n_budgets, 2), ("n_sizes", n_sizes, 3)):
        if count < fewest:
            raise InputError(f"{name} must be {fewest} or above, found {count!r}")
    for name, value in (("decades", decades), ("window", window), ("flops", flops)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be finite and above 0, found {value!r}")
    if n_budgets * n_sizes > _MOST_RUNS:
        raise InputError(
            f"n_budgets is {n_budgets} and n_sizes is {n_sizes}; {_MOST_RUNS:,} runs of one seed are the most"
        )
    if decades > 20 or window > 3:
        raise InputError(
            f"decades is {decades:g} and window {window:g}; 20 of compute and 3 of size are the most"
        )
    budgets = np.repeat(np.geomspace(flops, flops * 10**decades, n_budgets), n_sizes)
    n_params = law.n_opt(budgets) * np.tile(np.logspace(-window, window, n_sizes), n_budgets)
    n_tokens = budgets / (6 * n_params)
    return SweepTable(
        run_id=tuple(f"planned-{number:04d}" for number in range(len(budgets))),
        n_params=n_params,
        n_tokens=n_tokens,
        loss=law.loss(n_params, n_tokens),
        flops=budgets,
        flops_convention="six_nd",
        flops_budget=budgets,
        source=f"{n_budgets} budgets over {decades:g} decades with {n_sizes} sizes each",
    )
