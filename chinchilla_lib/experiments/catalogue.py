"""All experiments by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.cleaning import CLEANING
from chinchilla_lib.experiments.corruption import CORRUPTION
from chinchilla_lib.experiments.cycles import CYCLES
from chinchilla_lib.experiments.envelope import ENVELOPE
from chinchilla_lib.experiments.experiment import Experiment, Part
from chinchilla_lib.experiments.forecast import FORECAST
from chinchilla_lib.experiments.kaplan_ladder import KAPLAN_LADDER
from chinchilla_lib.experiments.known_truth import KNOWN_TRUTH
from chinchilla_lib.experiments.leakage import LEAKAGE
from chinchilla_lib.experiments.little_chinchilla import LITTLE
from chinchilla_lib.experiments.loss_to_task import LOSS_TO_TASK
from chinchilla_lib.experiments.main_sweep import CODE, MAIN
from chinchilla_lib.experiments.optimisers import OPTIMISERS
from chinchilla_lib.experiments.recipe import COOLDOWNS, RATES, REPLICATION, SCHEDULES
from chinchilla_lib.experiments.repeats import REPEATS
from chinchilla_lib.reference.recorded import Recorded, list_recorded, load_forecast, load_recorded

__all__ = [
    "EXPERIMENTS",
    "TIERS_BY_MINUTES",
    "UNPREPARED",
    "Entry",
    "choose_tier",
    "find_experiment",
    "known_parts",
    "list_entries",
    "load_largest",
]

EXPERIMENTS: Final[dict[str, Experiment]] = {
    experiment.name: experiment
    for experiment in (
        RATES,
        SCHEDULES,
        MAIN,
        FORECAST,
        ENVELOPE,
        LITTLE,
        CODE,
        KNOWN_TRUTH,
        CORRUPTION,
        LEAKAGE,
        CLEANING,
        REPEATS,
        CYCLES,
        OPTIMISERS,
        COOLDOWNS,
        REPLICATION,
        KAPLAN_LADDER,
        LOSS_TO_TASK,
    )
}

UNPREPARED: Final = "not prepared yet"
"""In place of the identity of a corpus, where a plan is only priced."""

TIERS_BY_MINUTES: Final = {"ci": 4, "cpu-20": 20, "cpu-60": 60, "cpu-120": 120}
"""Minutes on two cores that a tier may take."""


@dataclass(frozen=True)
class Entry:
    """An experiment at one tier: what it takes, and what it took.

    Attributes
    ----------
    experiment : Experiment
    tier : str
    n_runs : int
        With the later runs where their forecast is known; in stages, as expected.
    flops : float
    provenance : mapping or None
        Of its recorded result.
    """

    experiment: Experiment
    tier: str
    n_runs: int
    flops: float
    provenance: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        about = self.provenance or {}
        texts = {
            name: getattr(self.experiment, name) for name in ("name", "title", "section", "claim", "rule")
        }
        return {
            **texts,
            "tier": self.tier,
            "runs": self.n_runs,
            "flops": self.flops,
            "recorded": bool(about),
            **{name: about.get(name) for name in ("date", "device", "run_seconds", "commit")},
        }


def known_parts(experiment: Experiment, tier: str) -> tuple[Part, ...]:
    """Parts of a tier, with the later ones if their forecast is recorded.

    Examples
    --------
    >>> [part.name for part in known_parts(MAIN, "ci")]
    ['english']
    """
    return experiment.parts_of(tier, load_forecast(f"{experiment.name}-{tier}"))


def list_entries() -> list[Entry]:
    """All experiments at all of their tiers."""
    recorded, entries = list_recorded(), []
    for experiment in EXPERIMENTS.values():
        for tier in experiment.parts:
            name = f"{experiment.name}-{tier}"
            plans = [part.plan(UNPREPARED).preview() for part in known_parts(experiment, tier)]
            entries.append(
                Entry(
                    experiment,
                    tier,
                    n_runs=sum(len(plan.configs) for plan in plans),
                    flops=sum(plan.flops for plan in plans),
                    provenance=load_recorded(name).provenance if name in recorded else None,
                )
            )
    return entries


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> experiment = find_experiment("main")
    >>> experiment.section
    '3.2, 3.3, Table 2'
    """
    if name not in EXPERIMENTS:
        raise InputError(f"no experiment {name!r}; choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def load_largest(name: str) -> Recorded:
    """The recorded result of an experiment's largest tier that has one.

    Raises
    ------
    InputError
        If there is no such experiment, or nothing of it is recorded.

    Examples
    --------
    >>> recorded = load_largest("main")
    >>> len(recorded.table()), recorded.provenance["corpus"]
    (98, 'b88d759b2b19828c')
    """
    recorded = list_recorded()
    tiers = [tier for tier in find_experiment(name).parts if f"{name}-{tier}" in recorded]
    if not tiers:
        raise InputError(f"nothing of {name} is recorded; run 'chinchilla-lib experiment run {name}' first")
    return load_recorded(f"{name}-{tiers[-1]}")


def choose_tier(experiment: Experiment, tier: str) -> str | None:
    """The largest tier of an experiment that is no larger than another; none if all are larger.

    Parameters
    ----------
    experiment : Experiment
    tier : str
        One of `TIERS_BY_MINUTES`.

    Examples
    --------
    >>> choose_tier(MAIN, "cpu-60"), list(MAIN.parts)
    ('cpu-60', ['ci', 'cpu-20', 'cpu-60', 'cpu-120', 'gpu'])
    """
    order = list(TIERS_BY_MINUTES)
    allowed = [name for name in order[: order.index(tier) + 1] if name in experiment.parts]
    return allowed[-1] if allowed else None
