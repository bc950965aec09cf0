"""All experiments by name."""

from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment
from chinchilla_lib.experiments.forecast import FORECAST
from chinchilla_lib.experiments.little_chinchilla import LITTLE
from chinchilla_lib.experiments.main_sweep import CODE, MAIN
from chinchilla_lib.experiments.recipe import RATES, SCHEDULES

__all__ = ["EXPERIMENTS", "TIERS_BY_MINUTES", "choose_tier", "find_experiment"]

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
