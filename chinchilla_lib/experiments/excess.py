"""Loss of runs above that of others with the same size, budget and seed: what one change costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.fitting.paired import PairedDifference, pair_differences

__all__ = ["Excess", "excess_over"]


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


def _key(row: Row) -> tuple[float, int, int]:
    return float(row["flops_budget"]), int(row["d_model"]), int(row["seed"])
