"""Differences between runs that share a seed, and with it first weights and order of text: a paired t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval

__all__ = ["PairedDifference", "pair_differences"]


@dataclass(frozen=True)
class PairedDifference:
    """A mean of differences and how well it is known.

    Attributes
    ----------
    mean : float
        Mean over groups of each group's mean.
    sd : float
        Standard deviation of one difference about its group's mean, pooled over groups.
    half_width : float
        Half of the mean's 90 % interval, by Student's t.
    freedom : int
        Degrees of freedom: differences less groups.
    """

    mean: float
    sd: float
    half_width: float
    freedom: int

    @property
    def interval(self) -> Interval:
        """The 90 % interval of the mean."""
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def detectable(self) -> float:
        """A true mean of this size is told from 0 nine times in ten, at this scatter."""
        return self.half_width * float(1 + stdtrit(self.freedom, 0.9) / stdtrit(self.freedom, 0.95))

    def above(self, bound: float) -> bool:
        """Whether the whole interval lies above."""
        return self.interval[0] > bound

    def below(self, bound: float) -> bool:
        """Whether the whole interval lies below."""
        return self.interval[1] < bound

    def __str__(self) -> str:
        return f"{self.mean:+.4f} +- {self.half_width:.4f}"


def pair_differences(groups: Sequence[Sequence[float]]) -> PairedDifference:
    """Mean difference over groups of pairs, such as the seeds of each size.

    Groups may differ in their mean: what they share is the scatter about it.

    Parameters
    ----------
    groups : sequence of sequence of float
        Differences of each group; two at least in one of them.

    Raises
    ------
    InputError
        If a group is empty, or none has a second difference.

    Examples
    --------
    >>> found = pair_differences([[0.010, 0.012], [0.021, 0.019]])
    >>> print(found)
    +0.0155 +- 0.0021
    """
    sizes = [len(group) for group in groups]
    freedom = sum(sizes) - len(sizes)
    if not sizes or min(sizes) < 1 or freedom < 1:
        raise InputError(
            f"groups have {', '.join(map(str, sizes)) or 'no'} differences; give one to each group, "
            "and two to one of them at least"
        )
    means = [float(np.mean(group)) for group in groups]
    squares = sum(float(np.sum((np.array(g) - m) ** 2)) for g, m in zip(groups, means, strict=True))
    sd = math.sqrt(squares / freedom)
    error = sd * math.sqrt(sum(1 / size for size in sizes)) / len(sizes)
    return PairedDifference(float(np.mean(means)), sd, float(stdtrit(freedom, 0.95)) * error, freedom)
