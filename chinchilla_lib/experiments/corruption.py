"""What bad training text does to the frontier: a share of its tokens replaced by ones drawn at random.

Of the quality of data the paper speaks in words only (section 5). Here a share c of the training tokens is
drawn uniformly from the vocabulary, and the held-out text stays clean. Two things happen to a model. It
learns to expect noise: where it knew that a token has probability p it now says (1 - c) p + c / V, which
costs -ln(1 - c) at most. And of k tokens in a row only (1 - c)^k are clean, so that it learns less from as
many tokens. If one token and its target had to be clean, text would count as (1 - c)^2 of its tokens, and
with equal exponents of N and D the best model would be smaller by the factor 1 - c.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN, N_SEEDS, ladder_part
from chinchilla_lib.fitting import ISOFLOP, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["CLEAN", "CORRUPTION", "FRACTIONS", "Change", "compare", "fit_part", "hedge", "part_name"]

CLEAN: Final = "clean"
"""The part whose text is left as it is: runs of the main sweep."""

FRACTIONS: Final = (0.1, 0.5)
"""Shares of the training tokens that are replaced."""

_Sizes = Mapping[float, Mapping[float, tuple[tuple[int, ...], int]]]

# Where half of the tokens are noise the optimum may lie at half the size: room below, and as much above.
_SIZES: Final[Mapping[str, _Sizes]] = {
    "ci": {0.5: {3e10: ((8, 12, 16, 24, 32), 1), 1e11: ((8, 12, 16, 24, 32, 48), 1)}},
    "cpu-20": {
        0.1: {
            1e11: ((16, 24, 32, 40, 48), 2),
            3e11: ((24, 32, 40, 48, 64), 1),
            1e12: ((32, 40, 48, 64, 80), 1),
        },
        0.5: {
            1e11: ((8, 12, 16, 24, 32, 48), 2),
            3e11: ((12, 16, 24, 32, 44, 64), 1),
            1e12: ((20, 28, 40, 56, 80), 1),
        },
    },
}
"""By tier, share and budget: widths and seeds."""

_CLEAN_SEEDS: Final[Mapping[str, Mapping[float, int]]] = {
    "ci": {3e10: 1, 1e11: 1},
    "cpu-20": {budget: N_SEEDS[budget] for budget in (1e11, 3e11, 1e12)},
}

_WITHIN: Final = 1.25
_DRAWS: Final = 1000


@dataclass(frozen=True)
class Change:
    """What one frontier has over another, at the middle of their budgets.

    Attributes
    ----------
    flops : float
        The budget: geometric mean of the smallest and the largest.
    size : float
        N_opt over that of the other.
    size_interval : tuple of float
        90 %.
    rise : float
        Loss at the optimum less that of the other, nats per token.
    rise_interval : tuple of float
        90 %.
    """

    flops: float
    size: float
    size_interval: Interval
    rise: float
    rise_interval: Interval


def part_name(fraction: float) -> str:
    """Name of the part in which a share of the tokens is replaced.

    Examples
    --------
    >>> part_name(0.1)
    'corrupted-10'
    """
    return f"corrupted-{100 * fraction:.0f}" if fraction else CLEAN


def hedge(fraction: float) -> float:
    """The most that expecting noise costs on clean text, -ln(1 - c), nats per token.

    Examples
    --------
    >>> f"{hedge(0.1):.3f}"
    '0.105'
    """
    return -math.log1p(-fraction)


def fit_part(rows: Sequence[Row], *, source: str, seed: int = 0) -> FrontierFit:
    """Parabolas with draws; residuals are resampled, since the valleys have five to seven sizes.

    Parameters
    ----------
    rows : sequence of mapping
    source : str
        Name of the table.
    seed : int
        Of the draws; those of frontiers that are compared must be independent.

    Raises
    ------
    InputError
        If less than two valleys have their minimum inside.
    """
    table = SweepTable.from_records(rows, source=source)
    return bootstrap_fit(ISOFLOP, table, n_draws=_DRAWS, seed=seed, scheme="residual")


def compare(clean: FrontierFit, corrupted: FrontierFit) -> Change:
    """Hold one frontier against another, whose draws are independent.

    Parameters
    ----------
    clean, corrupted : FrontierFit
        Of the same budgets, with draws.
    """
    budgets = [point.flops for point in corrupted.points]
    flops = math.sqrt(min(budgets) * max(budgets))
    at = [_at(fit, math.log(flops)) for fit in (clean, corrupted)]
    n = min(len(log_size) for log_size, _ in at)
    size = np.exp(at[1][0][:n] - at[0][0][:n])
    rise = at[1][1][:n] - at[0][1][:n]
    best = [fit.allocate(flops) for fit in (clean, corrupted)]
    losses = [one.loss for one in best]
    assert losses[0] is not None
    assert losses[1] is not None
    return Change(
        flops,
        size=best[1].n_params / best[0].n_params,
        size_interval=_middle(size),
        rise=losses[1] - losses[0],
        rise_interval=_middle(rise),
    )


def _at(fit: FrontierFit, log_flops: float) -> tuple[np.ndarray, np.ndarray]:
    """Draws of ln N_opt and of the loss there."""
    assert fit.draws is not None
    log_loss = fit.draws.log_loss(log_flops)
    assert log_loss is not None
    return fit.draws.log_n_coefficient + fit.draws.a * log_flops, np.exp(log_loss)


def _middle(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, (0.05, 0.95)).tolist()
    return low, high


def _plan(tier: str, fraction: float, identity: str) -> SweepPlan:
    configs: list[RunConfig] = []
    for budget, (widths, n_seeds) in _SIZES[tier][fraction].items():
        runs = plan_runs(DESIGN, {budget: widths}, corpus=identity, seeds=range(n_seeds))
        configs += [replace(config, corrupted_fraction=fraction) for config in runs]
    return SweepPlan(part_name(fraction), tuple(configs), DESIGN.corpus)


def _parts(tier: str) -> tuple[Part, ...]:
    seeds = _CLEAN_SEEDS[tier]
    return (
        ladder_part(CLEAN, DESIGN.corpus, max(seeds), seeds),
        *(
            Part(part_name(c), DESIGN.corpus, DESIGN.vocab_size, partial(_plan, tier, c))
            for c in _SIZES[tier]
        ),
    )


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    try:
        fits = {part: fit_part(rows, source=part, seed=i) for i, (part, rows) in enumerate(results.items())}
    except InputError as error:
        return Verdict("cannot tell", str(error), {})
    left_out = sum(valley.reason is not None for fit in fits.values() for valley in fit.diagnostics.valleys)
    numbers: dict[str, float] = {"valleys_left_out": left_out}
    texts, outcomes = [], []
    for fraction in FRACTIONS:
        if (part := part_name(fraction)) not in fits:
            continue
        change = compare(fits[CLEAN], fits[part])
        (low, high), (least, most) = change.size_interval, change.rise_interval
        numbers |= {f"size_{part}": change.size, f"size_{part}_low": low, f"size_{part}_high": high}
        numbers |= {f"rise_{part}": change.rise, f"rise_{part}_low": least, f"rise_{part}_high": most}
        texts.append(
            f"{fraction:.0%} replaced: N_opt times {change.size:.2f} ({low:.2f} to {high:.2f}), loss "
            f"{change.rise:+.3f} ({least:+.3f} to {most:+.3f}; hedging costs {hedge(fraction):.3f} at most)"
        )
        inside = low >= 1 / _WITHIN and high <= _WITHIN
        beyond = high < 1 / _WITHIN or low > _WITHIN
        outcomes.append("holds" if inside else "does not hold" if beyond else "cannot tell")
    text = f"{'; '.join(texts)}; {left_out} valleys left out"
    if left_out:
        return Verdict("cannot tell", text, numbers)
    worst = max(outcomes, key=("holds", "cannot tell", "does not hold").index)
    return Verdict(worst, text, numbers)


CORRUPTION: Final = Experiment(
    name="corruption",
    title="10 and 50 % of the training tokens replaced by random ones, three budgets",
    section="5, appendix C",
    claim="data of low quality costs loss, of which the paper speaks in words only, and the way to split a "
    "budget stays the same, as it did on other data",
    rule=f"holds if at both shares the 90 % interval of N_opt over that on clean text, at the middle of the "
    f"budgets, lies within a factor of {_WITHIN}; does not hold if one lies wholly beyond; cannot tell "
    "otherwise, or if a valley has its minimum at an edge. Beside it: the rise of the loss at the optimum, "
    "and -ln(1 - c), the most that expecting noise can cost; above that, less was learnt, too",
    parts={tier: _parts(tier) for tier in _SIZES},
    judge=_judge,
)
