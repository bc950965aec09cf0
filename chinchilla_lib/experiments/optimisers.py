"""AdamW against Adam, and weights with a float32 copy against weights in bf16 alone (appendix G, section 4).

All four ways, so that what Gopher was trained with (Adam, no copy) stands beside Chinchilla's. Ours differs
in that weights in bf16 are rounded to the nearest, where Gopher's were rounded at random. With eight pairs an
effect is seen, nine times in ten, if it is 1.2 times the standard deviation of one pair's difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from chinchilla_lib.experiments.excess import Excess, excess_over
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs

__all__ = ["BASE", "OPTIMISERS", "SETUPS", "compare_setups", "rows_by_setup"]

Setup = tuple[str, str]
"""Optimiser and precision of the weights, as in the columns of ``runs.csv``."""

BASE: Final[Setup] = ("adamw", "float32")
"""Chinchilla's, and that of all our runs."""

SETUPS: Final[Mapping[Setup, str]] = {
    BASE: "AdamW, float32 weights (Chinchilla)",
    ("adam", "float32"): "Adam, float32 weights",
    ("adamw", "bf16"): "AdamW, bf16 weights",
    ("adam", "bf16"): "Adam, bf16 weights (Gopher)",
}
"""What is compared, and how it is called."""

_SIZES: Final[Mapping[str, tuple[dict[float, tuple[int, ...]], int]]] = {
    "ci": ({1e10: (16,), 3e10: (24,)}, 2),
    "cpu-20": ({3e11: (40,), 1e12: (64,)}, 4),
}
"""By tier: width at each budget, and seeds."""


def rows_by_setup(rows: Sequence[Row]) -> dict[Setup, list[Row]]:
    """Runs by optimiser and precision of the weights, in the order of `SETUPS`.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> by_setup = rows_by_setup(load_recorded("optimisers-cpu-20").rows)
    >>> {" ".join(setup): len(rows) for setup, rows in by_setup.items()}
    {'adamw float32': 8, 'adam float32': 8, 'adamw bf16': 8, 'adam bf16': 8}
    """
    by_setup: dict[Setup, list[Row]] = {setup: [] for setup in SETUPS}
    for row in rows:
        by_setup[str(row["optimizer"]), str(row.get("weight_precision") or "float32")].append(row)
    return by_setup


def compare_setups(rows: Sequence[Row]) -> dict[Setup, Excess]:
    """What each other setup costs against `BASE`.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> found = compare_setups(load_recorded("optimisers-cpu-20").rows)
    >>> for setup, excess in found.items():
    ...     print(*setup, excess.pooled)
    adam float32 +0.0169 +- 0.0024
    adamw bf16 +0.0214 +- 0.0030
    adam bf16 +0.0351 +- 0.0029
    """
    by_setup = rows_by_setup(rows)
    return {setup: excess_over(by_setup[setup], by_setup[BASE]) for setup in SETUPS if setup != BASE}


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    rows = [row for part in results.values() for row in part]
    found = {setup: excess.pooled for setup, excess in compare_setups(rows).items()}
    numbers: dict[str, float] = {}
    for setup, excess in found.items():
        name = "_".join(setup)
        numbers |= {name: excess.mean, f"{name}_half_width": excess.half_width, f"{name}_sd": excess.sd}
    text = "; ".join(f"{SETUPS[setup]}: {excess}" for setup, excess in found.items())
    text = f"excess over AdamW with float32 weights in nats, with 90 % intervals: {text}"
    judged = [found["adam", "float32"], found["adamw", "bf16"]]
    if all(excess.above(0) for excess in judged):
        return Verdict("holds", text, numbers)
    return Verdict(
        "does not hold" if any(excess.below(0) for excess in judged) else "cannot tell", text, numbers
    )


def _plan(widths: Mapping[float, tuple[int, ...]], n_seeds: int, identity: str) -> SweepPlan:
    base = plan_runs(DESIGN, widths, corpus=identity, seeds=range(n_seeds))
    configs = tuple(
        replace(
            config,
            weight_decay=config.weight_decay if optimiser == "adamw" else 0.0,
            weight_precision=weight_precision,
        )
        for optimiser, weight_precision in SETUPS
        for config in base
    )
    return SweepPlan("optimisers", configs, DESIGN.corpus)


OPTIMISERS: Final = Experiment(
    name="optimisers",
    title="AdamW or Adam, float32 weights or bf16 alone",
    section="4.1, appendix G, Figures A6 and A7",
    claim="AdamW ends below Adam, and weights with a float32 copy below weights kept in bf16 alone",
    rule="holds if the losses of Adam (float32 weights) and of bf16 weights (AdamW), each less that of AdamW "
    "with float32 weights and the same seed, mean of both sizes, lie above 0 with their 90 % intervals "
    "(Student's t over pairs of one seed); does not hold if one of them lies wholly below 0; cannot tell "
    "otherwise: the smaller of the two effects is then smaller than such runs can see",
    parts={
        tier: (Part("runs", DESIGN.corpus, DESIGN.vocab_size, partial(_plan, widths, n_seeds)),)
        for tier, (widths, n_seeds) in _SIZES.items()
    },
    judge=_judge,
)
