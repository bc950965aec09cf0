"""Power laws by least squares in log-log coordinates."""

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import PowerLaw

__all__ = ["fit_log_lines", "fit_power_law", "fit_weighted_log_lines"]

FloatArray = npt.NDArray[np.float64]


def fit_power_law(x: npt.ArrayLike, y: npt.ArrayLike) -> PowerLaw:
    """Fit ``y = coefficient * x ** exponent`` by least squares on the logarithms.

    Parameters
    ----------
    x, y : array of float, shape (n_points,)
        Above 0; at least two different `x`.

    Raises
    ------
    InputError
        If a value is not finite and positive, shapes differ, or all `x` are equal.

    Examples
    --------
    >>> law = fit_power_law([1e18, 1e20], [1e9, 1e10])
    >>> round(law.exponent, 12)
    0.5
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise InputError(f"x and y must be columns of equal length, found shapes {xs.shape} and {ys.shape}")
    for name, values in (("x", xs), ("y", ys)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(f"{name} must be finite and above 0 everywhere to have a logarithm")
    intercept, slope = fit_log_lines(np.log(xs), np.log(ys)[None, :])
    return PowerLaw.from_log(float(intercept[0]), float(slope[0]))


def fit_log_lines(log_x: FloatArray, log_y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fit ``log_y = intercept + slope * log_x`` to many rows at once.

    Parameters
    ----------
    log_x : array of float, shape (n_points,)
    log_y : array of float, shape (n_rows, n_points)

    Returns
    -------
    intercept, slope : array of float, shape (n_rows,)

    Raises
    ------
    InputError
        If there are not two different `log_x`.

    Examples
    --------
    >>> compute = np.log([1e18, 1e19, 1e20])
    >>> intercept, slope = fit_log_lines(compute, np.array([0.5 * compute - 2, 0.73 * compute - 7]))
    >>> slope.round(6), intercept.round(6)
    (array([0.5 , 0.73]), array([-2., -7.]))
    """
    if log_x.size < 2 or np.ptp(log_x) <= 1e-12 * np.abs(log_x).max():
        raise InputError(
            f"a power law needs points at two different x or more, found {log_x.size} at one; "
            "add runs at another budget"
        )
    mean = log_x.mean()
    centred = log_x - mean
    slope = log_y @ centred / (centred @ centred)
    return log_y.mean(axis=1) - slope * mean, slope


def fit_weighted_log_lines(
    log_x: FloatArray, log_y: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """As `fit_log_lines`, with weights of their own for the points of each row.

    Parameters
    ----------
    log_x : array of float, shape (n_points,)
    log_y, weights : array of float, shape (n_rows, n_points)
        Finite, also where the weight is 0.

    Returns
    -------
    intercept, slope : array of float, shape (n_rows,)
        The slope is 0 where the weighted points lie at one x.

    Examples
    --------
    >>> x, y = np.array([0.0, 1.0, 2.0]), np.array([[0.0, 0.5, 9.0]])
    >>> _, slope = fit_weighted_log_lines(x, y, weights=np.array([[1.0, 1.0, 0.0]]))
    >>> slope.round(6)
    array([0.5])
    """
    middle = log_x.mean()
    x, total = log_x - middle, weights.sum(axis=1)
    total = np.where(total > 0, total, 1.0)
    mean_x, mean_y = weights @ x / total, (weights * log_y).sum(axis=1) / total
    spread = weights @ x**2 - total * mean_x**2
    product = (weights * log_y) @ x - total * mean_x * mean_y
    slope = np.divide(product, spread, out=np.zeros_like(spread), where=spread > 0)
    return mean_y - slope * (mean_x + middle), slope
