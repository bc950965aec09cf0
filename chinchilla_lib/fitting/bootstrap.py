"""Resampling for any estimator: the pairs bootstrap, residuals, and the paper's own subsamples.

A draw of the pairs bootstrap takes, within each stratum, as many runs as the stratum has, with
replacement. An estimator sees draws as rows of counts, so it may refit many in one array call.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import SCHEMES, BootstrapReport, Interval
from chinchilla_lib.fitting.leverage import widened
from chinchilla_lib.fitting.result import FrontierDraws, FrontierFit
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["MAX_DRAWS", "Estimator", "bootstrap_fit", "resample_counts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

MAX_DRAWS: Final = 1_000_000
_CELLS: Final = 4_000_000  # counts held at once
_SUBSAMPLE: Final = 0.8  # share of the runs in section D.2


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
    n_free: int
    """Parameters fitted to a stratum: one needs more runs than these to be resampled."""
    refit_losses: (
        Callable[[FrontierFit, Sequence[FloatArray]], tuple[FrontierDraws, Sequence[str]]] | None
    ) = None
    """The same for other losses of the same runs, for each stratum of shape (n_draws, n_runs of it)."""
    leverage: Callable[[FrontierFit], Sequence[FloatArray]] | None = None
    """Leverage of each run on its fitted loss, for each stratum; wherever there is `refit_losses`."""
    held: Mapping[str, Interval] = field(default_factory=dict)
    """By scheme, see `BootstrapReport.held`; schemes whose intervals hold what they claim are left out."""


def bootstrap_fit(
    estimator: Estimator,
    table: SweepTable,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    scheme: str = "pairs",
    on_progress: Callable[[int], None] | None = None,
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
    scheme : str
        One of `chinchilla_lib.fitting.diagnostics.SCHEMES`. ``pairs`` held under every noise tried;
        ``residual`` serves valleys too small for it, ``subsample`` is the paper's and gives intervals
        that are far too narrow. ``reference/recorded/coverage`` has how often each held the truth.
    on_progress : callable, optional
        Called with the number of draws that are done, whenever a batch of them is: of a small table that
        is all of them at once, of 50,000 runs it is 80 at a time.

    Returns
    -------
    FrontierFit
        With `draws`; resamples that are not usable are counted by reason in ``diagnostics.bootstrap``.

    Raises
    ------
    InputError
        If the table cannot be fitted, `n_draws` or `seed` is out of range, or the method does not know
        the scheme.

    Examples
    --------
    >>> from chinchilla_lib.fitting import ISOFLOP
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20], noise=0.001)
    >>> fit = bootstrap_fit(ISOFLOP, runs, n_draws=200)
    >>> low, high = fit.interval("a")
    >>> low < law.a < high
    True
    """
    if not 0 <= n_draws <= MAX_DRAWS:
        raise InputError(f"the number of bootstrap draws must be from 0 to {MAX_DRAWS}, found {n_draws}")
    if seed < 0:
        raise InputError(f"the seed must be a whole number, 0 or above, found {seed}")
    if scheme not in SCHEMES:
        raise InputError(f"scheme is {scheme!r}; give one of {', '.join(SCHEMES)}")
    if scheme == "residual" and estimator.refit_losses is None:
        raise InputError(f"method {estimator.method} has no residual scheme; use pairs")
    fit = estimator.fit(table)
    if n_draws == 0:
        return fit
    strata = estimator.strata(fit)
    batches: list[FrontierDraws] = []
    reasons: Counter[str] = Counter()
    sizes, rng = [len(stratum) for stratum in strata], np.random.default_rng(seed)
    refits: Iterator[tuple[FrontierDraws, Sequence[str]]]
    if scheme == "residual":
        assert estimator.refit_losses is not None and estimator.leverage is not None
        losses = _resample_losses(fit, strata, estimator.leverage(fit), n_draws, rng)
        refits = (estimator.refit_losses(fit, batch) for batch in losses)
    else:
        resample = resample_counts if scheme == "pairs" else subsample_counts
        refits = (estimator.refit(fit, counts) for counts in resample(sizes, n_draws, rng))
    for draws, unusable in refits:
        batches.append(draws)
        reasons.update(unusable)
        if on_progress is not None:
            on_progress(sum(len(batch.a) for batch in batches) + reasons.total())
    report = BootstrapReport(
        n_requested=n_draws,
        n_usable=n_draws - reasons.total(),
        unusable=dict(sorted(reasons.items())),
        smallest_stratum=min(len(stratum) for stratum in strata),
        seed=seed,
        scheme=scheme,
        n_free=estimator.n_free,
        held=estimator.held.get(scheme),
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

    Examples
    --------
    >>> [(fours, twos)] = resample_counts([4, 2], 3, np.random.default_rng(0))
    >>> fours.shape, fours.sum(axis=1).tolist(), twos.sum(axis=1).tolist()
    ((3, 4), [4, 4, 4], [2, 2, 2])
    """
    streams = rng.spawn(len(sizes))
    for n_batch in _batch_sizes(n_draws, sum(sizes), n_cells):
        rows = np.arange(n_batch)[:, None]
        yield [
            np.bincount(
                (rows * n_runs + stream.integers(n_runs, size=(n_batch, n_runs))).astype(np.intp).ravel(),
                minlength=n_batch * n_runs,
            ).reshape(n_batch, n_runs)
            for n_runs, stream in zip(sizes, streams, strict=True)
        ]


def subsample_counts(
    sizes: Sequence[int], n_draws: int, rng: np.random.Generator, n_cells: int = _CELLS
) -> Iterator[list[IntArray]]:
    """Draw 80 % of each stratum without replacement: counts of 0 and 1, otherwise as `resample_counts`."""
    streams = rng.spawn(len(sizes))
    for n_batch in _batch_sizes(n_draws, sum(sizes), n_cells):
        yield [
            (
                stream.permuted(np.tile(np.arange(n_runs), (n_batch, 1)), axis=1) < round(_SUBSAMPLE * n_runs)
            ).astype(np.intp)
            for n_runs, stream in zip(sizes, streams, strict=True)
        ]


def _resample_losses(
    fit: FrontierFit,
    strata: Sequence[IntArray],
    leverage: Sequence[FloatArray],
    n_draws: int,
    rng: np.random.Generator,
) -> Iterator[list[FloatArray]]:
    """Fitted losses plus each run's own residual, widened for what was fitted, with a random sign."""
    streams = rng.spawn(len(strata))
    parts = []
    for index, pull in zip(strata, leverage, strict=True):
        residuals = fit.residuals[index]
        parts.append((fit.table.loss[index] - residuals, widened(residuals, pull)))
    for n_batch in _batch_sizes(n_draws, sum(map(len, strata)), _CELLS):
        yield [
            fitted + residuals * (2 * stream.integers(2, size=(n_batch, len(residuals))) - 1)
            for (fitted, residuals), stream in zip(parts, streams, strict=True)
        ]


def _batch_sizes(n_draws: int, n_runs: int, n_cells: int) -> Iterator[int]:
    batch = max(1, n_cells // n_runs)
    for start in range(0, n_draws, batch):
        yield min(batch, n_draws - start)
