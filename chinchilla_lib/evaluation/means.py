"""Means told apart: how wide scores must be spread, by what was printed of them; means beside losses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from chinchilla_lib.errors import InputError

__all__ = ["Line", "MeanDifference", "compare_means", "fit_line", "largest_spread", "log_normal_spread"]


@dataclass(frozen=True)
class MeanDifference:
    """The difference of two means.

    Attributes
    ----------
    value, standard_error : float
    p_value : float
        Two-sided, that equal means differ so much.
    in_spreads : float
        The value over the root mean square of both standard deviations.
    """

    value: float
    standard_error: float
    p_value: float
    in_spreads: float


def largest_spread(mean: float) -> float:
    """The largest standard deviation that scores from 0 to 1 of this mean can have.

    Raises
    ------
    InputError
        If the mean is not from 0 to 1.

    Examples
    --------
    >>> largest_spread(0.5)
    0.5
    """
    if not 0 <= mean <= 1:
        raise InputError(f"mean is {mean}; scores are from 0 to 1")
    return math.sqrt(mean * (1 - mean))


def log_normal_spread(median: float, quantile: float, share: float) -> tuple[float, float]:
    """Mean and standard deviation of the log-normal law with a median and another quantile.

    Parameters
    ----------
    median, quantile : float
        Above 0.
    share : float
        Of the law below the quantile, above one half.

    Returns
    -------
    (float, float)
        That the mean comes near one that is known as well speaks for the law.

    Raises
    ------
    InputError
        If there is no such law.

    Examples
    --------
    >>> mean, spread = log_normal_spread(1.0, 5.18, 0.95)  # of which the logarithm has spread one
    >>> round(mean, 2), round(spread, 2)
    (1.65, 2.16)
    """
    if not (0 < median < quantile and 0.5 < share < 1):
        raise InputError(
            f"median {median}, quantile {quantile} of share {share}; give 0 < median < quantile and a share "
            "between 0.5 and 1"
        )
    width = math.log(quantile / median) / float(stats.norm.ppf(share))
    mean = median * math.exp(width**2 / 2)
    return mean, mean * math.sqrt(math.expm1(width**2))


def compare_means(means: tuple[float, float], spreads: tuple[float, float], n: int) -> MeanDifference:
    """The first mean less the second, of two independent samples of the same size.

    Parameters
    ----------
    means, spreads : (float, float)
        Spreads are standard deviations.
    n : int
        Of each sample.

    Raises
    ------
    InputError
        If n is below 2 or both spreads are zero.

    Examples
    --------
    >>> f"{compare_means((0.116, 0.115), (0.1, 0.1), 10_000).p_value:.2f}"
    '0.48'
    """
    squares = spreads[0] ** 2 + spreads[1] ** 2
    if n < 2 or not squares > 0:
        raise InputError(f"n is {n}, spreads are {spreads}; give 2 or more, and a spread above 0")
    value, error = means[0] - means[1], math.sqrt(squares / n)
    return MeanDifference(
        value, error, float(2 * stats.norm.sf(abs(value) / error)), value / math.sqrt(squares / 2)
    )


@dataclass(frozen=True)
class Line:
    """A line through means beside losses, each point counting once.

    Attributes
    ----------
    slope : float
        Change of the mean for one nat.
    half_width : float
        Of the slope's interval.
    correlation : float
    correlation_interval : (float, float)
        By Fisher's transform.
    detectable : float
        Size of a slope that would have been told from zero with probability 0.8.
    n : int
        Points.
    """

    slope: float
    half_width: float
    correlation: float
    correlation_interval: tuple[float, float]
    detectable: float
    n: int


def fit_line(losses: Sequence[float], means: Sequence[float], *, level: float = 0.95) -> Line:
    """Least squares of means on losses.

    Parameters
    ----------
    losses, means : sequence of float
        Points are taken as independent, with errors alike.
    level : float
        Of the intervals; a slope is told from zero when its own leaves zero out.

    Raises
    ------
    InputError
        If there are fewer than five points, or all have one loss or one mean.

    Examples
    --------
    >>> line = fit_line([3.0, 2.8, 2.6, 2.4, 2.2], [0.30, 0.33, 0.38, 0.43, 0.46])
    >>> f"{line.slope:.2f}"
    '-0.21'
    """
    n = len(losses)
    if n < 5 or len(means) != n or len(set(losses)) < 2 or len(set(means)) < 2:
        raise InputError(f"{n} losses, {len(means)} means; give five points or more that differ in both")
    found = stats.linregress(losses, means)
    error = float(found.stderr)
    wide = float(stats.t.ppf((1 + level) / 2, n - 2))
    r = float(found.rvalue)
    half = float(stats.norm.ppf((1 + level) / 2)) / math.sqrt(n - 3)
    low, high = np.tanh(np.arctanh(min(max(r, -1 + 1e-12), 1 - 1e-12)) + np.array([-half, half]))
    return Line(
        slope=float(found.slope),
        half_width=wide * error,
        correlation=r,
        correlation_interval=(float(low), float(high)),
        detectable=(wide + float(stats.t.ppf(0.8, n - 2))) * error,
        n=n,
    )
