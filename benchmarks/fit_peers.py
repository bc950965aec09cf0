"""Other ways to the fit of Approach 3, for `benchmarks.fit`: what they do from one start or one resample."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from chinchilla_lib.fitting.objective import huber, paper_objective
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "HOFFMANN",
    "Descend",
    "automatic_gradients",
    "descend_epoch",
    "descend_scipy",
    "fit_package",
    "refit_epoch",
    "refit_scipy",
]

FloatArray = npt.NDArray[np.float64]
Descend = Callable[[SweepTable, FloatArray], tuple[float, FloatArray]]

HOFFMANN = np.array([6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083])
"""a, b, e, alpha and beta before rounding, where Epoch's resamples start."""

_DELTA = 1e-3


def descend_epoch(table: SweepTable, start: FloatArray) -> tuple[float, FloatArray]:
    """As published by Epoch: L-BFGS-B with its default tolerances and differences for a gradient."""

    def value(params: FloatArray) -> float:
        a, b, e, alpha, beta = params
        size, tokens = np.log(table.n_params), np.log(table.n_tokens)
        surface = np.exp(a - alpha * size) + np.exp(b - beta * tokens) + np.exp(e)
        return float(huber(np.log(table.loss) - np.log(surface), _DELTA).sum())

    found = minimize(value, start, method="L-BFGS-B")
    return float(found.fun), np.asarray(found.x)


def descend_scipy(table: SweepTable, start: FloatArray) -> tuple[float, FloatArray]:
    """L-BFGS-B with the gradient in closed form and tight tolerances."""
    found = minimize(
        paper_objective(table),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 15_000, "maxfun": 15_000, "ftol": 1e-15, "gtol": 1e-12},
    )
    return float(found.fun), np.asarray(found.x)


def automatic_gradients() -> bool:
    """Whether `autograd`, with which Epoch's code differentiates, is installed."""
    return find_spec("autograd") is not None


def refit_epoch(table: SweepTable, fitted: FloatArray) -> tuple[float, FloatArray]:
    """As published: BFGS from the paper's law, with gradients by `autograd`; without it, in closed form."""
    if not automatic_gradients():
        found = minimize(paper_objective(table), HOFFMANN, jac=True, method="BFGS")
        return float(found.fun), np.asarray(found.x)
    grad, anp = import_module("autograd").grad, import_module("autograd.numpy")
    size, tokens, log_loss = (np.log(values) for values in (table.n_params, table.n_tokens, table.loss))

    def value(params: FloatArray) -> Any:
        a, b, e, alpha, beta = params
        surface = anp.exp(a - alpha * size) + anp.exp(b - beta * tokens) + anp.exp(e)
        reach = anp.abs(log_loss - anp.log(surface))
        return anp.sum(anp.where(reach <= _DELTA, 0.5 * reach**2, _DELTA * (reach - 0.5 * _DELTA)))

    found = minimize(value, HOFFMANN, jac=grad(value), method="BFGS")
    return float(found.fun), np.asarray(found.x)


def refit_scipy(table: SweepTable, fitted: FloatArray) -> tuple[float, FloatArray]:
    """L-BFGS-B with tight tolerances from the fit to all runs."""
    return descend_scipy(table, fitted)


def fit_package(table: SweepTable, folder: str, grid: FloatArray) -> float | None:
    """PyPI's `chinchilla` 0.2.0 on the same objective, averaged as it does; None if it is not installed.

    Returns the sum at its optimum.
    """
    try:
        if version("chinchilla") != "0.2.0":
            return None
        library, metrics = import_module("chinchilla"), import_module("chinchilla._metrics")
    except (ImportError, PackageNotFoundError):
        return None
    names = ("a", "b", "e", "alpha", "beta")
    param_grid = {name: np.unique(column) for name, column in zip(names, grid.T, strict=True)}
    peer = library.Chinchilla(folder, param_grid=param_grid, loss_fn=partial(metrics.log_huber, delta=_DELTA))
    for n_params, n_tokens, loss in zip(table.n_params, table.n_tokens, table.loss, strict=True):
        peer.database.append(C=6 * n_params * n_tokens, N=n_params, D=n_tokens, loss=loss)
    peer.fit(parallel=False)
    law = (np.log(peer.A), np.log(peer.B), np.log(peer.E), peer.alpha, peer.beta)
    return paper_objective(table)(np.array(law))[0]
