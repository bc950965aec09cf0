"""How long the cosine, and how low it ends: cycles longer than the run, and other final rates (appendix B).

The paper gives its curves for two lengths of a run; so do we. Runs that share a seed share their first
weights and the order of their text, and are compared with each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from chinchilla_lib.experiments.excess import Excess, excess_over
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs

__all__ = [
    "CLEAR",
    "CYCLES",
    "FACTORS",
    "FINAL_FRACTIONS",
    "compare_cycles",
    "compare_final_rates",
    "rows_by_factor",
]

FACTORS: Final = (1.0, 1.1, 1.25, 1.5, 2.0, 5.0)
"""Length of the cosine over that of the run, those of Figure A1."""

FINAL_FRACTIONS: Final = (0.0, 0.2)
"""Final rates over the peak that are compared with the tenth, at the run's own length."""

CLEAR: Final = 0.01
"""Nats per token that count as a clear excess: about what another seed changes."""

_TOO_LONG: Final = (1.5, 2.0, 5.0)
_NEAR: Final = 1.1


@dataclass(frozen=True)
class _Size:
    d_model: int
    budgets: tuple[float, ...]
    n_seeds: int


_SIZES: Final[Mapping[str, _Size]] = {
    "ci": _Size(24, (1e10, 3e10), 2),
    "cpu-20": _Size(40, (1e11, 3e11), 4),
}


def rows_by_factor(rows: Sequence[Row]) -> dict[float, list[Row]]:
    """Runs of the part ``cycles`` by the length of their cosine over their own, one of `FACTORS`.

    Parameters
    ----------
    rows : sequence of mapping

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> rows = load_recorded("cycles-cpu-20").parts()["cycles"]
    >>> {factor: len(runs) for factor, runs in rows_by_factor(rows).items()}
    {1.0: 8, 1.1: 8, 1.25: 8, 1.5: 8, 2.0: 8, 5.0: 8}
    """
    by_factor: dict[float, list[Row]] = {factor: [] for factor in FACTORS}
    for row in rows:
        steps = int(row["n_steps"])
        cycle = int(row.get("cycle_steps") or steps)
        factor = min(FACTORS, key=lambda factor: abs(round(factor * steps) - cycle))
        by_factor[factor].append(row)
    return by_factor


def compare_cycles(results: Results) -> dict[float, Excess]:
    """What each longer cosine costs, by its length over that of the run.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> found = compare_cycles(load_recorded("cycles-cpu-20").parts())
    >>> {factor: str(excess.pooled) for factor, excess in found.items() if factor > 1.3}
    {1.5: '+0.0232 +- 0.0040', 2.0: '+0.0718 +- 0.0068', 5.0: '+0.1454 +- 0.0081'}
    """
    by_factor = rows_by_factor(results["cycles"])
    return {factor: excess_over(by_factor[factor], by_factor[1.0]) for factor in FACTORS[1:]}


def compare_final_rates(results: Results) -> dict[float, Excess]:
    """What another final rate costs, against a tenth, by its share of the peak.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> found = compare_final_rates(load_recorded("cycles-cpu-20").parts())
    >>> {share: str(excess.pooled) for share, excess in found.items()}
    {0.0: '+0.0220 +- 0.0024', 0.2: '+0.0053 +- 0.0012'}
    """
    matched = rows_by_factor(results["cycles"])[1.0]
    return {final: excess_over(results[_final_part(final)], matched) for final in FINAL_FRACTIONS}


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    cycles = {factor: excess.pooled for factor, excess in compare_cycles(results).items()}
    finals = {final: excess.pooled for final, excess in compare_final_rates(results).items()}
    numbers: dict[str, float] = {}
    for name, found in [
        *((f"cycle_{factor:g}", found) for factor, found in cycles.items()),
        *((f"final_{final:g}", found) for final, found in finals.items()),
    ]:
        numbers |= {name: found.mean, f"{name}_half_width": found.half_width}
    text = "; ".join(f"{factor:g} times: {found}" for factor, found in cycles.items())
    text = f"excess over the matched cosine in nats, with 90 % intervals: {text}"
    near = cycles[_NEAR]
    if near.below(CLEAR) and all(cycles[factor].above(CLEAR) for factor in _TOO_LONG):
        return Verdict("holds", text, numbers)
    wrong = near.above(CLEAR) or any(cycles[factor].below(CLEAR) for factor in _TOO_LONG)
    return Verdict("does not hold" if wrong else "cannot tell", text, numbers)


def _matched(size: _Size, identity: str) -> tuple[RunConfig, ...]:
    widths = dict.fromkeys(size.budgets, (size.d_model,))
    return plan_runs(DESIGN, widths, corpus=identity, seeds=range(size.n_seeds))


def _plan_cycles(size: _Size, identity: str) -> SweepPlan:
    # The matched cycle is left unnamed: so it is the run of the main sweep, and need not be trained again.
    configs = tuple(
        config if factor == 1 else replace(config, cycle_steps=round(factor * config.n_steps))
        for factor in FACTORS
        for config in _matched(size, identity)
    )
    return SweepPlan("cycles", configs, DESIGN.corpus)


def _plan_final(size: _Size, final: float, identity: str) -> SweepPlan:
    configs = tuple(replace(c, final_learning_rate_fraction=final) for c in _matched(size, identity))
    return SweepPlan(_final_part(final), configs, DESIGN.corpus)


def _final_part(final: float) -> str:
    return f"final-{100 * final:g}"


def _parts(size: _Size) -> tuple[Part, ...]:
    return (
        Part("cycles", DESIGN.corpus, DESIGN.vocab_size, partial(_plan_cycles, size)),
        *(
            Part(_final_part(final), DESIGN.corpus, DESIGN.vocab_size, partial(_plan_final, size, final))
            for final in FINAL_FRACTIONS
        ),
    )


CYCLES: Final = Experiment(
    name="cycles",
    title="cosines 1 to 5 times as long as the run, and other final rates",
    section="appendix B, Figure A1",
    claim="a cosine that overshoots the run by more than 25 % clearly hurts; a small overshoot hardly does",
    rule=f"holds if the excess over the matched cosine, mean of both lengths, lies above {CLEAR} nats (about "
    "what another seed changes) with its 90 % interval (Student's t over pairs of one seed) at "
    f"{', '.join(f'{factor:g}' for factor in _TOO_LONG)} times the run, and below it at {_NEAR:g} times; "
    "does not hold if one of these intervals lies wholly on the other side; 1.25 times is the paper's edge, "
    "which is reported and not judged, as final rates of 0 and of 20 % of the peak are",
    parts={tier: _parts(size) for tier, size in _SIZES.items()},
    judge=_judge,
)
