"""Loss of runs above that of others with the same size, budget and seed: what one change costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.fitting.paired import PairedDifference, pair_differences

__all__ = ["Excess", "Trace", "excess_along", "excess_over"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Excess:
    """What a change costs, pair by pair.

    Attributes
    ----------
    differences : mapping
        Loss less that of the run it is compared with, nats per token, by FLOP budget and seed.
    """

    differences: Mapping[float, Mapping[int, float]]

    @property
    def pooled(self) -> PairedDifference:
        """Mean over budgets, its interval from the scatter over seeds."""
        return pair_differences([tuple(by_seed.values()) for by_seed in self.differences.values()])

    def at(self, budget: float) -> PairedDifference:
        """Mean at one budget.

        Parameters
        ----------
        budget : float
            FLOPs, one of those of `differences`.
        """
        return pair_differences([tuple(self.differences[budget].values())])


@dataclass(frozen=True)
class Trace:
    """What a change costs while the runs go on, in training loss.

    Attributes
    ----------
    share : ndarray
        Of the run, 0 to 1, shape (P,): the middle of the steps that each point is the mean of.
    mean, half_width : ndarray
        Mean over pairs and half of its 90 % interval, nats per token, shape (P,).
    """

    share: FloatArray
    mean: FloatArray
    half_width: FloatArray

    @property
    def rises_at(self) -> float | None:
        """Share of the run from which on the change costs something, where it did not before; or None."""
        below = np.flatnonzero(self.mean <= 0)
        if not below.size or below[-1] == len(self.mean) - 1:
            return None
        last = below[-1]
        ends = slice(last, last + 2)
        return float(np.interp(0.0, self.mean[ends], self.share[ends]))


def excess_over(rows: Iterable[Row], base: Iterable[Row]) -> Excess:
    """Losses less those of other runs of the same budget, width and seed.

    Parameters
    ----------
    rows, base : iterable of mapping
        One width to a budget.

    Raises
    ------
    InputError
        If a run has no other to be compared with.
    """
    others = {_key(row): float(row["loss"]) for row in base}
    differences: dict[float, dict[int, float]] = {}
    for row in rows:
        budget, width, seed = key = _key(row)
        if key not in others:
            raise InputError(
                f"no run of {budget:g} FLOPs, width {width}, seed {seed} is there to compare with; give one"
            )
        differences.setdefault(budget, {})[seed] = float(row["loss"]) - others[key]
    return Excess(differences)


def excess_along(rows: Iterable[Row], base: Iterable[Row], curves: Iterable[Row]) -> Trace:
    """Training losses less those of other runs of the same budget, width and seed, over the run.

    They saw the same text in the same order, so its ups and downs drop out.

    Parameters
    ----------
    rows, base : iterable of mapping
        Runs of one budget, of two seeds at least.
    curves : iterable of mapping
        Curves of all of them, as in ``curves.csv``.

    Raises
    ------
    InputError
        If a run has no other to be compared with, or their curves differ in their points.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for point in curves:
        pair = float(point["n_tokens"]), float(point["train_loss"])
        points.setdefault(str(point["run_id"]), []).append(pair)
    rows, base = list(rows), list(base)
    excess_over(rows, base)
    others = {_key(row): points[str(row["run_id"])] for row in base}
    differences, tokens = [], np.empty(0)
    for row in rows:
        own, other = np.array(points[str(row["run_id"])]), np.array(others[_key(row)])
        if own.shape != other.shape or (own[:, 0] != other[:, 0]).any():
            raise InputError(f"run {row['run_id']} and its pair have other points; give runs of one length")
        differences.append(own[:, 1] - other[:, 1])
        tokens = own[:, 0]
    found = [pair_differences([column]) for column in np.array(differences).T.tolist()]
    ends = tokens / tokens[-1]
    return Trace(
        (ends + np.concatenate([[0.0], ends[:-1]])) / 2,
        np.array([pairs.mean for pairs in found]),
        np.array([pairs.half_width for pairs in found]),
    )


def _key(row: Row) -> tuple[float, int, int]:
    return float(row["flops_budget"]), int(row["d_model"]), int(row["seed"])
