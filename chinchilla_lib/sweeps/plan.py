"""Which runs to do: an IsoFLOP plan as data, priced before it starts (section 3.2)."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunConfig

__all__ = [
    "TIERS",
    "SweepPlan",
    "Tier",
    "batch_size_rule",
    "learning_rate_rule",
    "plan_isoflop_sweep",
    "rope_shape",
]


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
        Model widths trained at each FLOP budget.
    eval_sequences : int
        Sequences of the held-out set.
    batch_factor, max_learning_rate : float
        See :func:`batch_size_rule` and :func:`learning_rate_rule`.
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


TIERS: dict[str, Tier] = {
    "ci": Tier(
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
    ),
}


@dataclass(frozen=True)
class SweepPlan:
    """A list of runs with a name; what a sweep folder belongs to.

    Attributes
    ----------
    name : str
    configs : tuple of RunConfig
        In the order of the tables.
    """

    name: str
    configs: tuple[RunConfig, ...]

    def __post_init__(self) -> None:
        ids = [config.run_id for config in self.configs]
        if not ids:
            raise InputError("the plan has no runs; give one budget and one width at least")
        if len(set(ids)) != len(ids):
            repeated = next(i for i in ids if ids.count(i) > 1)
            raise InputError(f"the plan has run {repeated} twice; list each width and seed once")

    @property
    def identity(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the runs' ids."""
        ids = json.dumps([config.run_id for config in self.configs])
        return hashlib.sha256(ids.encode()).hexdigest()[:16]

    @property
    def flops(self) -> float:
        """Training FLOPs of all runs."""
        return sum(config.flops for config in self.configs)

    @property
    def n_tokens(self) -> int:
        """Training tokens of all runs."""
        return sum(config.n_tokens for config in self.configs)

    def epochs(self, unique_tokens: int) -> float:
        """Passes over the corpus that the longest run makes.

        Parameters
        ----------
        unique_tokens : int
            Training tokens of the corpus.
        """
        return max(config.n_tokens for config in self.configs) / unique_tokens

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same plan back."""
        return {"name": self.name, "configs": [config.to_dict() for config in self.configs]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Plan from its JSON form.

        Raises
        ------
        InputError
            If a field is missing or wrong.
        """
        try:
            return cls(data["name"], tuple(RunConfig.from_dict(config) for config in data["configs"]))
        except (TypeError, KeyError) as error:
            raise InputError(f"not the plan of a sweep: {error}") from None


def rope_shape(d_model: int, *, n_layers: int, vocab_size: int, seq_len: int) -> TransformerShape:
    """Shape of a given width: heads of 16 to 24, feed-forward of four widths.

    Parameters
    ----------
    d_model : int
        Even, 8 at least.
    n_layers, vocab_size, seq_len : int

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
    n_heads = max(1, d_model // 16)
    while d_model % n_heads or d_model // n_heads % 2:
        n_heads -= 1
    return TransformerShape(
        family="rope",
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
    """Peak rate: ``2e-3 sqrt(46e6 / N) sqrt(B / 32768)``, at most ``maximum``.

    Anchored at a published grid of a model of 46M parameters; N counts without embeddings,
    B in tokens.
    """
    rate = 2e-3 * math.sqrt(46e6 / n_params_non_embedding) * math.sqrt(batch_size_tokens / 32768)
    return min(maximum, rate)


def plan_isoflop_sweep(tier: Tier, *, corpus: str, seeds: Sequence[int] = (0,)) -> SweepPlan:
    """Runs of a tier: at each budget, every width with the tokens that the budget buys.

    Parameters
    ----------
    tier : Tier
    corpus : str
        Identity of the token shards.
    seeds : sequence of int
        Each run is repeated for every seed.

    Returns
    -------
    SweepPlan
        Ordered by budget, width and seed. FLOPs are counted by convention ``matmul``.

    Raises
    ------
    InputError
        If a budget buys less than 20 steps of a model.
    """
    configs = [
        _config(tier, corpus, budget, d_model, seed)
        for budget, widths in sorted(tier.widths.items())
        for d_model in widths
        for seed in seeds
    ]
    return SweepPlan(tier.name, tuple(configs))


def _config(tier: Tier, corpus: str, budget: float, d_model: int, seed: int) -> RunConfig:
    shape = rope_shape(d_model, n_layers=tier.n_layers, vocab_size=tier.vocab_size, seq_len=tier.seq_len)
    n_tokens = budget / training_flops_per_token(shape, "matmul")
    batch = batch_size_rule(n_tokens, seq_len=tier.seq_len, factor=tier.batch_factor)
    n_steps = round(n_tokens / (batch * tier.seq_len))
    if n_steps < 20:
        raise InputError(
            f"budget {budget:g} buys {n_steps} steps of width {d_model}; 20 at least: raise the budget or "
            "narrow the model"
        )
    return RunConfig(
        shape=shape,
        n_steps=n_steps,
        batch_size_sequences=batch,
        learning_rate=learning_rate_rule(
            count_params(shape).non_embedding, batch * tier.seq_len, maximum=tier.max_learning_rate
        ),
        warmup_steps=max(1, round(0.05 * n_steps)),
        seed=seed,
        flops_budget=budget,
        flops_convention="matmul",
        corpus=corpus,
        eval_sequences=tier.eval_sequences,
    )
