"""Refits of many resamples for Approach 3.

Each is followed from the fit to all runs, and one in 32 (each, if they are few) also from a projection
start of its own; if one of these ends lower, the others have theirs followed, too. What ends without a check
is followed again, more carefully, from 16 starts.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.least_absolute import SMOOTH
from chinchilla_lib.fitting.newton import Minimum
from chinchilla_lib.fitting.objective import EXACT, Runs, huber
from chinchilla_lib.fitting.projection import projection_starts
from chinchilla_lib.fitting.search import Space, approach, finish

__all__ = ["refit_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

_CHECKED: Final = 1e-12
_SAME: Final = 1e-9
_EVERY: Final = 32
_FEW: Final = 64
_STARTS: Final = 16


def refit_rows(runs: Runs, warm: FloatArray, delta: float, space: Space) -> tuple[FloatArray, BoolArray]:
    """Find the optimum of each row of losses or weights.

    Parameters
    ----------
    runs : Runs
        With one row of losses, or of whole weights, for each resample.
    warm : array of float, shape (1, 5)
        Parameters of the fit to all runs.
    delta : float
        A smaller one than 1e-6 is taken for 1e-6, which no interval can tell.
    space : Space

    Returns
    -------
    params : array of float, shape (n_rows, 5)
    checked : array of bool, shape (n_rows,)
        Whether the model promises less than 1e-12 of the value at another step.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> from dataclasses import replace
    >>> data = Runs.from_table(runs, np.arange(len(runs)))
    >>> warm = data.from_law(np.array([[1.7, 6.0, 6.0, 0.34, 0.28]]))
    >>> weights = np.random.default_rng(0).multinomial(len(runs), np.full(len(runs), 1 / len(runs)), 2)
    >>> params, checked = refit_rows(replace(data, weights=weights.astype(float)), warm, 1e-3, Space())
    >>> data.to_law(params)[:, 3].round(3), checked
    (array([0.34, 0.34]), array([ True,  True]))
    """
    delta = max(delta, SMOOTH)
    n_rows = len(runs.log_loss) if runs.weights is None else len(runs.weights)
    end = finish(runs, np.repeat(space.to_free(warm), n_rows, axis=0), delta, space)
    rows = np.arange(n_rows)
    every = max(1, min(_EVERY, n_rows // _FEW))
    if _second_start(runs, end, rows[::every], delta, space) and every > 1:
        _second_start(runs, end, np.delete(rows, np.s_[::every]), delta, space)
    nothing = len(runs.x) * float(huber(np.array([EXACT]), delta)[0])
    left = np.flatnonzero(~(end.predicted <= _CHECKED * (end.value + nothing)))
    if left.size:
        starts = projection_starts(runs.take(left), _STARTS, tied=space.tied, floor=space.floor)
        others = runs.take(np.repeat(left, _STARTS))
        near = approach(others, space.to_free(starts.reshape(-1, 5)), delta, space, careful=True)
        found = finish(others, near, delta, space)
        best = found.value.reshape(-1, _STARTS).argmin(axis=1) + _STARTS * np.arange(len(left))
        parts = (found.point, found.value, found.gradient, found.predicted)
        _improve(end, left, Minimum(*(part[best] for part in parts)))
    return space.to_params(end.point), end.predicted <= _CHECKED * (end.value + nothing)


def _second_start(runs: Runs, end: Minimum, rows: IntArray, delta: float, space: Space) -> bool:
    """Follow a projection start of each of some rows, too; whether any ended lower."""
    others, before = runs.take(rows), end.value[rows]
    own = projection_starts(others, 1, tied=space.tied, floor=space.floor)[:, 0]
    near = approach(others, space.to_free(own), delta, space)
    _improve(end, rows, finish(others, near, delta, space))
    return bool((end.value[rows] < before * (1 - _SAME)).any())


def _improve(end: Minimum, rows: IntArray, other: Minimum) -> None:
    """Put another end of some rows where it is lower, or as low and better checked."""
    lower = other.value < end.value[rows]
    lower |= (other.value <= end.value[rows] * (1 + _SAME)) & (other.predicted < end.predicted[rows])
    won = rows[lower]
    end.point[won], end.value[won] = other.point[lower], other.value[lower]
    end.predicted[won] = other.predicted[lower]
