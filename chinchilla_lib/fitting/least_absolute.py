"""The end of Huber's family at delta 0: least absolute deviations.

An optimum lies where as many runs as there are free parameters are fitted exactly. The smoothed optimum of a
tiny delta tells which; they are then solved for, and the corner is an optimum if the others' signs can be
balanced by weights of these runs from -1 to 1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.objective import EXACT, Runs, log_gradients, log_residuals

__all__ = ["SMOOTH", "Corner", "find_corner"]

FloatArray = npt.NDArray[np.float64]

SMOOTH: Final = 1e-6
"""The delta at which a search for a smaller one, 0 included, ends; the corner nearby comes next."""

_N_SOLVES: Final = 5


@dataclass(frozen=True, eq=False)
class Corner:
    """Where as many runs as there are free parameters are fitted exactly."""

    params: FloatArray
    """Shape (5,)."""
    unbalanced: float
    """What no weights from -1 to 1 balance, over the sum of all terms without their signs."""
    left: float
    """What the exactly fitted runs still add to the sum of absolute deviations."""


def find_corner(runs: Runs, params: FloatArray, basis: FloatArray) -> Corner | None:
    """The corner that a smoothed optimum lies at.

    Parameters
    ----------
    runs : Runs
        Without weights, of one data set.
    params : array of float, shape (5,)
        The smoothed optimum.
    basis : array of float, shape (5, n_free)
        What each free parameter moves.

    Returns
    -------
    Corner or None
        None if the runs nearest to the smoothed optimum determine none.
    """
    n_free = basis.shape[1]
    corner = params.copy()
    exact = np.argsort(np.abs(log_residuals(runs, params[None])[0]), kind="stable")[:n_free]
    for _ in range(_N_SOLVES):
        slopes = log_gradients(runs, corner[None])[0] @ basis
        try:
            corner = corner - basis @ np.linalg.solve(
                slopes[exact], log_residuals(runs, corner[None])[0, exact]
            )
        except np.linalg.LinAlgError:
            return None
    if not np.isfinite(corner[[0, 1, 3, 4]]).all() or not (corner[3:] > 0).all():
        return None
    residuals, slopes = log_residuals(runs, corner[None])[0], log_gradients(runs, corner[None])[0] @ basis
    signs = np.where(np.abs(residuals) < EXACT, 0.0, np.sign(residuals))
    signs[exact] = 0
    try:
        weights = np.linalg.solve(slopes[exact].T, -(signs @ slopes))
    except np.linalg.LinAlgError:
        return None
    rest = signs @ slopes + np.clip(weights, -1, 1) @ slopes[exact]
    unbalanced = float(np.max(np.abs(rest) / np.abs(slopes).sum(axis=0)))
    return Corner(corner, unbalanced, float(np.abs(residuals[exact]).sum()))
