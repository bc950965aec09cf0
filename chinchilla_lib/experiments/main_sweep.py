"""The main sweep: isoFLOP valleys over three decades of compute on English, and the same on code.

Every design here and every threshold of a verdict was committed before the runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.fitting import (
    ISOFLOP,
    PARAMETRIC,
    VALLEY,
    Estimator,
    FrontierFit,
    bootstrap_fit,
    envelope_estimator,
    fit_isoflop_profiles,
)
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep, plan_runs
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS, Tier

__all__ = [
    "CODE",
    "DESIGN",
    "MAIN",
    "N_SEEDS",
    "Counting",
    "count_in_all_ways",
    "exponents_by_window",
    "fit_all",
    "ladder_part",
    "plan_ladder",
    "rows_up_to",
    "seed_noise",
]

DESIGN: Final = replace(
    TIERS["cpu-120"],
    name="main",
    corpus="english",
    title="seven budgets over three decades",
    widths={
        3e10: (8, 12, 16, 20, 24, 32, 40),
        1e11: (12, 16, 24, 32, 40, 48, 64),
        3e11: (20, 24, 32, 40, 48, 64, 80),
        1e12: (28, 32, 40, 48, 64, 80, 96),
        3e12: (40, 48, 64, 80, 96, 112, 128),
        1e13: (56, 64, 80, 96, 128, 160, 192),
        3e13: (80, 96, 128, 160, 192, 256, 320),
    },
)
"""Sizes at each budget. Most come at three to five budgets: runs of one model at several horizons."""

N_SEEDS: Final[Mapping[float, int]] = {3e10: 3, 1e11: 3, 3e11: 3, 1e12: 2, 3e12: 2, 1e13: 1, 3e13: 1}

_UP_TO: Final = {"ci": 1e11, "cpu-20": 3e12, "cpu-60": 1e13, "cpu-120": 3e13}
_CODE_SEEDS: Final[Mapping[float, int]] = {3e10: 2, 1e11: 2, 3e11: 2, 1e12: 2, 3e12: 1}

_NEAR: Final = 0.05
_HALF_WIDTH: Final = 0.02
_KAPLAN: Final = 0.73
_DRAWS: Final = 1000


@dataclass(frozen=True)
class Counting:
    """The exponent of N_opt under one way to count parameters and FLOPs.

    Attributes
    ----------
    params : str
        ``"total"`` or ``"non-embedding"``.
    flops : str
        ``"matmul"``, as the runs were planned, or ``"6ND"`` with the parameters so counted.
    a : float
    interval : tuple of float
        90 %, from resampled runs.
    """

    params: str
    flops: str
    a: float
    interval: Interval


def plan_ladder(
    corpus: str,
    *,
    name: str,
    identity: str,
    n_seeds: Mapping[float, int],
) -> SweepPlan:
    """Runs of the design at some of its budgets.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    name : str
        Of the plan.
    identity : str
        Of the token shards.
    n_seeds : mapping of float to int
        Seeds at each budget that is trained, one of those of :data:`DESIGN`, in FLOPs.

    Raises
    ------
    InputError
        If the design has no such budget.
    """
    configs: list[RunConfig] = []
    for budget, n in n_seeds.items():
        if budget not in DESIGN.widths:
            known = ", ".join(f"{known:g}" for known in DESIGN.widths)
            raise InputError(f"budget is {budget:g}; the design has {known}")
        configs += plan_runs(DESIGN, {budget: DESIGN.widths[budget]}, corpus=identity, seeds=range(n))
    return SweepPlan(name, tuple(configs), corpus)


def fit_all(
    table: SweepTable, curves: CurveTable | None = None, *, n_draws: int = _DRAWS
) -> dict[str, FrontierFit]:
    """All approaches on the same runs, by method.

    Parameters
    ----------
    table : SweepTable
    curves : CurveTable, optional
        Their curves; without them approach 1 is left out.
    n_draws : int
        Resampled sets of runs.
    """
    estimators: list[Estimator] = [] if curves is None else [envelope_estimator(curves)]
    estimators += [ISOFLOP, VALLEY, PARAMETRIC]
    return {e.method: bootstrap_fit(e, table, n_draws=n_draws, seed=0) for e in estimators}


def exponents_by_window(
    table: SweepTable, factors: Sequence[float] = (2, 3, 4, 6, math.inf)
) -> dict[float, float]:
    """The exponent a by parabolas, fitted to runs within a factor of each valley's minimum.

    Parameters
    ----------
    table : SweepTable
    factors : sequence of float
        Of parameters to either side; a window that leaves a valley less than three sizes gives no exponent.

    Returns
    -------
    dict
        By factor.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> table = load_recorded("main-cpu-60").table()
    >>> {factor: round(a, 2) for factor, a in exponents_by_window(table).items()}
    {2: 0.46, 3: 0.44, 4: 0.45, 6: 0.45, inf: 0.45}
    """
    whole = fit_isoflop_profiles(table)
    middle = {point.flops: point.n_params for point in whole.points}
    found = {}
    for factor in factors:
        near = [
            i
            for valley in table.valleys()
            if valley.flops in middle
            for i in valley.index
            if abs(math.log(table.n_params[i] / middle[valley.flops])) <= math.log(factor)
        ]
        try:
            found[factor] = fit_isoflop_profiles(table.take(near)).a
        except InputError:
            continue
    return found


def count_in_all_ways(table: SweepTable, *, n_draws: int = _DRAWS) -> tuple[Counting, ...]:
    """The exponent by Approach 2 under all ways of counting, from the same valleys.

    The minima are kept where the valleys, as they were trained, have them, and each is set at what its runs
    cost in the other count: at the minima 6ND grows as C^(a+b), so that the exponent over 6ND is a / (a + b).
    Runs that cost the same in one count do not quite do so in another, which moves a minimum a little; how
    much is left out here.

    Parameters
    ----------
    table : SweepTable
        With ``n_params_non_embedding``.
    n_draws : int

    Raises
    ------
    InputError
        If the table does not count parameters without embeddings.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> ways = count_in_all_ways(load_recorded("main-cpu-60").table(), n_draws=20)
    >>> len(ways)
    4
    """
    if table.n_params_non_embedding is None:
        raise InputError(f"{table.source}: n_params_non_embedding is missing; add the column")
    found = []
    for params, counted in (
        ("total", table),
        ("non-embedding", replace(table, n_params=table.n_params_non_embedding)),
    ):
        fit = bootstrap_fit(ISOFLOP, counted, n_draws=n_draws, seed=0)
        assert fit.draws is not None
        for flops, a, draws in (
            ("matmul", fit.a, fit.draws.a),
            ("6ND", fit.a / (fit.a + fit.b), fit.draws.a / (fit.draws.a + fit.draws.b)),
        ):
            low, high = np.quantile(draws, (0.05, 0.95)).tolist()
            found.append(Counting(params, flops, a, (low, high)))
    return tuple(found)


def seed_noise(table: SweepTable) -> float:
    """Standard deviation of a loss over seeds, pooled over the runs that have several, nats per token.

    Raises
    ------
    InputError
        If no run was repeated.

    Examples
    --------
    >>> from chinchilla_lib.experiments.catalogue import load_largest
    >>> noise = seed_noise(load_largest("main").table())
    >>> f"{noise:.4f}"
    '0.0131'
    """
    groups: dict[tuple[float, float, float], list[float]] = {}
    budgets = table.flops if table.flops_budget is None else table.flops_budget
    for key, loss in zip(zip(budgets, table.n_params, table.n_tokens, strict=True), table.loss, strict=True):
        groups.setdefault(key, []).append(float(loss))
    repeated = [losses for losses in groups.values() if len(losses) > 1]
    if not repeated:
        raise InputError(f"{table.source}: no run has a second seed; add some")
    squares = sum(float(np.var(losses)) * len(losses) for losses in repeated)
    return math.sqrt(squares / sum(len(losses) - 1 for losses in repeated))


def rows_up_to(rows: Sequence[Row], highest: float) -> list[Row]:
    """Rows of budgets up to one.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> rows = load_recorded("main-cpu-60").rows
    >>> len(rows_up_to(rows, 1e12)), len(rows)
    (77, 98)
    """
    return [row for row in rows if float(row["flops_budget"]) <= highest * 1.001]


def _judge_main(results: Results, forecast: Forecast | None) -> Verdict:
    (rows,) = results.values()  # one part, which recorded tables do not name
    try:
        fits = fit_all(SweepTable.from_records(rows, source="the main sweep"))
    except InputError as error:
        return Verdict("cannot tell", str(error), {})
    left_out = sum(valley.reason is not None for valley in fits["isoflop"].diagnostics.valleys)
    numbers: dict[str, float] = {"valleys_left_out": left_out}
    for method, fit in fits.items():
        low, high = fit.interval("a")
        numbers |= {f"a_{method}": fit.a, f"low_{method}": low, f"high_{method}": high}
    shown = ", ".join(
        f"{method} {numbers[f'a_{method}']:.3f} ({numbers[f'low_{method}']:.3f} to "
        f"{numbers[f'high_{method}']:.3f})"
        for method in fits
    )
    narrow = (numbers["high_isoflop"] - numbers["low_isoflop"]) / 2 <= _HALF_WIDTH
    near = all(abs(fit.a - 0.5) <= _NEAR for fit in fits.values())
    below = all(numbers[f"high_{method}"] < _KAPLAN for method in fits)
    text = f"a is {shown}; {left_out} valleys left out"
    if left_out or not narrow:
        return Verdict("cannot tell", text, numbers)
    return Verdict("holds" if near and below else "does not hold", text, numbers)


def _judge_code(results: Results, forecast: Forecast | None) -> Verdict:
    fits = {
        part: bootstrap_fit(ISOFLOP, SweepTable.from_records(rows, source=part), n_draws=_DRAWS, seed=0)
        for part, rows in results.items()
    }
    english, code = fits["english"], fits["code"]
    assert english.draws is not None
    assert code.draws is not None
    n = min(len(english.draws.a), len(code.draws.a))
    low, high = np.quantile(code.draws.a[:n] - english.draws.a[:n], (0.05, 0.95)).tolist()
    numbers = {"a_english": english.a, "a_code": code.a, "difference": code.a - english.a}
    numbers |= {"low": low, "high": high}
    text = (
        f"a is {english.a:.3f} on English and {code.a:.3f} on code, difference {code.a - english.a:+.3f} "
        f"({low:+.3f} to {high:+.3f})"
    )
    if low >= -_NEAR and high <= _NEAR:
        return Verdict("holds", text, numbers)
    return Verdict("does not hold" if low > _NEAR or high < -_NEAR else "cannot tell", text, numbers)


def ladder_part(part: str, corpus: str, highest: float, n_seeds: Mapping[float, int] = N_SEEDS) -> Part:
    """The design up to a budget, as a part of an experiment; see :func:`plan_ladder`.

    Examples
    --------
    >>> len(ladder_part("english", "english", 3e11).plan("mine").configs)
    63
    """
    chosen = {budget: n for budget, n in n_seeds.items() if budget <= highest}
    return Part(part, corpus, DESIGN.vocab_size, partial(_plan, corpus, part, chosen))


def _plan(corpus: str, part: str, n_seeds: Mapping[float, int], identity: str) -> SweepPlan:
    return plan_ladder(corpus, name=part, identity=identity, n_seeds=n_seeds)


def _gpu_part() -> Part:
    tier: Tier = TIERS["gpu"]
    return Part(
        "english", tier.corpus, tier.vocab_size, lambda identity: plan_isoflop_sweep(tier, corpus=identity)
    )


MAIN: Final = Experiment(
    name="main",
    title="isoFLOP valleys on English over three decades",
    section="3.2, 3.3, Table 2",
    claim="model size and training tokens should grow in equal proportion with compute",
    rule=f"holds if the exponent a of N_opt lies within {_NEAR} of one half by valleys, by parabolas and by "
    f"the parametric law, and all 90 % intervals lie below Kaplan's {_KAPLAN}; cannot tell if a valley has "
    f"its minimum at an edge, or the interval by parabolas is wider than {_HALF_WIDTH} to each side",
    parts={tier: (ladder_part("english", "english", highest),) for tier, highest in _UP_TO.items()}
    | {"gpu": (_gpu_part(),)},
    judge=_judge_main,
)

CODE: Final = Experiment(
    name="code",
    title="the same on Python code",
    section="appendix C, Table A2",
    claim="the exponents are much the same on other data",
    rule=f"holds if the 90 % interval of the difference of a (code less English, parabolas, the same budgets "
    f"and sizes) lies within {_NEAR} of 0; does not hold if it lies wholly beyond",
    parts={
        tier: (
            ladder_part("english", "english", highest, _CODE_SEEDS),
            ladder_part("code", "stdlib", highest, _CODE_SEEDS),
        )
        for tier, highest in _UP_TO.items()
        if highest <= 3e12
    },
    judge=_judge_code,
)
