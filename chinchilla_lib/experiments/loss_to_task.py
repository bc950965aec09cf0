"""From loss to tasks: what held-out loss says of scores on tasks, at small scale (section 4.2).

Models up to one budget are asked; what they answer is fitted, and the scores of larger models, little
Chinchilla and those it was compared with, are foretold and written down before these are asked.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs

__all__ = ["LOSS_TO_TASK"]

_FIT: Final[Mapping[str, Mapping[float, tuple[int, ...]]]] = {
    "ci": {3e10: (12, 16, 24), 1e11: (16, 24, 40)},
    "cpu-60": {
        3e10: (12, 16, 24, 32),
        1e11: (16, 24, 40, 64),
        3e11: (24, 32, 48, 80),
        1e12: (40, 64, 96),
        3e12: (48, 80, 128),
    },
}
_FIT_SEEDS: Final[Mapping[float, int]] = {3e10: 3, 1e11: 3, 3e11: 3, 1e12: 2, 3e12: 2}
_TEST: Final[Mapping[str, Mapping[float, tuple[int, ...]]]] = {
    "ci": {3e11: (24, 48)},
    "cpu-60": {1e13: (92, 160, 192)},  # those of little-chinchilla
}
_TEST_SEEDS: Final = 3
_SIGNAL: Final = 0.001
_INSIDE: Final = 0.8
_HALF: Final = 0.5


def _plan(
    name: str, widths: Mapping[float, Sequence[int]], n_seeds: Mapping[float, int], identity: str
) -> SweepPlan:
    configs: list[RunConfig] = []
    for flops, row in widths.items():
        configs += plan_runs(DESIGN, {flops: row}, corpus=identity, seeds=range(n_seeds[flops]))
    return SweepPlan(name, tuple(configs), DESIGN.corpus)


def _part(name: str, widths: Mapping[float, Sequence[int]], n_seeds: Mapping[float, int]) -> Part:
    plan = partial(_plan, name, widths, n_seeds)
    return Part(name, DESIGN.corpus, DESIGN.vocab_size, plan, keeps_models=True)


def _foretell(results: Results) -> Forecast:
    raise InputError("the models of part fit have not been asked yet")


def _later(tier: str, forecast: Forecast) -> tuple[Part, ...]:
    return (_part("test", _TEST[tier], dict.fromkeys(_TEST[tier], _TEST_SEEDS)),)


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    raise InputError("nothing has been foretold yet")


LOSS_TO_TASK: Final = Experiment(
    name="loss-to-task",
    title="scores on tasks foretold from the loss",
    section="4.2",
    claim="a lower loss goes with better results on tasks, and the loss foretells how much better",
    rule="holds if, of our three tasks (minimal pairs, induction, cloze) those whose accuracy shows signal "
    f"(the fitted run of lowest loss is above chance, exact binomial test at {_SIGNAL}), foretold for each "
    f"size of the larger budget from its losses, at least {_INSIDE:.0%} of the mean accuracies over seeds "
    "fall inside their 90 % intervals, and the mean absolute error is below that of no change since the "
    f"fitted size of lowest loss; does not hold if less than {_HALF:.0%} fall inside or the error is not "
    "below; cannot tell between, or if fewer than two tasks show signal; what N and D alone foretell, bits "
    "per byte and published tasks are reported",
    parts={tier: (_part("fit", widths, _FIT_SEEDS),) for tier, widths in _FIT.items()},
    judge=_judge,
    foretell=dict.fromkeys(_FIT, _foretell),
    later=_later,
)
