"""All experiments by name."""

from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment
from chinchilla_lib.experiments.forecast import FORECAST
from chinchilla_lib.experiments.little_chinchilla import LITTLE
from chinchilla_lib.experiments.main_sweep import CODE, MAIN
from chinchilla_lib.experiments.recipe import RATES, SCHEDULES
from chinchilla_lib.reference.recorded import Recorded, list_recorded, load_recorded

__all__ = ["EXPERIMENTS", "TIERS_BY_MINUTES", "choose_tier", "find_experiment", "load_largest"]

EXPERIMENTS: Final[dict[str, Experiment]] = {
    experiment.name: experiment for experiment in (RATES, SCHEDULES, MAIN, FORECAST, LITTLE, CODE)
}

TIERS_BY_MINUTES: Final = {"ci": 4, "cpu-20": 20, "cpu-60": 60, "cpu-120": 120}
"""Minutes on two cores that a tier may take."""


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises
    ------
    InputError
        If there is none.
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
    """
    order = list(TIERS_BY_MINUTES)
    allowed = [name for name in order[: order.index(tier) + 1] if name in experiment.parts]
    return allowed[-1] if allowed else None
