"""The frontier of a law of all parameters, as it looks to one who counts otherwise (Pearce and Song 2024).

Let L = E + A N^-alpha + B D^-beta hold with all parameters N. Someone calls n the size, n < N, and says that
a token costs c(n) FLOPs. At a budget C = c D they find the lowest loss where, along their budget,

    alpha A N^-alpha  dln N  =  beta B D^-beta  dln c,

so that every size has its D and its C in closed form. Where embeddings are a small share, d ln n / d ln C is
beta / (alpha + beta). Where they are a large one it is not, and changes with the size: a line through a few
decades has a slope between.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.power_law import fit_power_law
from chinchilla_lib.laws import ParametricLoss, PowerLaw

__all__ = ["RecountedFrontier", "recount_frontier"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecountedFrontier:
    """Best sizes by budget in a count of one's own; arrays of shape (n_sizes,), ascending.

    Attributes
    ----------
    counted : array of float
        Parameters, as counted.
    n_tokens : array of float
        Tokens that the best run of this size sees.
    flops : array of float
        Budget at which the size is the best one, as counted.
    exponent : array of float
        d ln(counted) / d ln(flops) there.
    """

    counted: FloatArray
    n_tokens: FloatArray
    flops: FloatArray
    exponent: FloatArray

    def line(self, low: float = 0.0, high: float = np.inf) -> PowerLaw:
        """The power law that a straight line through the sizes gives.

        Parameters
        ----------
        low, high : float
            Budgets, in FLOPs as counted; sizes that are best outside of them are left out.

        Raises
        ------
        InputError
            If fewer than two sizes are left.
        """
        inside = (self.flops >= low) & (self.flops <= high)
        if np.count_nonzero(inside) < 2:
            raise InputError(
                f"low and high are {low:g} and {high:g}; give a range of FLOPs within "
                f"{self.flops[0]:.3g} to {self.flops[-1]:.3g} that holds the best budgets of two sizes"
            )
        return fit_power_law(self.flops[inside], self.counted[inside])


def recount_frontier(
    law: ParametricLoss, n_params: npt.ArrayLike, counted: npt.ArrayLike, flops_per_token: npt.ArrayLike
) -> RecountedFrontier:
    """Find the frontier of a law in another count of parameters and FLOPs.

    Parameters
    ----------
    law : ParametricLoss
        Of all parameters.
    n_params : array of float, shape (n_sizes,)
        All parameters of each size, ascending; three sizes or more. Slopes are differences between
        neighbours, so sizes should be close.
    counted : array of float, shape (n_sizes,)
        What is called the size, ascending.
    flops_per_token : array of float, shape (n_sizes,)
        Training FLOPs of a token, as counted, ascending.

    Raises
    ------
    InputError
        If shapes differ, a column is not positive and ascending, or a budget has several best sizes.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> sizes = np.geomspace(10**2.9, 10**9.2, 20)
    >>> kaplan = recount_frontier(law, sizes + 47491 * sizes ** (1 / 3), sizes, 6 * sizes)
    >>> f"{kaplan.line().exponent:.2f}"
    '0.74'
    """
    columns = {}
    for name, values in (("n_params", n_params), ("counted", counted), ("flops_per_token", flops_per_token)):
        column = np.asarray(values, dtype=np.float64)
        if column.ndim != 1 or len(column) < 3 or not (column[0] > 0 and (np.diff(column) > 0).all()):
            raise InputError(f"{name} must be three positive numbers or more, ascending; found {column}")
        columns[name] = column
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise InputError(f"columns differ in length: {lengths}; give one value per size")
    log_n, log_size, log_cost = (np.log(column) for column in columns.values())
    # Slopes along the sizes: their ratio is d ln N / d ln c, whatever the sizes' spacing.
    ratio = np.gradient(log_n, log_cost, edge_order=2)
    size_term = law.A * np.exp(-law.alpha * log_n)
    log_tokens = -np.log(law.alpha * size_term * ratio / (law.beta * law.B)) / law.beta
    log_flops = log_cost + log_tokens
    if not (np.diff(log_flops) > 0).all():
        raise InputError(
            "flops_per_token and counted give budgets with several best sizes: the budget at which a size is "
            "best must rise with the size"
        )
    return RecountedFrontier(
        counted=columns["counted"],
        n_tokens=np.exp(log_tokens),
        flops=np.exp(log_flops),
        exponent=np.asarray(1 / np.gradient(log_flops, log_size, edge_order=2), dtype=np.float64),
    )
