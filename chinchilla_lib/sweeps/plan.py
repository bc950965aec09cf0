"""Which runs to do: an IsoFLOP plan as data, priced before it starts (section 3.2)."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Self

from chinchilla_lib._outside import check_names, check_types, take_list
from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.tiers import Tier, batch_size_rule, learning_rate_rule, tier_shape

__all__ = [
    "MAX_EPOCHS",
    "Ladder",
    "SweepPlan",
    "count_once",
    "plan_isoflop_sweep",
    "plan_runs",
]

MAX_EPOCHS: Final = 4
"""Repeats of a corpus beyond which tokens stop counting as new (Muennighoff et al. 2023)."""

_COOLDOWN: Final = 0.2
_TRUNK_STEPS: Final = 2  # below some 2,000 steps cooldowns are clearly better than cosine, above nearly equal
_FEWEST_STEPS: Final = 20
_ABOUT: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """How a staged plan goes on: one budget after another, centred on what was measured.

    Attributes
    ----------
    tier : Tier
    corpus : str
        Identity of the token shards.
    seeds : tuple of int
    max_tokens : float or None
        Widths whose run would need more tokens are left out of later stages; none sets no bound.
    """

    tier: Tier
    corpus: str
    seeds: tuple[int, ...]
    max_tokens: float | None

    def __post_init__(self) -> None:
        check_types(self)
        if not self.seeds or not all(type(seed) is int and seed >= 0 for seed in self.seeds):
            raise InputError(f"seeds is {repr(self.seeds)[:60]}; give whole numbers, 0 or more")

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budget of each stage, ascending."""
        return tuple(sorted(self.tier.widths))


@dataclass(frozen=True)
class SweepPlan:
    """A list of runs with a name; what a sweep folder belongs to.

    Attributes
    ----------
    name : str
    configs : tuple of RunConfig
        In the order of the tables.
    corpus : str
        Name of the corpus that the runs are planned for; empty if it has none.
    ladder : Ladder or None
        How the plan goes on when these runs are done; none if they are all.
    """

    name: str
    configs: tuple[RunConfig, ...]
    corpus: str = ""
    ladder: Ladder | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if not self.configs:
            raise InputError("the plan has no runs; give one budget and one width at least")
        if len(set(self.run_ids)) != len(self.run_ids):
            repeated = next(i for i in self.run_ids if self.run_ids.count(i) > 1)
            raise InputError(f"the plan has run {repeated} twice; list each width and seed once")

    @cached_property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs."""
        return tuple(config.run_id for config in self.configs)

    @property
    def identity(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the runs' ids and of the ladder."""
        content: list[Any] = list(self.run_ids)
        if self.ladder:
            content.append(_ladder_to_dict(self.ladder))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def flops(self) -> float:
        """Training FLOPs of all runs, a shared trunk counted once."""
        return count_once(self.configs, lambda config: config.flops)

    @property
    def n_tokens(self) -> int:
        """Training tokens of all runs, a shared trunk counted once."""
        return round(count_once(self.configs, lambda config: config.n_tokens))

    def epochs(self, unique_tokens: int) -> float:
        """Passes over its text that the longest run makes, of those that may use all of it.

        Parameters
        ----------
        unique_tokens : int
            Training tokens of the corpus.
        """
        return max((c.n_tokens for c in self.configs if c.unique_tokens is None), default=0) / unique_tokens

    def check_epochs(self, unique_tokens: int) -> None:
        """Refuse a plan that repeats its corpus too often.

        Parameters
        ----------
        unique_tokens : int
            Training tokens of the corpus.

        Raises
        ------
        InputError
            If a run passes over it more than `MAX_EPOCHS` times, other than one that names the tokens it
            repeats.
        """
        too_long = sum(
            config.unique_tokens is None and config.n_tokens > MAX_EPOCHS * unique_tokens
            for config in self.configs
        )
        if too_long:
            raise InputError(
                f"plan {self.name}: {too_long} of {len(self.configs)} runs repeat the corpus of "
                f"{unique_tokens} tokens more than {MAX_EPOCHS} times, up to "
                f"{self.epochs(unique_tokens):.1f}: take a larger corpus or smaller budgets, or allow repeats"
            )

    def preview(self) -> "SweepPlan":
        """The plan with the runs of later stages as they will be if the optimum lies where expected."""
        if self.ladder is None:
            return self
        configs = plan_runs(
            self.ladder.tier, self.ladder.tier.widths, corpus=self.ladder.corpus, seeds=self.ladder.seeds
        )
        return SweepPlan(self.name, configs, self.corpus)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same plan back."""
        return {
            "name": self.name,
            "corpus": self.corpus,
            "ladder": self.ladder and _ladder_to_dict(self.ladder),
            "configs": [config.to_dict() for config in self.configs],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Plan from its JSON form.

        Raises
        ------
        InputError
            If a field is missing or wrong, or it is not the plan whose identity it has.
        """
        check_names(data, ("name", "corpus", "ladder", "configs", "identity"), what="the plan of a sweep")
        try:
            ladder = data.get("ladder")
            if ladder is not None:
                tier = Tier.from_dict(ladder["tier"])
                ladder = Ladder(**{**ladder, "tier": tier, "seeds": take_list(ladder, "seeds")})
            configs = tuple(RunConfig.from_dict(config) for config in take_list(data, "configs"))
            plan = cls(data["name"], configs, data.get("corpus", ""), ladder)
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"not the plan of a sweep: {error}") from None
        if data.get("identity", plan.identity) != plan.identity:
            raise InputError(
                f"its identity is said to be {repr(data['identity'])[:40]} and is {plan.identity}; if it was "
                "changed on purpose, remove the field 'identity'"
            )
        return plan


def _ladder_to_dict(ladder: Ladder) -> dict[str, Any]:
    values = {field.name: getattr(ladder, field.name) for field in fields(ladder)}
    return {**values, "tier": ladder.tier.to_dict(), "seeds": list(ladder.seeds)}


def count_once(configs: Iterable[RunConfig], amount: Callable[[RunConfig], float]) -> float:
    """Sum over runs of something that grows with their steps, a shared trunk counted once.

    Parameters
    ----------
    configs : iterable of RunConfig
    amount : callable
        From a config to what it would take alone.

    Examples
    --------
    >>> from chinchilla_lib.experiments.recipe import plan_schedules
    >>> configs = plan_schedules("ci", corpus="mine").configs
    >>> apart = sum(config.n_tokens for config in configs)
    >>> round(count_once(configs, lambda config: config.n_tokens) / apart, 2)
    0.83
    """
    total = 0.0
    trunks: dict[str, float] = {}
    for config in configs:
        alone = amount(config)
        cooldown = alone * config.cooldown_steps / config.n_steps
        if config.trunk is None:
            total += alone
        else:
            total += cooldown
            trunks[config.trunk] = max(trunks.get(config.trunk, 0.0), alone - cooldown)
    return total + sum(trunks.values())


def plan_isoflop_sweep(
    tier: Tier, *, corpus: str, seeds: Sequence[int] = (0,), max_tokens: float | None = None
) -> SweepPlan:
    """Runs of a tier: at each budget, every width with the tokens that the budget buys.

    Parameters
    ----------
    tier : Tier
        If it is staged, the plan has the runs of the smallest budget and a ladder for the others.
    corpus : str
        Identity of the token shards.
    seeds : sequence of int
        Each run is repeated for every seed.
    max_tokens : float, optional
        Bound on the length of a run in later stages.

    Returns
    -------
    SweepPlan
        Ordered by budget, width and seed. FLOPs are counted by convention ``matmul``.

    Raises
    ------
    InputError
        If a budget buys less than 20 steps of a model.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> plan = plan_isoflop_sweep(TIERS["ci"], corpus="mine")
    >>> len(plan.configs), plan.configs[0].n_steps
    (18, 1156)
    """
    widths, ladder = dict(tier.widths), None
    if tier.staged and widths:
        ladder = Ladder(tier=tier, corpus=corpus, seeds=tuple(seeds), max_tokens=max_tokens)
        widths = {ladder.budgets[0]: widths[ladder.budgets[0]]}
    return SweepPlan(tier.name, plan_runs(tier, widths, corpus=corpus, seeds=seeds), tier.corpus, ladder)


def plan_runs(
    tier: Tier, widths: Mapping[float, Sequence[int]], *, corpus: str, seeds: Sequence[int]
) -> tuple[RunConfig, ...]:
    """Runs of some widths at some budgets, by the rules of a tier.

    Parameters
    ----------
    tier : Tier
    widths : mapping of float to sequence of int
        In place of the tier's own.
    corpus : str
        Identity of the token shards.
    seeds : sequence of int

    Returns
    -------
    tuple of RunConfig
        Ordered by budget, width and seed.

    Raises
    ------
    InputError
        If a budget buys less than 20 steps of a model.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> runs = plan_runs(TIERS["ci"], {1e10: [16, 32]}, corpus="mine", seeds=[0, 1])
    >>> [(run.shape.d_model, run.seed) for run in runs]
    [(16, 0), (16, 1), (32, 0), (32, 1)]
    """
    configs = [
        config
        for budget, row in widths.items()
        for d_model in row
        for seed in seeds
        for config in _runs_of_model(tier, corpus, budget, d_model, seed)
    ]
    return tuple(sorted(configs, key=lambda config: (config.flops_budget, config.shape.d_model)))


def _runs_of_model(tier: Tier, corpus: str, budget: float, d_model: int, seed: int) -> list[RunConfig]:
    """The runs of one model at the horizons of one budget; with ``wsd`` they share batch, rate and warmup."""
    shape = tier_shape(tier, d_model)
    budgets = [share * budget for share in sorted(tier.horizons)]
    tokens = [flops / training_flops_per_token(shape, "matmul") for flops in budgets]
    share_trunk = tier.schedule == "wsd"
    middle = math.exp(sum(math.log(n) for n in tokens) / len(tokens))
    configs: list[RunConfig] = []
    for flops, n_tokens in zip(budgets, tokens, strict=True):
        batch = _batch(tier, *((middle, tokens[0]) if share_trunk else (n_tokens, n_tokens)))
        n_steps = round(n_tokens / (batch * tier.seq_len))
        if n_steps < _FEWEST_STEPS:
            raise InputError(
                f"budget {flops:g} buys {n_steps} steps of width {d_model}; {_FEWEST_STEPS} at least: raise "
                "the budget or narrow the model"
            )
        warmup = configs[0].warmup_steps if share_trunk and configs else max(1, round(0.05 * n_steps))
        configs.append(
            RunConfig(
                shape=shape,
                n_steps=n_steps,
                batch_size_sequences=batch,
                learning_rate=learning_rate_rule(
                    count_params(shape).non_embedding, batch * tier.seq_len, maximum=tier.max_learning_rate
                ),
                warmup_steps=warmup,
                seed=seed,
                flops_budget=flops,
                flops_convention="matmul",
                corpus=corpus,
                eval_sequences=tier.eval_sequences,
                schedule=tier.schedule,
                cooldown_steps=round(_COOLDOWN * n_steps) if share_trunk else 0,
                final_learning_rate_fraction=0.0 if share_trunk else 0.1,
                weight_decay=tier.weight_decay,
                precision=tier.precision,
            )
        )
    return configs


def _batch(tier: Tier, n_tokens: float, shortest: float) -> int:
    """Sequences per step: by the rule, but no more than leave the shortest run its steps."""
    by_rule = batch_size_rule(n_tokens, seq_len=tier.seq_len, factor=tier.batch_factor)
    fewest = _ABOUT * tier.min_steps * (_TRUNK_STEPS if tier.schedule == "wsd" else 1)
    return min(by_rule, max(1, math.floor(shortest / (fewest * tier.seq_len))))
