"""Little Chinchilla against little Gopher: one budget, spent as our law says and as others would (section 4).

The sizes are computed from smaller budgets and kept before the models are trained.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean, stdev
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN, ladder_part
from chinchilla_lib.fitting import ISOFLOP, FrontierFit, bootstrap_fit
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.laws import PowerLaw
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import tier_shape

__all__ = ["LITTLE", "ROLES", "Model", "budget_for", "crossing", "models_of", "nearest_width"]

FloatArray = npt.NDArray[np.float64]

ROLES: Final[Mapping[str, str]] = {
    "recommended": "as our valleys of smaller budgets foretell",
    "larger": "four times the parameters, a quarter of the tokens: Gopher's place",
    "kaplan": "Kaplan's exponent from our optimum of a smaller budget",
}
"""The models that spend the same FLOPs."""

_KAPLAN: Final = 0.73
_SEEDS: Final = 3
_T_90: Final = 2.920  # Student's t, two degrees of freedom, 90 % between both sides
_BUDGETS: Final = {"ci": (1e11, 3e10, 3e11), "cpu-20": (3e11, 3e10, 1e12), "cpu-120": (3e12, 3e11, 1e13)}
"""By tier: the largest budget of the fit, the one that Kaplan's exponent starts from, and the one spent."""


@dataclass(frozen=True)
class Model:
    """A model of the experiment.

    Attributes
    ----------
    role : str
        A key of `ROLES`.
    d_model, n_params, n_tokens : int
        Width, parameters, training tokens.
    losses : tuple of float
        By seed, nats per token.
    """

    role: str
    d_model: int
    n_params: int
    n_tokens: int
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Mean over seeds."""
        return mean(self.losses)

    @property
    def half_width(self) -> float:
        """Half of the mean's 90 % interval, Student's t over three seeds."""
        return _T_90 * stdev(self.losses) / math.sqrt(len(self.losses))


def models_of(rows: Sequence[Row], forecast: Forecast) -> tuple[Model, ...]:
    """The models of the experiment with their losses, in the order of `ROLES`."""
    found = []
    for role in ROLES:
        width = forecast["models"][role]["d_model"]
        runs = sorted((row for row in rows if int(row["d_model"]) == width), key=lambda row: int(row["seed"]))
        n_params, n_tokens = int(runs[0]["n_params"]), int(runs[0]["n_tokens"])
        losses = tuple(float(row["loss"]) for row in runs)
        found.append(Model(role, width, n_params, n_tokens, losses))
    return tuple(found)


def budget_for(fit: FrontierFit, loss: float) -> float:
    """The budget at which the frontier reaches a loss, FLOPs.

    Between minima it is a line in ln C, and the last line goes on.

    Parameters
    ----------
    fit : FrontierFit
        Its points are the minima, two or more.
    loss : float
        Nats per token.

    Raises
    ------
    InputError
        If the smallest budget has a lower loss.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_isoflop_profiles
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> fit = fit_isoflop_profiles(runs)
    >>> budget = budget_for(fit, fit.points[1].loss)
    >>> f"{budget:.1e}"
    '1.0e+19'
    """
    losses = [point.loss for point in fit.points]
    if loss > losses[0]:
        raise InputError(
            f"loss is {loss:g}; the minimum of the smallest budget is {losses[0]:.4f}, give no more"
        )
    last = next((k for k in range(1, len(losses) - 1) if losses[k] <= loss), len(losses) - 1)
    log_flops = [math.log(point.flops) for point in fit.points]
    share = (losses[last - 1] - loss) / (losses[last - 1] - losses[last])
    return math.exp(log_flops[last - 1] + share * (log_flops[last] - log_flops[last - 1]))


def crossing(fit: FrontierFit, other: PowerLaw) -> tuple[float, Interval]:
    """The budget at which a fitted frontier and another law name the same size, with its 90 % interval.

    Parameters
    ----------
    fit : FrontierFit
        With draws.
    other : PowerLaw
        N_opt against FLOPs.

    Raises
    ------
    InputError
        If the fit has no draws.
    """
    if fit.draws is None:
        raise InputError("the fit has no draws; make it with bootstrap_fit")
    log_other = math.log(other.coefficient)

    def cross(level: FloatArray, slope: FloatArray) -> FloatArray:
        return (log_other - level) / (slope - other.exponent)

    at = cross(np.array([math.log(fit.n_opt.coefficient)]), np.array([fit.a]))
    low, high = np.quantile(cross(fit.draws.log_n_coefficient, fit.draws.a), (0.05, 0.95)).tolist()
    return math.exp(float(at[0])), (math.exp(low), math.exp(high))


def nearest_width(n_params: float) -> int:
    """Width of the main design whose model comes nearest in parameters; a multiple of 4.

    Examples
    --------
    >>> nearest_width(1e6)
    192
    """
    return min(
        range(8, 1025, 4),
        key=lambda width: abs(math.log(count_params(tier_shape(DESIGN, width)).total / n_params)),
    )


def _foretell(anchor: float, spent: float, results: Results) -> Forecast:
    fit = bootstrap_fit(ISOFLOP, SweepTable.from_records(results["fit"], source="fit"), n_draws=4000, seed=0)
    best = fit.allocate(spent)
    start = next(point for point in fit.points if math.isclose(point.flops, anchor))
    sizes = {
        "recommended": best.n_params,
        "larger": 4 * best.n_params,
        "kaplan": start.n_params * (spent / anchor) ** _KAPLAN,
    }
    return {
        "flops": spent,
        "a": fit.a,
        "a_interval": list(fit.interval("a")),
        "n_opt_interval": list(best.n_params_interval or ()),
        "kaplan_from": {"flops": anchor, "n_params": start.n_params, "exponent": _KAPLAN},
        "models": {role: {"n_params": size, "d_model": nearest_width(size)} for role, size in sizes.items()},
    }


def _later(tier: str, forecast: Forecast) -> tuple[Part, ...]:
    widths = [model["d_model"] for model in forecast["models"].values()]
    plan = partial(_plan, float(forecast["flops"]), tuple(sorted(set(widths))))
    return (Part("test", DESIGN.corpus, DESIGN.vocab_size, plan, keeps_models=True),)


def _plan(flops: float, widths: tuple[int, ...], identity: str) -> SweepPlan:
    configs = plan_runs(DESIGN, {flops: widths}, corpus=identity, seeds=range(_SEEDS))
    return SweepPlan("test", configs, DESIGN.corpus)


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    assert forecast is not None
    losses: dict[int, dict[int, float]] = {}
    for row in results["test"]:
        losses.setdefault(int(row["d_model"]), {})[int(row["seed"])] = float(row["loss"])
    of = {role: losses[model["d_model"]] for role, model in forecast["models"].items()}
    numbers = {f"loss_{role}": mean(by_seed.values()) for role, by_seed in of.items()}
    for role in ("larger", "kaplan"):
        differences = [of[role][seed] - loss for seed, loss in of["recommended"].items()]
        half = _T_90 * stdev(differences) / math.sqrt(len(differences))
        numbers |= {f"{role}_minus": mean(differences), f"{role}_half_width": half}
    text = "; ".join(
        f"{role} less recommended {numbers[f'{role}_minus']:+.4f} +- {numbers[f'{role}_half_width']:.4f} nats"
        for role in ("larger", "kaplan")
    )
    gain, half = numbers["larger_minus"], numbers["larger_half_width"]
    outcome = "holds" if gain > half else "does not hold" if gain < -half else "cannot tell"
    return Verdict(outcome, text, numbers)


LITTLE: Final = Experiment(
    name="little-chinchilla",
    title="one budget spent three ways, three seeds",
    section="4, 4.2.1",
    claim="at equal compute a model four times smaller, trained on four times the tokens, has the lower loss",
    rule="holds if the loss of the model four times larger, less that of the recommended one with the same "
    "seed, lies above 0 with its 90 % interval (Student's t over three seeds)",
    parts={tier: (ladder_part("fit", "english", fit),) for tier, (fit, _, _) in _BUDGETS.items()},
    judge=_judge,
    foretell={tier: partial(_foretell, anchor, spent) for tier, (_, anchor, spent) in _BUDGETS.items()},
    later=_later,
)
