"""Runs that can be bought: sizes by token counts near those of a sweep, priced as it counts FLOPs."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["Candidates", "candidate_grid"]

FloatArray = npt.NDArray[np.float64]

_SMALLEST: Final = 1_000.0
_FINEST: Final = 200


@dataclass(frozen=True, eq=False)
class Candidates:
    """Runs that can be bought; arrays of shape (n_candidates,).

    Raises
    ------
    InputError
        If columns differ in length or a number is not finite and above 0.
    """

    n_params: FloatArray
    """Parameters."""
    n_tokens: FloatArray
    """Training tokens."""
    flops: FloatArray
    """Price of one run in FLOPs."""

    def __post_init__(self) -> None:
        shapes = {np.shape(getattr(self, name)) for name in ("n_params", "n_tokens", "flops")}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1 or not len(self.flops):
            raise InputError(
                f"candidates need columns of one length, 1 or more, found shapes {sorted(shapes)}"
            )
        for name in ("n_params", "n_tokens", "flops"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            good = np.isfinite(values) & (values > 0)
            if not good.all():
                raise InputError(
                    f"{name} of candidates must be finite and above 0, found {values[~good][0]}; "
                    "give plain counts"
                )
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.flops)


def candidate_grid(
    table: SweepTable,
    *,
    n_params: tuple[float, float] | None = None,
    n_tokens: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    flops: tuple[float, float] | None = None,
    factor: float = 2.0,
    n_grid: int = 25,
) -> Candidates:
    """Every size of a range with every token count of another, evenly spaced in logarithms.

    Parameters
    ----------
    table : SweepTable
        The runs so far. A candidate costs 6ND times what runs of its size cost over 6ND in the table,
        interpolated in ln N, so that FLOPs are counted as there.
    n_params, n_tokens : tuple of float, optional
        Lowest and highest; by default those of the runs, stretched.
    ratio : tuple of float, optional
        Lowest and highest tokens per parameter; by default those of the runs, stretched: the law's word on
        other ratios is a guess, and the corners of the ranges are hundreds of times beyond them.
    flops : tuple of float, optional
        Lowest and highest FLOPs of one run; by default all are offered.
    factor : float
        By how much default ranges are stretched on either side, 1 or above.
    n_grid : int
        Values of each, 2 to 200; one where a range is a point.

    Returns
    -------
    Candidates
        With whole counts.

    Raises
    ------
    InputError
        If an argument is out of range, or no candidate is left.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> offered = candidate_grid(runs, ratio=(10, 40), n_grid=10)
    >>> ratios = offered.n_tokens / offered.n_params
    >>> len(ratios), bool(10 <= ratios.min() < ratios.max() <= 40)
    (19, True)
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise InputError(f"factor must be finite and 1 or above, found {factor!r}; 2 is the default")
    if not 2 <= n_grid <= _FINEST:
        raise InputError(f"n_grid must be from 2 to {_FINEST}, found {n_grid!r}; 25 is the default")
    sizes, tokens = (
        _spaced(name, given, getattr(table, name), factor, n_grid)
        for name, given in (("n_params", n_params), ("n_tokens", n_tokens))
    )
    size, length = (values.ravel() for values in np.meshgrid(sizes, tokens, indexing="ij"))
    if ratio is None:
        known = table.n_tokens / table.n_params
        ratio = float(known.min()) / factor, float(known.max()) * factor
    price = 6 * size * length * _price_ratio(table, size)
    kept = np.ones(len(size), dtype=np.bool_)
    for values, bounds in ((length / size, ratio), (price, flops)):
        if bounds is not None:
            kept &= (values >= bounds[0]) & (values <= bounds[1])
    if not kept.any():
        raise InputError(
            f"of {len(kept)} candidates none has tokens per parameter in {_bounds(ratio)} and FLOPs in "
            f"{_bounds(flops)}; give wider bounds, or a finer grid"
        )
    return Candidates(size[kept], length[kept], price[kept])


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "any range" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g}"


def _spaced(
    name: str, given: tuple[float, float] | None, known: FloatArray, factor: float, n_grid: int
) -> FloatArray:
    low, high = (known.min() / factor, known.max() * factor) if given is None else given
    if given is None:
        low = min(max(low, _SMALLEST), float(known.min()))
    if not (math.isfinite(high) and _SMALLEST <= low <= high):
        raise InputError(
            f"{name} must go from a count of 1,000 or more to one that is no smaller, found "
            f"{low:.4g} to {high:.4g}; give plain counts"
        )
    return np.unique(np.round(np.geomspace(low, high, n_grid)))


def _price_ratio(table: SweepTable, n_params: FloatArray) -> FloatArray:
    """FLOPs of the table over 6ND at some sizes."""
    sizes, label = np.unique(table.n_params, return_inverse=True)
    ratio = np.log(table.flops / (6 * table.n_params * table.n_tokens))
    mean = np.bincount(label, weights=ratio) / np.bincount(label)
    return np.asarray(np.exp(np.interp(np.log(n_params), np.log(sizes), mean)), dtype=np.float64)
