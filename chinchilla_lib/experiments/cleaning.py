"""Cleaned text against raw text: pages of documentation without and with their markup and repeats.

Both are evaluated on the same clean pages. If raw text counted as the share s of it that is clean, with equal
exponents of N and D the best model for a budget would be smaller by the factor sqrt(s).
"""

from functools import partial
from typing import Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.corruption import compare, fit_part
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs

__all__ = ["CLEANING"]

# Room below, in case the optimum of raw text lies there.
_WIDTHS: Final = {
    3e10: (8, 12, 16, 24, 32),
    1e11: (8, 12, 16, 24, 32, 48),
    3e11: (12, 16, 24, 32, 44, 64),
}
_BUDGETS: Final = {"ci": (3e10, 1e11), "cpu-20": (1e11, 3e11)}
_SEEDS: Final = {"ci": 1, "cpu-20": 2}
_LEAST: Final = 0.05


def _plan(tier: str, part: str, identity: str) -> SweepPlan:
    widths = {budget: _WIDTHS[budget] for budget in _BUDGETS[tier]}
    return SweepPlan(
        part, plan_runs(DESIGN, widths, corpus=identity, seeds=range(_SEEDS[tier])), f"pages-{part}"
    )


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    try:
        fits = [fit_part(results[part], source=part, seed=i) for i, part in enumerate(("clean", "raw"))]
    except InputError as error:
        return Verdict("cannot tell", str(error), {})
    left_out = sum(valley.reason is not None for fit in fits for valley in fit.diagnostics.valleys)
    change = compare(*fits)
    (low, high), (least, most) = change.size_interval, change.rise_interval
    numbers = {"rise": change.rise, "rise_low": least, "rise_high": most}
    numbers |= {"size": change.size, "size_low": low, "size_high": high, "valleys_left_out": left_out}
    text = (
        f"raw less clean, the loss at the optimum is {change.rise:+.3f} ({least:+.3f} to {most:+.3f}); N_opt "
        f"times {change.size:.2f} ({low:.2f} to {high:.2f}); {left_out} valleys left out"
    )
    outcome = "holds" if least > _LEAST else "does not hold" if most < _LEAST else "cannot tell"
    return Verdict("cannot tell" if left_out else outcome, text, numbers)


CLEANING: Final = Experiment(
    name="cleaning",
    title="the same pages of documentation cleaned and raw, two budgets",
    section="5",
    claim="more text pays only if it is good: at equal compute cleaned text gives a lower loss than raw text",
    rule="holds if the loss at the optimum, at the middle of the budgets, is higher on raw text by more than "
    f"{_LEAST} nats per token with its 90 % interval; does not hold if the interval lies below; cannot tell "
    "otherwise, or if a valley has its minimum at an edge. Beside it: N_opt on raw text over that on clean",
    parts={
        tier: tuple(
            Part(part, f"pages-{part}", DESIGN.vocab_size, partial(_plan, tier, part))
            for part in ("clean", "raw")
        )
        for tier in _BUDGETS
    },
    judge=_judge,
)
