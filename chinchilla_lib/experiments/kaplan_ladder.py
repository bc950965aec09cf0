"""Why Kaplan et al. (2020) found a = 0.73: their choices undone one at a time, as Porian et al. (2024) did.

The same small models are trained as Kaplan et al. trained theirs and counted as they counted them; then the
head is counted, the warmup shortened, the decay matched to the run, and batch and rate tuned. Each rung of
the ladder keeps the corrections of those before it; the last is the main sweep.

Runs of the first rungs share one batch and one cycle, so that a model is trained once for all its budgets.
Sizes, warmup and rule were fixed after a trial of the first rung alone, on another corpus and up to 1e11
FLOPs, which showed where its valleys lie: below that budget at models smaller than any here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN, ladder_part
from chinchilla_lib.fitting import ISOFLOP, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import tier_shape

__all__ = [
    "BATCH_SEQUENCES",
    "KAPLAN_LADDER",
    "RUNGS",
    "WINDOW",
    "Rung",
    "difference",
    "fit_ladder",
    "fit_rung",
    "kaplan_rate",
    "rung_table",
]

BATCH_SEQUENCES: Final = 8
"""Sequences per step before batches are tuned: 1,024 tokens."""

WINDOW: Final = 4.0
"""Parabolas go through the sizes within this factor of the one with the lowest loss."""

_AT_LEAST: Final = 0.1
_BY_TRAINING: Final = 0.05  # windows alone can feign 0.015 at one law
_DRAWS: Final = 4000
_SAME_BUDGET: Final = 0.02  # runs end on a whole step


@dataclass(frozen=True)
class Rung:
    """A step of the ladder.

    Attributes
    ----------
    name : str
        What is undone here.
    part : str
        Whose runs it rests on.
    counting : str
        ``kaplan``: parameters and FLOPs without embedding and head; ``matmul``: all parameters, all matrix
        products.
    """

    name: str
    part: str
    counting: str


RUNGS: Final = (
    Rung("as Kaplan et al.", "as-kaplan", "kaplan"),
    Rung("head counted", "as-kaplan", "matmul"),
    Rung("warmup by size", "short-warmup", "matmul"),
    Rung("decay matched", "matched-decay", "matmul"),
    Rung("batch and rate tuned", "tuned", "matmul"),
)
"""In the order of the table ``porian2024_steps``."""


@dataclass(frozen=True, kw_only=True)
class _Valley:
    """Sizes of one valley: its budget in all matrix products, and another in Kaplan's count."""

    flops: float
    kaplan_flops: float
    widths: tuple[int, ...]
    n_seeds: int

    def budgets(self) -> tuple[tuple[str, float], ...]:
        return ("matmul", self.flops), ("kaplan", self.kaplan_flops)


_VALLEYS: Final[Mapping[str, tuple[_Valley, ...]]] = {
    "ci": (
        _Valley(flops=3e10, kaplan_flops=1e10, widths=(8, 12, 16, 20, 24), n_seeds=1),
        _Valley(flops=1e11, kaplan_flops=3e10, widths=(12, 16, 24, 32, 40), n_seeds=1),
    ),
    "cpu-20": (
        _Valley(flops=1e11, kaplan_flops=3e10, widths=(8, 12, 16, 20, 24, 32, 40), n_seeds=2),
        _Valley(flops=3e11, kaplan_flops=1e11, widths=(12, 16, 24, 32, 40, 48, 64), n_seeds=1),
        _Valley(flops=1e12, kaplan_flops=3e11, widths=(24, 32, 40, 48, 64, 88), n_seeds=1),
    ),
}
_WARMUP_STEPS: Final = {"ci": 50, "cpu-20": 300}
_TUNED_SEEDS: Final = {"ci": {3e10: 1, 1e11: 1}, "cpu-20": {1e11: 3, 3e11: 3, 1e12: 2}}


def kaplan_rate(n_params_non_embedding: float) -> float:
    """Peak learning rate by equation D.1 of Kaplan et al. (2020): ``0.003239 - 0.0001395 ln N``.

    Examples
    --------
    >>> f"{kaplan_rate(1e6):.4f}"
    '0.0013'
    """
    return 0.003239 - 0.0001395 * math.log(n_params_non_embedding)


def rung_table(results: Results, rung: Rung, *, window: float = WINDOW) -> SweepTable:
    """Runs of a rung, counted its way, near the bottoms of its valleys.

    Parameters
    ----------
    results : mapping
        Rows by part.
    rung : Rung
    window : float
        Sizes within this factor of the one with the lowest loss are taken; infinity takes all.

    Returns
    -------
    SweepTable
        ``n_params`` and ``flops`` by the rung's counting, ``flops_budget`` the valley's.

    Raises
    ------
    InputError
        If no run lies at one of the budgets.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> results = load_recorded("kaplan-ladder-cpu-20").parts()
    >>> len(rung_table(results, RUNGS[0])), len(rung_table(results, RUNGS[0], window=np.inf))
    (21, 27)
    """
    counted = []
    for row in results[rung.part]:
        n_params = float(row["n_params_non_embedding" if rung.counting == "kaplan" else "n_params"])
        flops = 6 * n_params * float(row["n_tokens"]) if rung.counting == "kaplan" else float(row["flops"])
        budget = _budget_of(flops, rung.counting)
        if budget is not None:
            recount = {"n_params": n_params, "flops": flops, "flops_budget": budget}
            counted.append({**row, **recount, "flops_convention": rung.counting})
    if not counted:
        raise InputError(f"{rung.part}: no run lies at a budget of the ladder, counted as {rung.counting}")
    table = SweepTable.from_records(counted, source=f"{rung.name} ({rung.part})")
    near = [i for valley in table.valleys() for i in _near_bottom(table, valley.index.tolist(), window)]
    return table.take(near)


def _budget_of(flops: float, counting: str) -> float | None:
    known = {dict(valley.budgets())[counting] for valleys in _VALLEYS.values() for valley in valleys}
    return next((budget for budget in known if abs(flops / budget - 1) <= _SAME_BUDGET), None)


def _near_bottom(table: SweepTable, index: Sequence[int], window: float) -> list[int]:
    by_size: dict[float, list[float]] = {}
    for i in index:
        by_size.setdefault(float(table.n_params[i]), []).append(float(table.loss[i]))
    lowest = min(by_size, key=lambda size: float(np.mean(by_size[size])))
    return [i for i in index if 1 / window <= table.n_params[i] / lowest <= window]


def fit_rung(results: Results, rung: Rung, *, n_draws: int = _DRAWS, window: float = WINDOW) -> FrontierFit:
    """Parabolas through the valleys of a rung, with intervals from signs of their residuals.

    Parameters
    ----------
    results : mapping
        Rows by part.
    rung : Rung
        One of `RUNGS`: its place is the seed of the resampling, so that rungs have signs of their own.
    n_draws : int
    window : float
        See `rung_table`.

    Raises
    ------
    InputError
        If fewer than two valleys have their minimum inside.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> results = load_recorded("kaplan-ladder-cpu-20").parts()
    >>> f"{fit_rung(results, RUNGS[0], n_draws=20).a:.2f}"
    '0.88'
    """
    table = rung_table(results, rung, window=window)
    return bootstrap_fit(ISOFLOP, table, n_draws=n_draws, seed=RUNGS.index(rung), scheme="residual")


def fit_ladder(results: Results, *, n_draws: int = _DRAWS, window: float = WINDOW) -> tuple[FrontierFit, ...]:
    """All rungs, in the order of `RUNGS`; see `fit_rung`."""
    return tuple(fit_rung(results, rung, n_draws=n_draws, window=window) for rung in RUNGS)


def difference(first: FrontierFit, second: FrontierFit) -> tuple[float, Interval]:
    """Exponent a of the first less that of the second, with its 90 % interval.

    Draws are taken as independent; where two rungs share their runs the interval is too wide.

    Raises
    ------
    InputError
        If a fit has no draws.
    """
    if first.draws is None or second.draws is None:
        raise InputError("a fit has no draws; make it with fit_rung and n_draws above 0")
    n = min(len(first.draws.a), len(second.draws.a))
    low, high = np.quantile(first.draws.a[:n] - second.draws.a[:n], (0.05, 0.95)).tolist()
    return first.a - second.a, (low, high)


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    try:
        fits = fit_ladder(results)
    except InputError as error:
        return Verdict("cannot tell", str(error), {})
    left_out = sum(valley.reason is not None for fit in fits for valley in fit.diagnostics.valleys)
    numbers: dict[str, float] = {"valleys_left_out": left_out}
    for k, fit in enumerate(fits, start=1):
        low, high = fit.interval("a")
        numbers |= {f"a_{k}": fit.a, f"low_{k}": low, f"high_{k}": high}
    rises = []
    for k, (before, after) in enumerate(pairwise(fits), start=1):
        fall, (low, high) = difference(before, after)
        numbers |= {f"fall_{k}": fall, f"fall_low_{k}": low, f"fall_high_{k}": high}
        if high < 0:
            rises.append(RUNGS[k].name)
    total, (low, high) = difference(fits[0], fits[-1])
    training, (training_low, training_high) = difference(fits[1], fits[-1])
    numbers |= {"total": total, "total_low": low, "total_high": high}
    numbers |= {"training": training, "training_low": training_low, "training_high": training_high}
    text = (
        f"a is {', '.join(f'{fit.a:.3f}' for fit in fits)} from rung to rung, first less last "
        f"{total:+.3f} ({low:+.3f} to {high:+.3f}), second less last {training:+.3f} ({training_low:+.3f} to "
        f"{training_high:+.3f}); it rises at: {', '.join(rises) or 'none'}; {left_out} valleys left out"
    )
    if left_out:
        outcome = "cannot tell"
    elif rises or high < _AT_LEAST:
        outcome = "does not hold"
    else:
        falls = total >= _AT_LEAST and training >= _BY_TRAINING
        outcome = "holds" if falls and min(low, training_low) > 0 else "cannot tell"
    return Verdict(outcome, text, numbers)


def _config(
    shape: TransformerShape, n_steps: int, *, warmup: int, cycle: int | None, seed: int, identity: str
) -> RunConfig:
    """A run as Kaplan et al. trained: one batch, their rate, a cosine of the given cycle to zero.

    Matched to the run, the cosine ends at a tenth, as everywhere else here.
    """
    n_tokens = n_steps * BATCH_SEQUENCES * shape.seq_len
    return RunConfig(
        shape=shape,
        n_steps=n_steps,
        batch_size_sequences=BATCH_SEQUENCES,
        learning_rate=kaplan_rate(count_params(shape).non_embedding),
        warmup_steps=warmup,
        seed=seed,
        flops_budget=n_tokens * training_flops_per_token(shape, "matmul"),
        flops_convention="matmul",
        corpus=identity,
        eval_sequences=DESIGN.eval_sequences,
        final_learning_rate_fraction=0.1 if cycle is None else 0.0,
        weight_decay=DESIGN.weight_decay,
        cycle_steps=cycle,
    )


def _steps(shape: TransformerShape, flops: float, counting: str) -> int:
    n_tokens = flops / training_flops_per_token(shape, counting)
    return round(n_tokens / (BATCH_SEQUENCES * shape.seq_len))


def _runs(tier: str, countings: Sequence[str]) -> dict[tuple[int, int, int], float | None]:
    """Width, steps and seed of every run, with its budget where it is one of all matrix products."""
    found: dict[tuple[int, int, int], float | None] = {}
    for valley in _VALLEYS[tier]:
        for counting, flops in valley.budgets():
            if counting in countings:
                for width in valley.widths:
                    n_steps = _steps(tier_shape(DESIGN, width), flops, counting)
                    for seed in range(valley.n_seeds):
                        key = (width, n_steps, seed)
                        found[key] = found.get(key) or (flops if counting == "matmul" else None)
    return found


def _plan(tier: str, part: str, identity: str) -> SweepPlan:
    runs = _runs(tier, ("matmul", "kaplan") if part == "as-kaplan" else ("matmul",))
    longest = max(n_steps for _, n_steps, _ in _runs(tier, ("matmul", "kaplan")))
    configs = []
    for (width, n_steps, seed), budget in sorted(runs.items()):
        shape = tier_shape(DESIGN, width)
        by_size = max(1, round(count_params(shape).total / (BATCH_SEQUENCES * shape.seq_len)))
        config = _config(
            shape,
            n_steps,
            warmup=_WARMUP_STEPS[tier] if part == "as-kaplan" else by_size,
            cycle=None if part == "matched-decay" else longest,
            seed=seed,
            identity=identity,
        )
        configs.append(config if budget is None else replace(config, flops_budget=budget))
    return SweepPlan(part, tuple(configs), DESIGN.corpus)


def _parts(tier: str) -> tuple[Part, ...]:
    seeds = _TUNED_SEEDS[tier]
    own = (rung.part for rung in RUNGS[1:-1])
    parts = (Part(part, DESIGN.corpus, DESIGN.vocab_size, partial(_plan, tier, part)) for part in own)
    return (*parts, ladder_part(RUNGS[-1].part, DESIGN.corpus, max(seeds), seeds))


KAPLAN_LADDER: Final = Experiment(
    name="kaplan-ladder",
    title="Kaplan's choices undone one at a time",
    section="2, 3.1, 3.4, appendix B",
    claim="Kaplan's larger exponent comes from how models were counted and trained: it falls to ours as "
    "their choices are undone",
    rule="holds if a of N_opt (parabolas through the sizes within a factor of "
    f"{WINDOW:g} of the best) falls by {_AT_LEAST} or more from the first rung to the last, and by "
    f"{_BY_TRAINING} or more from the second, after which all count alike, with the 90 % intervals of both "
    "falls above 0 and no step that raises it with its whole interval; does not hold if the interval of the "
    f"first fall lies below {_AT_LEAST}, or a step does raise it so; cannot tell if a valley of any rung has "
    "its minimum at an edge",
    parts={tier: _parts(tier) for tier in _VALLEYS},
    judge=_judge,
)
