"""The fit of published points, recorded for those who do not have the points.

Made by ``record_published_fit("chinchilla_lib/reference/recorded")`` and `record_published_draws`, with the
points at hand.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting import PARAMETRIC, FrontierFit, bootstrap_fit
from chinchilla_lib.reference.published import load_published
from chinchilla_lib.reference.recorded import load_recorded, record_computation

__all__ = ["BUDGETS", "frontier_rows", "load_draws", "record_published_draws", "record_published_fit"]

FloatArray = npt.NDArray[np.float64]

BUDGETS: Final = tuple(float(f"{flops:.4g}") for flops in np.geomspace(1e18, 1e27, 37))
"""Budgets of the recorded frontier, FLOPs."""

_QUANTITIES: Final = ("n_params", "n_tokens", "loss")
_DRAWN: Final = ("E", "log_A", "log_B", "alpha", "beta")


def frontier_rows(fit: FrontierFit, level: float = 0.9) -> list[dict[str, float]]:
    """The frontier of a fit at `BUDGETS`: each quantity, and its low and high end where the fit knows them.

    Parameters
    ----------
    fit : FrontierFit
        With bootstrap draws.
    level : float
        Level of the intervals.
    """
    rows = []
    for flops in BUDGETS:
        allocation = fit.allocate(flops, level)
        row = {"flops": flops, "level": level}
        for name in _QUANTITIES:
            row[name] = getattr(allocation, name)
            row[f"{name}_low"], row[f"{name}_high"] = getattr(allocation, f"{name}_interval")
        rows.append(row)
    return rows


def record_published_fit(folder: str | Path, *, n_draws: int = 4000, seed: int = 0) -> None:
    """Fit Approach 3 to the 240 points of Figure 4 and write the frontier to ``folder/epoch-frontier``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    table = load_published("epoch_fig4")

    def compute() -> list[dict[str, str]]:
        rows = frontier_rows(bootstrap_fit(PARAMETRIC, table, n_draws=n_draws, seed=seed))
        return [{name: f"{value:.6g}" for name, value in row.items()} for row in rows]

    record_computation(
        Path(folder) / "epoch-frontier",
        f"record_published_fit(DIR, n_draws={n_draws}, seed={seed}) of {__name__}",
        compute,
        n_runs=len(table),
        corpus=table.source,
        seed=seed,
    )


def record_published_draws(folder: str | Path, *, n_draws: int = 500, seed: int = 0) -> None:
    """Fit Approach 3 to resamples of the same points and write the laws to ``folder/epoch-draws``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    table = load_published("epoch_fig4")

    def compute() -> list[dict[str, str]]:
        draws = bootstrap_fit(PARAMETRIC, table, n_draws=n_draws, seed=seed).draws
        assert draws is not None and draws.law is not None
        return [{name: f"{value:.8g}" for name, value in zip(_DRAWN, law, strict=True)} for law in draws.law]

    record_computation(
        Path(folder) / "epoch-draws",
        f"record_published_draws(DIR, n_draws={n_draws}, seed={seed}) of {__name__}",
        compute,
        n_runs=len(table),
        corpus=table.source,
        seed=seed,
    )


def load_draws() -> FloatArray:
    """The recorded laws: E, ln A, ln B, alpha and beta of each resample, shape (n_draws, 5).

    Examples
    --------
    >>> load_draws().shape
    (500, 5)
    """
    return np.array([[float(row[name]) for name in _DRAWN] for row in load_recorded("epoch-draws").rows])
