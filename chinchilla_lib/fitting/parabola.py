"""Least-squares parabolas through one valley, for many resamples of its runs at once.

A resample is a row of counts: how often each run was drawn. Its parabola depends on the runs only through
sums of powers weighted by the counts, so one matrix product serves every resample (section 3.2).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Parabolas", "fit_parabolas", "fit_parabolas_to_losses"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_FLAT = 1e-9  # curvature over the half-width of the valley, relative to the loss: below it is rounding
_COLLINEAR = 1e-12  # share of the spread of z^2 that is not explained by 1 and z


@dataclass(frozen=True, eq=False)
class Parabolas:
    """``c0 + c1 (z - center) + c2 (z - center)^2`` for each resample; arrays of shape (n_resamples,).

    Where there are fewer than three distinct sizes, or c2 does not tell a minimum, fields are NaN.
    """

    center: FloatArray
    """Mean of z over the resample."""
    c0: FloatArray
    """Value at the center, nats per token."""
    c1: FloatArray
    """Slope at the center."""
    c2: FloatArray
    """Half the second derivative."""
    determined: npt.NDArray[np.bool_]
    """Whether the resample holds three distinct sizes or more."""
    opens_upward: npt.NDArray[np.bool_]
    """Whether the parabola has a minimum."""

    @property
    def argmin(self) -> FloatArray:
        """Position of the minimum; NaN where there is none."""
        return self.center - 0.5 * np.divide(
            self.c1, self.c2, out=np.full_like(self.c1, np.nan), where=self.opens_upward
        )

    def predict(self, z: FloatArray) -> FloatArray:
        """Values at positions `z`; shape (n_resamples, len(z))."""
        u = z - self.center[:, None]
        return self.c0[:, None] + u * (self.c1[:, None] + u * self.c2[:, None])


def fit_parabolas(z: FloatArray, size: IntArray, loss: FloatArray, counts: IntArray) -> Parabolas:
    """Fit a parabola to each resample of a valley.

    Parameters
    ----------
    z : array of float, shape (n_runs,)
        Logarithm of the size, centred and scaled to -1 .. 1.
    size : array of int, shape (n_runs,)
        Number of the distinct size that each run has, from 0, ascending.
    loss : array of float, shape (n_runs,)
        Nats per token.
    counts : array of int, shape (n_resamples, n_runs)
        How often each run occurs in each resample; a row of ones is the sample itself.

    Returns
    -------
    Parabolas

    Examples
    --------
    >>> z, loss = np.linspace(-1, 1, 5), np.array([3.4, 2.5, 2.0, 2.1, 2.6])
    >>> fits = fit_parabolas(z, np.arange(5), loss, np.array([[1, 1, 1, 1, 1], [0, 2, 1, 1, 1]]))
    >>> fits.argmin.round(3)
    array([0.206, 0.212])
    """
    level = float(loss.mean())
    powers = np.stack([z**k for k in range(1, 5)], axis=1)
    y = (loss - level)[:, None]
    features = np.concatenate([powers, y, y * powers[:, :2]], axis=1)
    weights = counts.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    s1, s2, s3, s4, t0, t1, t2 = ((weights @ features) / total).T
    firsts = np.flatnonzero(np.diff(size, prepend=-1))
    determined = np.count_nonzero(np.add.reduceat(counts, firsts, axis=1), axis=1) >= 3

    # Moments about the mean of the resample: least squares on 1, u and u^2 by elimination.
    m2 = s2 - s1**2
    m3 = s3 - s1 * (3 * s2 - 2 * s1**2)
    m4 = s4 - s1 * (4 * s3 - s1 * (6 * s2 - 3 * s1**2))
    determined &= m2 > 0
    m2 = np.where(determined, m2, 1.0)
    spread = m4 - m2**2 - m3**2 / m2
    determined &= spread > _COLLINEAR * m4
    spread = np.where(determined, spread, 1.0)
    covariance = t1 - s1 * t0
    covariance_2 = t2 - s1 * (2 * t1 - s1 * t0) - m2 * t0
    c2 = (covariance_2 - covariance * m3 / m2) / spread
    c1 = (covariance - c2 * m3) / m2
    c0 = level + t0 - c2 * m2
    c0, c1, c2 = (np.where(determined, c, np.nan) for c in (c0, c1, c2))
    return Parabolas(
        center=s1,
        c0=c0,
        c1=c1,
        c2=c2,
        determined=determined,
        opens_upward=determined & (c2 > _FLAT * level),
    )


def fit_parabolas_to_losses(z: FloatArray, loss: FloatArray) -> Parabolas:
    """Fit a parabola to each of many measurements of one valley.

    Parameters
    ----------
    z : array of float, shape (n_runs,)
        As `fit_parabolas`; three distinct values or more.
    loss : array of float, shape (n_resamples, n_runs)
        Nats per token.

    Returns
    -------
    Parabolas

    Examples
    --------
    >>> z = np.linspace(-1, 1, 5)
    >>> fits = fit_parabolas_to_losses(z, np.array([2 + (z - 0.2) ** 2, 2 + 3 * (z + 0.1) ** 2]))
    >>> fits.argmin.round(6)
    array([ 0.2, -0.1])
    """
    center = z.mean()
    c0, c1, c2 = np.linalg.pinv(np.vander(z - center, 3, increasing=True)) @ loss.T
    everywhere = np.ones(len(loss), dtype=np.bool_)
    return Parabolas(
        center=np.full(len(loss), center),
        c0=c0,
        c1=c1,
        c2=c2,
        determined=everywhere,
        opens_upward=c2 > _FLAT * loss.mean(axis=1),
    )
