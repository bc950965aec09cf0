"""Does "identifiable" mean what it says? Verdicts on simulated sweeps of known truth.

``sound`` sweeps are of random laws and designs: 3 to 9 budgets over 1.5 to 3 decades, 5 to 9 sizes over 0.4
to 1 decade to each side of a middle up to 0.3 decades off the optimum, noise of 0.05 to 2 %. The others each
lack something that an exponent needs. Set beforehand: of the sound sweeps called identifiable, 90 % or
more must have a within 0.05 of the truth; of those that lack something, at most 5 % may be called
identifiable with a farther off than that, and those of `HOPELESS` hardly ever at all.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, VALLEY, bootstrap_fit
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep, simulate_run, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS

__all__ = ["COLUMNS", "HOPELESS", "KINDS", "fit_sweep", "summarise"]

COLUMNS: Final = ("kind", "method", "verdict", "n_sets", "share", "within", "median_error")
"""Of a summary. ``share`` is among all sweeps of the kind, ``within`` the share of those with this verdict
whose a is within 0.05 of the truth. ``refused`` stands for a table that the method does not fit."""
HOPELESS: Final = ("one ratio", "noise only")
"""Kinds in which nothing can be known."""

_LAW: Final = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
_NEAR: Final = 0.05
_NOISE: Final = 0.005
_N_DRAWS: Final = 200
_BUDGETS: Final = tuple(np.geomspace(6e18, 3e21, 5).tolist())

Simulated = tuple[SweepTable, float]


def _sound(rng: np.random.Generator) -> Simulated:
    alpha, beta = rng.uniform(0.2, 0.6, 2)
    law = ParametricLoss(
        E=float(rng.uniform(1.0, 2.0)),
        A=float(rng.uniform(0.3, 1.5) * 1e8**alpha),
        B=float(rng.uniform(0.3, 1.5) * 1e10**beta),
        alpha=float(alpha),
        beta=float(beta),
    )
    budgets = np.geomspace(1e19, 1e19 * 10 ** rng.uniform(1.5, 3), int(rng.integers(3, 10)))
    width = rng.uniform(0.4, 1.0)
    offsets = np.linspace(-width, width, int(rng.integers(5, 10))) + rng.uniform(-0.3, 0.3)
    flops = np.repeat(budgets, len(offsets))
    sizes = law.n_opt(flops) * 10 ** np.tile(offsets, len(budgets))
    noise = float(10 ** rng.uniform(np.log10(5e-4), np.log10(0.02)))
    table = simulate_table(
        law, sizes, flops / (6 * sizes), flops_budget=flops, noise=noise, seed=int(rng.integers(2**31))
    )
    return table, law.a


def _one_ratio(rng: np.random.Generator) -> Simulated:
    sizes = np.geomspace(1e8, 1e10, 30)
    return simulate_table(_LAW, sizes, 20 * sizes, noise=_NOISE, seed=int(rng.integers(2**31))), _LAW.a


def _nearly_one_ratio(rng: np.random.Generator) -> Simulated:
    sizes = np.geomspace(1e8, 1e10, 30)
    tokens = 20 * sizes * 10 ** rng.uniform(-0.1, 0.1, 30)
    return simulate_table(_LAW, sizes, tokens, noise=_NOISE, seed=int(rng.integers(2**31))), _LAW.a


def _noise_only(rng: np.random.Generator) -> Simulated:
    table, a = _valleys(rng, decades=0.75)
    loss = 3 * np.exp(_NOISE * rng.standard_normal(len(table)))
    return _with_losses(table, loss), a


def _narrow(rng: np.random.Generator) -> Simulated:
    return _valleys(rng, decades=0.1)


def _short(rng: np.random.Generator) -> Simulated:
    return _valleys(rng, decades=0.75, budgets=(1e20, 1.6e20, 2.5e20))


def _below(rng: np.random.Generator) -> Simulated:
    flops = np.repeat(_BUDGETS, 6)
    sizes = _LAW.n_opt(flops) * 10 ** np.tile(np.linspace(-1.2, -0.3, 6), len(_BUDGETS))
    seed = int(rng.integers(2**31))
    return simulate_table(
        _LAW, sizes, flops / (6 * sizes), flops_budget=flops, noise=_NOISE, seed=seed
    ), _LAW.a


def _no_size_term(rng: np.random.Generator) -> Simulated:
    law = ParametricLoss(E=1.69, A=1e-3, B=410.7, alpha=0.34, beta=0.28)
    sizes, tokens = 10 ** rng.uniform(7.5, 9.5, 30), 10 ** rng.uniform(9, 11, 30)
    return simulate_table(law, sizes, tokens, noise=_NOISE, seed=int(rng.integers(2**31))), law.a


def _ci_tier(rng: np.random.Generator) -> Simulated:
    seed = int(rng.integers(2**31))
    configs = plan_isoflop_sweep(TIERS["ci"], corpus="none").configs
    records = [simulate_run(config, _LAW, noise=0.01, seed=seed) for config in configs]
    return SweepTable.from_records(records, source="simulated ci tier"), _LAW.a


KINDS: Final[Mapping[str, Callable[[np.random.Generator], Simulated]]] = {
    "sound": _sound,
    "ci tier": _ci_tier,
    "one ratio": _one_ratio,
    "nearly one ratio": _nearly_one_ratio,
    "noise only": _noise_only,
    "narrow valleys": _narrow,
    "budgets within a factor of 2.5": _short,
    "sizes below the optimum": _below,
    "no size term": _no_size_term,
}
"""Makers of sweeps, each with the true a."""


def fit_sweep(kind: str, seed: int, number: int) -> dict[str, Any]:
    """Verdict and error of a for each method on one sweep.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    seed, number : int
        Of the campaign, and of the sweep in it.
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    table, a = KINDS[kind](rng)
    found: dict[str, Any] = {}
    for estimator in (ISOFLOP, VALLEY, PARAMETRIC):
        try:
            fit = bootstrap_fit(estimator, table, n_draws=_N_DRAWS, seed=number)
        except InputError:
            found[estimator.method] = {"verdict": "refused", "error": None}
            continue
        found[estimator.method] = {"verdict": fit.verdict.label, "error": fit.a - a}
    return found


def summarise(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Verdicts by kind and method.

    Parameters
    ----------
    results : mapping
        For each kind what `fit_sweep` gave.

    Returns
    -------
    list of dict
        With the keys `COLUMNS`; `within` and `median_error` are empty for ``refused``.
    """
    rows = []
    for kind, sweeps in results.items():
        for method in sweeps[0]:
            outcomes = [found[method] for found in sweeps]
            for verdict in ("identifiable", "weakly identifiable", "not identifiable", "refused"):
                errors = [outcome["error"] for outcome in outcomes if outcome["verdict"] == verdict]
                if not errors:
                    continue
                row: dict[str, Any] = {
                    "kind": kind,
                    "method": method,
                    "verdict": verdict,
                    "n_sets": len(errors),
                    "share": len(errors) / len(outcomes),
                    "within": "",
                    "median_error": "",
                }
                if verdict != "refused":
                    off = np.abs(np.array(errors, dtype=np.float64))
                    row |= {"within": float(np.mean(off <= _NEAR)), "median_error": float(np.median(off))}
                rows.append(row)
    return rows


def _valleys(rng: np.random.Generator, *, decades: float, budgets: Sequence[float] = _BUDGETS) -> Simulated:
    seed = int(rng.integers(2**31))
    return simulate_isoflop_sweep(_LAW, budgets, n_sizes=6, decades=decades, noise=_NOISE, seed=seed), _LAW.a


def _with_losses(table: SweepTable, loss: Any) -> SweepTable:
    return SweepTable(**(vars(table) | {"loss": loss}))
