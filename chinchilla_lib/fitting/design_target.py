"""Numbers that a design can be for, as functions of the parametric law, and their slopes."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss

__all__ = ["TARGETS", "target_slopes", "target_values"]

FloatArray = npt.NDArray[np.float64]

TARGETS: Final = ("a", "log_n_opt", "alpha", "beta", "E")
"""The exponent of N_opt, ln N_opt at a budget, and three numbers of the law."""

_PLACES: Final = {"E": 0, "alpha": 3, "beta": 4}


def target_values(params: FloatArray, target: str, at: float | None = None) -> FloatArray:
    """A target of many laws.

    Parameters
    ----------
    params : array of float, shape (n_laws, 5)
        E, ln A, ln B, alpha and beta of each.
    target : str
        One of `TARGETS`.
    at : float, optional
        The budget of ``log_n_opt`` in FLOPs, C = 6ND.

    Returns
    -------
    array of float, shape (n_laws,)

    Raises
    ------
    InputError
        If the target is not known or a budget is missing or not wanted.

    Examples
    --------
    >>> laws = np.array([[1.69, 6.0, 6.0, 0.34, 0.28], [1.8, 6.0, 7.6, 0.35, 0.37]])
    >>> target_values(laws, "a").round(4)
    array([0.4516, 0.5139])
    """
    if target not in TARGETS:
        raise InputError(f"target is {target!r}; give one of {', '.join(TARGETS)}")
    if (target == "log_n_opt") != (at is not None):
        raise InputError(
            f"at is {at!r} with target {target!r}; log_n_opt needs the FLOPs of a budget, others take none"
        )
    if target in _PLACES:
        return params[:, _PLACES[target]]
    _, log_a, log_b, alpha, beta = params.T
    if at is None:
        return np.asarray(beta / (alpha + beta), dtype=np.float64)
    if not (math.isfinite(at) and at > 0):
        raise InputError(f"at must be finite and above 0, found {at!r}; give a budget in FLOPs")
    ratio = np.log(alpha) + log_a - np.log(beta) - log_b
    return np.asarray((ratio + beta * math.log(at / 6)) / (alpha + beta), dtype=np.float64)


def target_slopes(law: ParametricLoss, target: str, at: float | None = None) -> tuple[float, FloatArray]:
    """A target's value, and its slopes in E, ln A, ln B, alpha and beta.

    Parameters
    ----------
    law : ParametricLoss
    target : str
        One of `TARGETS`.
    at : float, optional
        The budget of ``log_n_opt`` in FLOPs, C = 6ND.

    Raises
    ------
    InputError
        If the target is not known or a budget is missing or not wanted.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> value, slopes = target_slopes(law, "a")
    >>> f"{value:.4f}", slopes.round(3)
    ('0.4516', array([ 0.   ,  0.   ,  0.   , -0.728,  0.884]))
    """
    alpha, beta = law.alpha, law.beta
    params = np.array([[law.E, math.log(law.A), math.log(law.B), alpha, beta]])
    value = float(target_values(params, target, at)[0])
    total = alpha + beta
    slopes = np.zeros(params.shape[1])
    if at is not None:
        log_c = math.log(at / 6)
        slopes[1:] = 1 / total, -1 / total, (1 / alpha - value) / total, (log_c - 1 / beta - value) / total
    elif target == "a":
        slopes[3:] = -beta / total**2, alpha / total**2
    else:
        slopes[_PLACES[target]] = 1.0
    return value, slopes
