"""From loss to tasks: what held-out loss says of scores on tasks, at small scale (section 4.2).

Models up to one budget are asked; what they answer is fitted, and the scores of larger models, little
Chinchilla and those it was compared with, are foretold and written down before these are asked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.fitting import PARAMETRIC, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.loss_to_task import SIGNAL, TaskCurve, above_chance, fit_exponential, fit_sigmoid
from chinchilla_lib.fitting.result import log_surface
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["BITS", "CHANCE", "LOSS_TO_TASK", "OURS", "Checked", "check_forecast"]

FloatArray = npt.NDArray[np.float64]

OURS: Final = ("minimal_pairs", "induction", "cloze")
"""The tasks that the rule looks at: items of our own."""

CHANCE: Final[Mapping[str, float]] = {
    "minimal_pairs": 0.5,
    "induction": 0.5,
    "cloze": 0.25,
    "piqa": 0.5,
    "hellaswag": 0.25,
    "social_iqa": 1 / 3,
}
"""Accuracy of guessing; no word of LAMBADA is guessed, so it has bits alone."""

BITS: Final = "answer_bits_per_byte"
"""Metric: bits per byte of the right answer."""

_TASKS: Final[Mapping[str, int | None]] = {
    **dict.fromkeys(OURS),
    "piqa": 400,
    "hellaswag": 300,
    "social_iqa": 400,
    "lambada": 400,
}
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
_INSIDE: Final = 0.8
_HALF: Final = 0.5
_DRAWS: Final = 500
_GRID: Final = 61
_REACH: Final = 0.75  # of the lowest loss fitted: the grid goes so far down


@dataclass(frozen=True)
class Checked:
    """A score of the larger budget beside what was foretold of it.

    Attributes
    ----------
    task : str
    d_model : int
    loss : float
        Held-out loss, mean over seeds.
    measured : float
        Accuracy, mean over seeds.
    by_loss, by_size : float
        Accuracy foretold from the loss, and from parameters and tokens alone.
    loss_interval, size_interval : tuple of float
        90 %.
    no_change : float
        Of the fitted size of lowest loss.
    bits, bits_by_size : float
        Bits per byte of the right answer: measured, and foretold from parameters and tokens.
    """

    task: str
    d_model: int
    loss: float
    measured: float
    by_loss: float
    loss_interval: Interval
    by_size: float
    size_interval: Interval
    no_change: float
    bits: float
    bits_by_size: float

    @property
    def inside(self) -> bool:
        """Whether the accuracy fell inside the interval foretold from the loss."""
        return self.loss_interval[0] <= self.measured <= self.loss_interval[1]

    @property
    def inside_by_size(self) -> bool:
        """The same for the interval foretold from parameters and tokens."""
        return self.size_interval[0] <= self.measured <= self.size_interval[1]


def check_forecast(results: Results, forecast: Forecast) -> tuple[Checked, ...]:
    """Scores of the larger budget beside what was foretold, for the tasks that show signal.

    Parameters
    ----------
    results : mapping
        Rows of part ``test`` with their scores.
    forecast : mapping

    Raises
    ------
    InputError
        If the runs have not been asked.
    """
    found = []
    for task, said in forecast["tasks"].items():
        if not said.get("signal"):
            continue
        curve = said["exponential"]
        for model in said["models"]:
            rows = [row for row in results["test"] if int(row["d_model"]) == model["d_model"]]
            loss = float(np.mean(_column(rows, "loss")))
            value, low, high = (
                float(np.interp(loss, curve["loss"], curve[name])) for name in ("value", "low", "high")
            )
            low_size, high_size = model["interval"]
            found.append(
                Checked(
                    task=task,
                    d_model=model["d_model"],
                    loss=loss,
                    measured=float(np.mean(_column(rows, f"{task} acc"))),
                    by_loss=value,
                    loss_interval=(low, high),
                    by_size=model["accuracy"],
                    size_interval=(low_size, high_size),
                    no_change=said["no_change"],
                    bits=float(np.mean(_column(rows, f"{task} {BITS}"))),
                    bits_by_size=model["bits"],
                )
            )
    return tuple(found)


def _column(rows: Sequence[Row], name: str) -> FloatArray:
    if not rows or any(row.get(name, "") == "" for row in rows):
        raise InputError(f"{name!r} is missing of a run; ask the models first")
    return np.array([float(row[name]) for row in rows])


def _foretell(tier: str, results: Results) -> Forecast:
    rows = results["fit"]
    budgets = sorted({float(row["flops_budget"]) for row in rows})
    names = [task for task in _TASKS if rows[0].get(f"{task} {BITS}", "") != ""]
    if missing := [task for task in OURS if task not in names]:
        raise InputError(f"tasks {', '.join(missing)} have not been asked of the runs of part fit")
    return {"highest": budgets[-1], "tasks": {task: _foretell_task(tier, task, rows) for task in names}}


def _foretell_task(tier: str, task: str, rows: Sequence[Row]) -> dict[str, Any]:
    bits, groups = _column(rows, f"{task} {BITS}"), [(row["flops_budget"], row["d_model"]) for row in rows]
    table = replace(SweepTable.from_records(rows, source=f"bits per byte of {task}"), loss=bits)
    law = bootstrap_fit(PARAMETRIC, table, n_draws=_DRAWS, seed=0)
    configs = plan_runs(DESIGN, _TEST[tier], corpus="", seeds=(0,))
    assert law.law is not None
    sizes, tokens = _column(rows, "n_params"), _column(rows, "n_tokens")
    about = bits - [law.law.loss(n, d) for n, d in zip(sizes, tokens, strict=True)]
    scatter = _scatter(about, groups)
    drawn = [_draw_bits(law, scatter, config) for config in configs]
    models = [_describe(config, law, bits) for config, bits in zip(configs, drawn, strict=True)]
    said: dict[str, Any] = {"bits_law": vars(law.law), "models": models}
    if task not in CHANCE:
        return said
    loss, accuracy = _column(rows, "loss"), _column(rows, f"{task} acc")
    n, best = int(float(rows[0][f"{task} acc n"])), int(loss.argmin())
    p_value = above_chance(float(accuracy[best]), n, CHANCE[task])
    lowest = min(set(groups), key=lambda group: loss[[other == group for other in groups]].mean())
    said |= {
        "n": n,
        "chance": CHANCE[task],
        "best": float(accuracy[best]),
        "p_value": p_value,
        "signal": p_value < SIGNAL,
        "no_change": float(accuracy[[group == lowest for group in groups]].mean()),
    }
    if not said["signal"]:
        return said
    given: Any = {"n_items": n, "chance": CHANCE[task], "groups": groups, "n_draws": _DRAWS}
    curve, sigmoid = fit_exponential(loss, accuracy, **given), fit_sigmoid(bits, accuracy, **given)
    grid = np.linspace(_REACH * loss.min(), loss.max(), _GRID)
    low, high = np.quantile(curve.draw(grid), (0.05, 0.95), axis=0)
    said["exponential"] = _constants(curve) | {
        "loss": grid.tolist(),
        "value": curve.predict(grid).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }
    said["sigmoid"] = _constants(sigmoid)
    for model, bits_drawn in zip(models, drawn, strict=True):
        accuracies = sigmoid.draw(bits_drawn[:, None])
        model["accuracy"] = float(sigmoid.predict([model["bits"]])[0])
        model["interval"] = np.quantile(accuracies, (0.05, 0.95)).tolist()
    return said


def _constants(curve: TaskCurve) -> dict[str, Any]:
    return {"params": dict(curve.params), "sd": curve.sd, "n_minima": curve.n_minima, "left": curve.left}


def _scatter(about: FloatArray, groups: Sequence[object]) -> FloatArray:
    """Means of what sizes lie off a law of five constants, widened for these."""
    index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    at = np.array([index[group] for group in groups])
    means = np.bincount(at, about) / np.bincount(at)
    return np.asarray(math.sqrt(len(index) / max(1, len(index) - 5)) * (means - means.mean()))


def _draw_bits(fit: FrontierFit, scatter: FloatArray, config: RunConfig) -> FloatArray:
    """Bits per byte of a further size, shape (n_draws,): laws of resampled runs, and a size's scatter."""
    assert fit.draws is not None
    assert fit.draws.law is not None
    n_params, n_tokens = count_params(config.shape).total, config.n_tokens
    logs = log_surface(fit.draws.law, math.log(n_params), math.log(n_tokens))
    draws = np.resize(np.exp(logs), _DRAWS)  # where some are not usable others stand in
    return np.asarray(draws + np.random.default_rng(1).choice(scatter, size=_DRAWS))


def _describe(config: RunConfig, law: FrontierFit, bits: FloatArray) -> dict[str, Any]:
    assert law.law is not None
    n_params = count_params(config.shape).total
    return {
        "d_model": config.shape.d_model,
        "n_params": n_params,
        "n_tokens": config.n_tokens,
        "bits": law.law.loss(n_params, config.n_tokens),
        "bits_interval": np.quantile(bits, (0.05, 0.95)).tolist(),
    }


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


def _later(tier: str, forecast: Forecast) -> tuple[Part, ...]:
    return (_part("test", _TEST[tier], dict.fromkeys(_TEST[tier], _TEST_SEEDS)),)


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    assert forecast is not None
    checked = [one for one in check_forecast(results, forecast) if one.task in OURS]
    tasks = sorted({one.task for one in checked})
    numbers: dict[str, float] = {"tasks_with_signal": len(tasks)}
    if len(tasks) < 2:
        return Verdict("cannot tell", f"of our tasks {len(tasks)} show signal", numbers)
    inside = float(np.mean([one.inside for one in checked]))
    error, still = (
        float(np.mean([abs(getattr(one, name) - one.measured) for one in checked]))
        for name in ("by_loss", "no_change")
    )
    numbers |= {
        "inside": inside,
        "error": error,
        "error_no_change": still,
        "inside_by_size": float(np.mean([one.inside_by_size for one in checked])),
        "error_by_size": float(np.mean([abs(one.by_size - one.measured) for one in checked])),
    }
    text = (
        f"{inside:.0%} of {len(checked)} accuracies of {', '.join(tasks)} fall inside; mean absolute error "
        f"{error:.4f}, of no change {still:.4f}"
    )
    if inside < _HALF or error >= still:
        return Verdict("does not hold", text, numbers)
    return Verdict("holds" if inside >= _INSIDE else "cannot tell", text, numbers)


LOSS_TO_TASK: Final = Experiment(
    name="loss-to-task",
    title="scores on tasks foretold from the loss",
    section="4.2",
    claim="a lower loss goes with better results on tasks, and the loss foretells how much better",
    rule="holds if, of our three tasks (minimal pairs, induction, cloze) those whose accuracy shows signal "
    f"(the fitted run of lowest loss is above chance, exact binomial test at {SIGNAL}), foretold for each "
    f"size of the larger budget from its losses, at least {_INSIDE:.0%} of the mean accuracies over seeds "
    "fall inside their 90 % intervals, and the mean absolute error is below that of no change since the "
    f"fitted size of lowest loss; does not hold if less than {_HALF:.0%} fall inside or the error is not "
    "below; cannot tell between, or if fewer than two tasks show signal; what N and D alone foretell, bits "
    "per byte and published tasks are reported",
    parts={tier: (_part("fit", widths, _FIT_SEEDS),) for tier, widths in _FIT.items()},
    judge=_judge,
    foretell={tier: partial(_foretell, tier) for tier in _FIT},
    later=_later,
    tasks=_TASKS,
)
