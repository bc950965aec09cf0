"""The pairs bootstrap, stratified by compute budget, for any estimator.

A draw takes, within each stratum, as many runs as the stratum has, with replacement. An estimator sees
draws as rows of counts, so it may refit many in one array call.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import BootstrapReport
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["MAX_DRAWS", "Estimator", "bootstrap_fit", "resample_counts"]

IntArray = npt.NDArray[np.int64]

MAX_DRAWS: Final = 1_000_000
_CELLS: Final = 4_000_000  # counts held at once


@dataclass(frozen=True)
class Estimator:
    """What the bootstrap needs to know of a method."""

    method: str
    """Its name, as `FrontierFit.method`."""
    fit: Callable[[SweepTable], FrontierFit]
    """Fits a table."""
    strata: Callable[[FrontierFit], Sequence[IntArray]]
    """The runs, by position in the table, that are resampled together."""
    refit: Callable[[FrontierFit, Sequence[IntArray]], tuple[FrontierDraws, Sequence[str]]]
    """Refits resamples, given for each stratum as counts of shape (n_draws, n_runs of the stratum).

    Returns the usable draws and, for each of the others, the reason why it is not usable.
    """


def bootstrap_fit(
    estimator: Estimator, table: SweepTable, *, n_draws: int = 1000, seed: int = 0
) -> FrontierFit:
    """Fit a table and attach bootstrap draws, from which intervals are read.

    Parameters
    ----------
    estimator : Estimator
        For example `chinchilla_lib.fitting.ISOFLOP`.
    table : SweepTable
        The runs.
    n_draws : int
        Resamples, 0 to `MAX_DRAWS`; with 0 there are no draws and no intervals.
    seed : int
        Seed of the resampling, 0 or above; kept in ``diagnostics.bootstrap``. The result does not
        depend on the order of the rows.

    Returns
    -------
    FrontierFit
        With `draws`; resamples that are not usable are counted by reason in ``diagnostics.bootstrap``.

    Raises
    ------
    InputError
        If the table cannot be fitted, or `n_draws` or `seed` is out of range.
    """
    if not 0 <= n_draws <= MAX_DRAWS:
        raise InputError(f"the number of bootstrap draws must be from 0 to {MAX_DRAWS}, found {n_draws}")
    if seed < 0:
        raise InputError(f"the seed must be a whole number, 0 or above, found {seed}")
    fit = estimator.fit(table)
    if n_draws == 0:
        return fit
    strata = estimator.strata(fit)
    batches: list[FrontierDraws] = []
    reasons: Counter[str] = Counter()
    for counts in resample_counts([len(stratum) for stratum in strata], n_draws, np.random.default_rng(seed)):
        draws, unusable = estimator.refit(fit, counts)
        batches.append(draws)
        reasons.update(unusable)
    report = BootstrapReport(
        n_requested=n_draws,
        n_usable=n_draws - reasons.total(),
        unusable=dict(sorted(reasons.items())),
        smallest_stratum=min(len(stratum) for stratum in strata),
        seed=seed,
    )
    diagnostics = replace(
        fit.diagnostics, bootstrap=report, messages=(*fit.diagnostics.messages, *report.messages())
    )
    return replace(fit, draws=FrontierDraws.concatenate(batches), diagnostics=diagnostics)


def resample_counts(
    sizes: Sequence[int], n_draws: int, rng: np.random.Generator, n_cells: int = _CELLS
) -> Iterator[list[IntArray]]:
    """Draw the counts of a stratified pairs bootstrap, in batches of draws.

    Each stratum has its own stream, spawned from `rng`, so the counts do not depend on the size of the
    batches.

    Parameters
    ----------
    sizes : sequence of int
        Runs in each stratum.
    n_draws : int
        How many draws in all.
    rng : numpy.random.Generator
        Source of the streams.
    n_cells : int
        Counts held at once, roughly.

    Yields
    ------
    list of array of int, shape (n_batch, n_runs of the stratum)
        For each stratum; every row sums to the number of its runs.
    """
    streams = rng.spawn(len(sizes))
    batch = max(1, n_cells // sum(sizes))
    for start in range(0, n_draws, batch):
        n_batch = min(batch, n_draws - start)
        rows = np.arange(n_batch)[:, None]
        yield [
            np.bincount(
                (rows * n_runs + stream.integers(n_runs, size=(n_batch, n_runs))).ravel(),
                minlength=n_batch * n_runs,
            ).reshape(n_batch, n_runs)
            for n_runs, stream in zip(sizes, streams, strict=True)
        ]
