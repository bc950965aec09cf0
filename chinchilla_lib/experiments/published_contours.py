"""Serving without a law: the best size by tokens served, read off between valleys, ours or published ones.

What the published valleys say is recorded for those who do not have the points, by
``record_published_contours("chinchilla_lib/reference/recorded")``, with the points at hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.fitting.iso_loss import LossContour, loss_contours
from chinchilla_lib.reference.published import load_published
from chinchilla_lib.reference.recorded import load_recorded, record_computation

__all__ = ["SHARES", "ContourSizes", "load_contour_sizes", "record_published_contours", "sizes_of"]

FloatArray = npt.NDArray[np.float64]

SHARES: Final = tuple(float(f"{share:.4g}") for share in np.geomspace(0.01, 10, 13))
"""Tokens served over the training tokens of the model that is cheapest to train."""

_RECORD: Final = "epoch-contours"


@dataclass(frozen=True, eq=False)
class ContourSizes:
    """The cheapest size at one loss by tokens served, from two neighbouring valleys."""

    flops: float
    """Budget of the lower valley, whose loss it is."""
    loss: float
    """Nats per token."""
    n_params: float
    """Parameters of the model that is cheapest to train."""
    n_tokens: float
    """Its training tokens."""
    size_factor: FloatArray
    """Parameters of the cheapest model over those at each of `SHARES`; NaN beyond the sizes trained."""

    def at(self, share: float) -> float:
        """The size factor at tokens served over training tokens, interpolated; NaN where it is not known.

        Parameters
        ----------
        share : float
            From the first to the last of `SHARES`; NaN outside.
        """
        found = np.interp(np.log(share), np.log(SHARES), self.size_factor, left=np.nan, right=np.nan)
        return float(found)


def sizes_of(contours: Iterable[LossContour]) -> tuple[ContourSizes, ...]:
    """The cheapest size on each contour, at `SHARES`.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> found = sizes_of(loss_contours(runs))
    >>> len(found)
    2
    """
    found = []
    for contour in contours:
        best = [contour.cheapest(share) for share in SHARES]
        n_params = np.array([np.nan if place is None else contour.n_params[place] for place in best])
        unserved = contour.unserved
        found.append(
            ContourSizes(
                flops=contour.flops[0],
                loss=contour.loss,
                n_params=float(contour.n_params[unserved]),
                n_tokens=float(contour.n_tokens[unserved]),
                size_factor=n_params / contour.n_params[unserved],
            )
        )
    return tuple(found)


def record_published_contours(folder: str | Path) -> None:
    """Read contours off the valleys of Figure 3 and write their cheapest sizes to ``folder/epoch-contours``.

    Raises
    ------
    InputError
        If the points are neither here nor to be had.
    """
    table = load_published("epoch_fig4", points="isoflop")
    record_computation(
        Path(folder) / _RECORD,
        f"record_published_contours(DIR) of {__name__}",
        lambda: [_row_of(sizes) for sizes in sizes_of(loss_contours(table))],
        n_runs=len(table),
        corpus=table.source,
    )


def _row_of(sizes: ContourSizes) -> dict[str, str]:
    factors = {f"{share:g}": factor for share, factor in zip(SHARES, sizes.size_factor, strict=True)}
    values = {name: getattr(sizes, name) for name in ("flops", "loss", "n_params", "n_tokens")} | factors
    return {name: "" if np.isnan(value) else f"{value:.6g}" for name, value in values.items()}


def load_contour_sizes() -> tuple[ContourSizes, ...]:
    """The recorded sizes of the published valleys, by budget.

    Examples
    --------
    >>> sizes = load_contour_sizes()
    >>> len(sizes), min(one.at(0.1) for one in sizes) > 0.9
    (7, True)
    """
    return tuple(
        ContourSizes(
            flops=float(row["flops"]),
            loss=float(row["loss"]),
            n_params=float(row["n_params"]),
            n_tokens=float(row["n_tokens"]),
            size_factor=np.array([float(row[f"{share:g}"] or "nan") for share in SHARES]),
        )
        for row in load_recorded(_RECORD).rows
    )
