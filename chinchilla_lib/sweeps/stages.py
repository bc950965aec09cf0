"""Adaptive plans: each budget's widths are centred on the optimum that the smaller budgets measured.

A fixed plan guesses where the optimum lies; on another corpus or device the guess may leave a valley's
minimum at its edge. A staged plan begins with the smallest budget. When all of its runs have ended, the next
budget's widths are scaled so that their middle falls on the optimum foretold, and so on. A stage is a
function of the records alone; it is kept in the sweep's folder, and from then on belongs to the plan.
"""

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np

from chinchilla_lib._outside import check_names, check_types, take_list
from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunConfig, RunRecord
from chinchilla_lib.sweeps.plan import Ladder, plan_runs
from chinchilla_lib.sweeps.tiers import Tier, tier_shape

__all__ = ["Stage", "next_stage"]

_WINDOW: Final = 3.0
"""The parabola is fitted within this factor of the best size; valleys are lopsided beyond."""
_REACH: Final = 2.0
"""How far outside the sizes trained its vertex is believed."""
_FIRST_EXPONENT: Final = 0.5
_EXPONENTS: Final = (0.3, 0.8)
"""A measured exponent outside is noise; it is brought back to the nearer of the two."""


@dataclass(frozen=True)
class Stage:
    """One extension of a plan.

    Attributes
    ----------
    number : int
        2 for the first: stage 1 is the plan itself.
    budget : float
        FLOPs.
    n_opt : float
        The optimum foretold for it, in parameters.
    table : str
        SHA-256 of the rows that this was computed from.
    configs : tuple of RunConfig
    """

    number: int
    budget: float
    n_opt: float
    table: str
    configs: tuple[RunConfig, ...]

    def __post_init__(self) -> None:
        check_types(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same stage back."""
        return {**vars(self), "configs": [config.to_dict() for config in self.configs]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Stage from its JSON form.

        Raises
        ------
        InputError
            If a field is missing or wrong.
        """
        check_names(data, [field.name for field in fields(cls)], what="a stage of a sweep")
        try:
            return cls(
                **{
                    **data,
                    "configs": tuple(RunConfig.from_dict(config) for config in take_list(data, "configs")),
                }
            )
        except (TypeError, KeyError) as error:
            raise InputError(f"not a stage of a sweep: {error}") from None


def next_stage(ladder: Ladder, number: int, records: Sequence[RunRecord]) -> Stage:
    """The runs of a stage, from the records of those before it.

    The optimum of each finished budget is the vertex of a parabola in log N. The next is foretold with
    exponent 0.5 from one budget, with the measured exponent from several.

    Parameters
    ----------
    ladder : Ladder
    number : int
        2 to the number of budgets.
    records : sequence of RunRecord
        In the plan's order.

    Returns
    -------
    Stage

    Raises
    ------
    InputError
        If a budget has no finished run, or no width is left within the bound on tokens.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> tier = TIERS["ci"]
    >>> ladder = Ladder(tier=tier, corpus="mine", seeds=(0,), max_tokens=None)
    >>> first = ladder.budgets[0]
    >>> runs = plan_runs(tier, {first: tier.widths[first]}, corpus="mine", seeds=[0])
    >>> stage = next_stage(ladder, 2, [simulate_run(run, law) for run in runs])
    >>> f"{stage.n_opt:.2g} {law.n_opt(stage.budget):.2g}"
    '5e+04 5.1e+04'
    """
    tier, budget = ladder.tier, ladder.budgets[number - 1]
    n_opt = _foretell(ladder.budgets[: number - 1], records, budget)
    configs = plan_runs(
        tier, {budget: _centre(tier, tier.widths[budget], n_opt)}, corpus=ladder.corpus, seeds=ladder.seeds
    )
    if ladder.max_tokens is not None:
        configs = tuple(config for config in configs if config.n_tokens <= ladder.max_tokens)
    if not configs:
        raise InputError(
            f"stage {number} of {tier.name}: every width at {budget:g} FLOPs needs more than "
            f"{ladder.max_tokens:g} tokens; plan with a larger corpus"
        )
    rows = json.dumps([record.to_row() for record in records])
    return Stage(number, budget, n_opt, hashlib.sha256(rows.encode()).hexdigest(), configs)


def _foretell(done: Sequence[float], records: Sequence[RunRecord], budget: float) -> float:
    x = np.log(done)
    y = np.log([_optimum(budget, records) for budget in done])
    exponent = _FIRST_EXPONENT
    if len(done) > 1:
        exponent = float(np.clip(np.polyfit(x, y, 1)[0], *_EXPONENTS))
    return float(np.exp(y.mean() + exponent * (math.log(budget) - x.mean())))


def _optimum(budget: float, records: Sequence[RunRecord]) -> float:
    """Best size at a budget, losses averaged over seeds."""
    losses: dict[int, list[float]] = {}
    for record in records:
        if record.config.flops_budget == budget:
            losses.setdefault(count_params(record.config.shape).total, []).append(record.loss)
    if not losses:
        raise InputError(f"no run at {budget:g} FLOPs has finished, so the next budget cannot be planned")
    sizes = np.array(sorted(losses), dtype=np.float64)
    means = np.array([np.mean(losses[int(size)]) for size in sizes])
    best = sizes[means.argmin()]
    near = np.abs(np.log(sizes / best)) <= math.log(_WINDOW)
    if near.sum() < 3:
        return float(best)
    curvature, slope, _ = np.polyfit(np.log(sizes[near] / best), means[near], 2)
    if curvature <= 0:
        return float(best)
    vertex = best * np.exp(-slope / (2 * curvature))
    return float(np.clip(vertex, sizes[0] / _REACH, sizes[-1] * _REACH))


def _centre(tier: Tier, widths: Sequence[int], n_opt: float) -> list[int]:
    """Widths spread as those given, with the geometric middle of their sizes moved to `n_opt`."""

    def log_size(d_model: int) -> float:
        return math.log(count_params(tier_shape(tier, d_model)).total)

    planned = [log_size(width) for width in widths]
    shift = math.log(n_opt) - sum(planned) / len(planned)
    grid = range(-(-8 // tier.width_step) * tier.width_step, 1 << 16, tier.width_step)
    chosen: list[int] = []
    for size in planned:
        above = bisect_left(grid, size + shift, key=log_size)
        below = max(above - 1, 0)
        nearer = min((below, above), key=lambda place: abs(log_size(grid[place]) - size - shift))
        # Where two sizes fall on one width, the second takes the next.
        chosen.append(max(grid[nearer], chosen[-1] + tier.width_step if chosen else 0))
    return chosen
