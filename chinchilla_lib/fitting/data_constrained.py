"""Repeated data: the law of Muennighoff et al. (2023) fitted to runs, and optima where data are limited."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.counts import check_counts, repeated_rows
from chinchilla_lib.fitting.diagnostics import OptimumCheck
from chinchilla_lib.fitting.repeated_surface import TOLD_RANGE, RepeatedSurface
from chinchilla_lib.fitting.surface import check_delta
from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
from chinchilla_lib.sweeps.table import SweepTable

__all__ = [
    "DataConstrainedAllocation",
    "DataConstrainedFit",
    "allocate_data_constrained",
    "fit_data_constrained",
]

FloatArray = npt.NDArray[np.float64]

_REPEATED: Final = 1e-9
_SIDE: Final = 12.0  # in ln N, around the optimum of fresh data
_POINTS: Final = 2401


@dataclass(frozen=True, eq=False)
class DataConstrainedFit:
    """The law of repeated data, fitted to runs."""

    table: SweepTable
    """The runs."""
    unique_tokens: FloatArray
    """Different tokens that each run saw."""
    law: RepeatedDataLoss
    """The law."""
    fitted: tuple[str, ...]
    """What was free: ``r_d``, ``r_n``, and the five fields of the law of fresh data."""
    residuals: FloatArray
    """Measured minus fitted loss of each run, nats per token."""
    delta: float
    """Of Huber's function."""
    objective: float
    """Sum over runs of Huber's function of ln(fitted / measured loss)."""
    optimum: OptimumCheck
    """What was checked at the optimum."""
    messages: tuple[str, ...]
    """What to know before using the fit."""

    def __str__(self) -> str:
        fresh = self.law.law
        lines = [
            f"repeated data: {len(self.table)} runs of {self.table.source}, fitted {', '.join(self.fitted)}",
            f"  R*_D {self.law.r_d:.4g}, R*_N {self.law.r_n:.4g}, objective {self.objective:.6g}",
            f"  L = {fresh.E:.4f} + {fresh.A:.5g} / N'^{fresh.alpha:.4f} "
            f"+ {fresh.B:.5g} / D'^{fresh.beta:.4f}",
        ]
        return "\n".join([*lines, *(f"  note: {message}" for message in self.messages)])


@dataclass(frozen=True)
class DataConstrainedAllocation:
    """The run of lowest loss for a budget, where unique tokens are limited."""

    flops: float
    """The budget, 6ND."""
    unique_tokens: float
    """Tokens there are."""
    n_params: float
    """Parameters."""
    n_tokens: float
    """Training tokens, repeated ones included."""
    loss: float
    """Nats per token."""
    fresh_n_params: float
    """The optimum of the same budget were data endless: parameters."""
    fresh_n_tokens: float
    """Its training tokens."""
    fresh_loss: float
    """Its loss."""

    @property
    def epochs(self) -> float:
        """Passes over the unique tokens; below 1 where some stay unseen."""
        return self.n_tokens / self.unique_tokens

    def __str__(self) -> str:
        return (
            f"{format_flops(self.flops)} FLOPs, {format_count(self.unique_tokens)} unique tokens: "
            f"{format_count(self.n_params)} parameters on {format_count(self.n_tokens)} tokens "
            f"({self.epochs:.3g} epochs), loss {self.loss:.4f}; with endless data "
            f"{format_count(self.fresh_n_params)} on {format_count(self.fresh_n_tokens)}, "
            f"loss {self.fresh_loss:.4f}"
        )


def fit_data_constrained(
    table: SweepTable,
    unique_tokens: npt.ArrayLike,
    *,
    law: ParametricLoss | None = None,
    r_n: float | None = math.inf,
    delta: float = 1e-3,
) -> DataConstrainedFit:
    """Fit R*_D, and on demand R*_N and the law of fresh data, to runs some of which repeat their tokens.

    Parameters
    ----------
    table : SweepTable
        More runs than free parameters.
    unique_tokens : array of float, shape (n_runs,)
        Different tokens that there were for each run; more than its training tokens count as those.
    law : ParametricLoss, optional
        The law of fresh data, held as it is; by default it is fitted along.
    r_n : float, optional
        Where R*_N is held, above 0; infinity, at which all parameters count, or None to fit it.
    delta : float
        Of Huber's function of ln(fitted / measured loss), above 0; infinity is least squares.

    Raises
    ------
    InputError
        If no run repeats its tokens, the runs cannot determine what is free, or an argument is out of range.

    Notes
    -----
    Several optima are usual. With R*_N free the search also begins where R*_N is infinite, and says infinite
    where no finite value has a lower objective, so that the objective is never above that of
    ``r_n=math.inf``.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from chinchilla_lib.laws import ParametricLoss, RepeatedDataLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_table
    >>> fresh = ParametricLoss(E=1.8, A=480, B=2000, alpha=0.35, beta=0.37)
    >>> truth = RepeatedDataLoss(fresh, r_d=12, r_n=math.inf)
    >>> sizes, tokens = np.tile([5e8, 1e9], 4), np.geomspace(1e9, 1e11, 8)
    >>> unique = np.full(8, 1e9)
    >>> table = replace(simulate_table(fresh, sizes, tokens), loss=truth.loss(sizes, tokens, unique))
    >>> round(fit_data_constrained(table, unique, law=fresh).law.r_d, 3)
    12.0
    """
    check_delta(delta)
    if r_n is not None and not r_n > 0:
        raise InputError(f"r_n must be above 0 or None, found {r_n!r}; infinity counts all parameters")
    unique = _check_unique(table, unique_tokens)
    names = (
        "r_d",
        *(("r_n",) if r_n is None else ()),
        *(("E", "A", "B", "alpha", "beta") if law is None else ()),
    )
    if len(table) <= len(names):
        raise InputError(
            f"{table.where(range(len(table)), 'loss')}: {len(table)} runs for {len(names)} free parameters; "
            f"give {len(names) + 1} runs or more"
        )
    surface = RepeatedSurface(
        np.log(table.n_params), np.log(table.n_tokens), np.log(unique), law=law, r_n=r_n
    )
    surface, found = surface.lowest(table, delta)
    fitted = surface.law_of(found.params)
    return DataConstrainedFit(
        table=table,
        unique_tokens=unique,
        law=fitted,
        fitted=names,
        residuals=-table.loss * np.expm1(surface(found.params[None])[0] - np.log(table.loss)),
        delta=delta,
        objective=found.value,
        optimum=found.check,
        messages=(*repeated_rows(table), *_messages(fitted, names, found.check)),
    )


def _check_unique(table: SweepTable, unique_tokens: npt.ArrayLike) -> FloatArray:
    """The unique tokens that each run saw."""
    check_counts(table)
    unique = np.asarray(unique_tokens, dtype=np.float64)
    if unique.shape != (len(table),):
        raise InputError(
            f"unique_tokens has the shape {unique.shape}, but there are {len(table)} runs; give one per run"
        )
    if not (np.isfinite(unique) & (unique > 0)).all():
        position = int(np.argmin(np.isfinite(unique) & (unique > 0)))
        raise InputError(
            f"unique_tokens must be finite and above 0, found {unique[position]} for run "
            f"{table.run_id[position]!r}; give plain counts"
        )
    unique = np.minimum(unique, table.n_tokens)
    if (table.n_tokens / unique - 1).max() < _REPEATED:
        raise InputError(
            f"{table.source}: no run repeats its tokens, so nothing tells what repeats are worth; "
            "add runs with fewer unique tokens than training tokens"
        )
    return unique


def _messages(law: RepeatedDataLoss, names: tuple[str, ...], check: OptimumCheck) -> list[str]:
    messages = []
    for name, value in (("r_d", law.r_d), ("r_n", law.r_n)):
        if name in names and not TOLD_RANGE[0] < value < TOLD_RANGE[1]:
            messages.append(f"{name} came out at the end of its range, {value:.3g}: the runs do not tell it")
    return messages + check.messages()


def allocate_data_constrained(
    law: RepeatedDataLoss, flops: float, unique_tokens: float
) -> DataConstrainedAllocation:
    """The run of lowest loss for a budget, where only so many unique tokens are to be had.

    Parameters
    ----------
    law : RepeatedDataLoss
    flops : float
        The budget, 6ND, above 0.
    unique_tokens : float
        Above 0.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    The example of the repository of Muennighoff et al. (2023), whose grid of 0.4 % steps ends at 237B
    tokens, 9.49 epochs and 7.02B parameters:

    >>> from chinchilla_lib.reference.laws import MUENNIGHOFF
    >>> found = allocate_data_constrained(MUENNIGHOFF, 1e22, 25e9)
    >>> f"{found.n_tokens:.3g} {found.epochs:.2f} {found.n_params:.3g}"
    '2.37e+11 9.49 7.03e+09'
    """
    for name, value in (("flops", flops), ("unique_tokens", unique_tokens)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be finite and above 0, found {value!r}; give plain counts")
    fresh_n, fresh_d = law.law.n_opt(flops), law.law.d_opt(flops)
    middle = math.log(fresh_n)

    # Without E: beside it digits of the terms that decide would be lost.
    above = replace(law, law=replace(law.law, E=0.0))

    def loss(log_n: FloatArray) -> FloatArray:
        n_params = np.exp(log_n)
        return above.loss(n_params, flops / (6 * n_params), unique_tokens)

    grid = np.linspace(middle - _SIDE, middle + _SIDE, _POINTS)
    lowest = int(np.argmin(loss(grid)))
    ends = grid[max(lowest - 1, 0)], grid[min(lowest + 1, len(grid) - 1)]
    log_n = float(
        minimize_scalar(
            lambda log_n: float(loss(np.array([log_n]))[0]),
            bounds=ends,
            method="bounded",
            options={"xatol": 1e-10},
        ).x
    )
    n_params = math.exp(log_n)
    n_tokens = flops / (6 * n_params)
    return DataConstrainedAllocation(
        flops=flops,
        unique_tokens=unique_tokens,
        n_params=n_params,
        n_tokens=n_tokens,
        loss=law.loss(n_params, n_tokens, unique_tokens),
        fresh_n_params=fresh_n,
        fresh_n_tokens=fresh_d,
        fresh_loss=law.law.loss(fresh_n, fresh_d),
    )
