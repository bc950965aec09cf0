"""What a run is asked to do, and what it did: values, with a lossless JSON form."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_flops
from chinchilla_lib._outside import check_names, check_types, take_list
from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import CONVENTIONS, training_flops_per_token

__all__ = [
    "PRECISIONS",
    "SCHEDULES",
    "WEIGHT_PRECISIONS",
    "DocumentLosses",
    "LossCurve",
    "RunConfig",
    "RunFailure",
    "RunRecord",
    "clustered_mean",
    "compare_heldout",
]

SCHEDULES: Final = ("cosine", "wsd")
PRECISIONS: Final = ("float32", "bf16", "fp16")
WEIGHT_PRECISIONS: Final = ("float32", "bf16")
FailureKind = Literal["diverged", "error"]
_LATER_FIELDS: Final = ("cycle_steps", "weight_precision", "unique_tokens", "corrupted_fraction")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run, fully determined: same config, same device, same result.

    Attributes
    ----------
    shape : TransformerShape
    n_steps : int
        Optimiser steps; the schedule is matched to this length (section 3.1, appendix B).
    batch_size_sequences : int
        Sequences of ``shape.seq_len`` tokens per step.
    learning_rate : float
        Peak of the schedule.
    warmup_steps : int
        Steps of linear warmup.
    seed : int
        Seeds the initialisation and the order of the data.
    flops_budget : float
        Planned training FLOPs, the same for every run of a valley.
    flops_convention : str
        How FLOPs are counted, one of :data:`chinchilla_lib.flops.CONVENTIONS`.
    corpus : str
        Identity of the token shards (:class:`chinchilla_lib.corpus.shards.Shards`).
    eval_sequences : int
        Sequences of the fixed held-out set.
    schedule : str
        ``cosine``, or ``wsd``: warmup, constant rate, cooldown
        (:mod:`chinchilla_lib.training.schedule`).
    cooldown_steps : int
        Last steps of ``wsd``, in which the rate falls; 0 for ``cosine``.
    final_learning_rate_fraction : float
        The schedule ends at this share of the peak (10 % in the paper).
    precision : str
        Of the matrix products: ``float32``, ``bf16`` or ``fp16``. Weights, moments and sums are
        float32 always.
    beta1, beta2, weight_decay, grad_clip : float
        AdamW and the clipping of the gradient's norm; without weight decay it is Adam.
    cycle_steps : int or None
        Length of the cosine, ``n_steps`` or more: the run stops before the rate has fallen (appendix B).
        None matches it to the run.
    weight_precision : str
        What weights are rounded to after each step: ``float32``, or ``bf16`` for training without a float32
        copy of them (appendix G).
    unique_tokens : int or None
        Training tokens, drawn by the seed, that the run passes over again and again; None for all there are.
    corrupted_fraction : float
        Share of training tokens replaced by ones drawn at random, below 1; the held-out text stays clean.
    """

    shape: TransformerShape
    n_steps: int
    batch_size_sequences: int
    learning_rate: float
    warmup_steps: int
    seed: int
    flops_budget: float
    flops_convention: str
    corpus: str
    eval_sequences: int
    schedule: str = "cosine"
    cooldown_steps: int = 0
    final_learning_rate_fraction: float = 0.1
    precision: str = "float32"
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    cycle_steps: int | None = None
    weight_precision: str = "float32"
    unique_tokens: int | None = None
    corrupted_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        for name, most in (("n_steps", 10**12), ("batch_size_sequences", 10**9), ("eval_sequences", 10**9)):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 to {most:.0e}")
        for name in ("learning_rate", "flops_budget", "grad_clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive and finite")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in 0..1, below 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; give 0 or more")
        if self.cycle_steps is not None and (self.schedule != "cosine" or self.cycle_steps < self.n_steps):
            raise InputError(
                f"cycle_steps is {self.cycle_steps} with schedule {self.schedule!r}; it is the length of a "
                f"cosine, at least n_steps, {self.n_steps}"
            )
        if not 0 <= self.warmup_steps < (self.cycle_steps or self.n_steps):
            raise InputError(
                f"warmup_steps is {self.warmup_steps} of {self.cycle_steps or self.n_steps}; "
                "warmup must end before the run, or the cycle it is cut from"
            )
        if self.unique_tokens is not None and self.unique_tokens < self.shape.seq_len:
            raise InputError(
                f"unique_tokens is {self.unique_tokens}; give one sequence, {self.shape.seq_len}, at least"
            )
        if not 0 <= self.corrupted_fraction < 1:
            raise InputError(f"corrupted_fraction is {self.corrupted_fraction}; it must lie in 0..1, below 1")
        if not 0 <= self.final_learning_rate_fraction <= 1:
            raise InputError(
                f"final_learning_rate_fraction is {self.final_learning_rate_fraction}; it must lie in 0..1"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay is {self.weight_decay}; it must be 0 or more")
        for name, known in (
            ("flops_convention", CONVENTIONS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("weight_precision", WEIGHT_PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}")
        last = self.n_steps - self.warmup_steps
        if self.schedule == "wsd" and not 0 < self.cooldown_steps <= last:
            raise InputError(
                f"cooldown_steps is {self.cooldown_steps}; schedule 'wsd' needs 1 to {last}, the steps after "
                "the warmup"
            )
        if self.schedule == "cosine" and self.cooldown_steps:
            raise InputError(
                f"cooldown_steps is {self.cooldown_steps}; schedule 'cosine' has none: leave it at 0"
            )

    @property
    def batch_size_tokens(self) -> int:
        """Tokens per optimiser step."""
        return self.batch_size_sequences * self.shape.seq_len

    @property
    def n_tokens(self) -> int:
        """Training tokens, D: steps times tokens per step."""
        return self.n_steps * self.batch_size_tokens

    @cached_property
    def flops(self) -> float:
        """Training FLOPs of the whole run, by ``flops_convention``."""
        return self.n_tokens * training_flops_per_token(self.shape, self.flops_convention)

    @property
    def optimizer(self) -> str:
        """``adamw``, or ``adam`` when there is no weight decay."""
        return "adamw" if self.weight_decay else "adam"

    @property
    def trunk(self) -> str | None:
        """Digest shared by runs that are one run until the first of them ends or cools down.

        They are runs of ``wsd``, or cosines cut from one cycle; None for a cosine of the run's own length.
        """
        if self.schedule != "wsd" and self.cycle_steps is None:
            return None
        own = ("n_steps", "cooldown_steps", "flops_budget")
        return _digest({name: value for name, value in self.to_dict().items() if name not in own})

    @cached_property
    def run_id(self) -> str:
        """Readable name that ends in a digest of the whole config: equal ids, equal runs."""
        width = f"{self.shape.d_model}x{self.shape.n_layers}"
        return f"{format_flops(self.flops_budget)}-{width}-s{self.seed}-{_digest(self.to_dict())}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same config back.

        Fields younger than the first records are left out at their defaults, so that ids stay what they were.
        """
        values = {**asdict(self), "shape": self.shape.to_dict()}
        return {name: value for name, value in values.items() if name not in self._at_default()}

    def _at_default(self) -> set[str]:
        return {name for name in _LATER_FIELDS if getattr(self, name) == getattr(type(self), name)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Config from its JSON form.

        Raises
        ------
        InputError
            If a field is missing, unknown or out of range.
        """
        check_names(data, [field.name for field in fields(cls)], what="the config of a run")
        try:
            return cls(**{**data, "shape": TransformerShape.from_dict(data["shape"])})
        except (TypeError, KeyError) as error:
            raise InputError(f"not the config of a run: {error}") from None


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class LossCurve:
    """A training curve, thinned: each point is the mean loss of the steps since the point before.

    Attributes
    ----------
    step : tuple of int
        Last step of each stretch, counted from 1.
    train_loss : tuple of float
        Mean training loss over the stretch, nats per token.
    """

    step: tuple[int, ...]
    train_loss: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.step) != len(self.train_loss):
            raise InputError(f"the curve has {len(self.step)} steps and {len(self.train_loss)} losses")
        _check_numbers("step", self.step, int)
        _check_numbers("train_loss", self.train_loss, float)


@dataclass(frozen=True)
class DocumentLosses:
    """Held-out loss of each document, so that runs can be compared document by document.

    Attributes
    ----------
    document : tuple of int
        Index of the document on the held-out side, ascending.
    n_tokens : tuple of int
        Tokens predicted in it.
    loss : tuple of float
        Mean over these, nats per token.
    """

    document: tuple[int, ...]
    n_tokens: tuple[int, ...]
    loss: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.document) == len(self.n_tokens) == len(self.loss):
            raise InputError(
                f"there are {len(self.document)} documents, {len(self.n_tokens)} numbers of tokens and "
                f"{len(self.loss)} losses; give one of each"
            )
        _check_numbers("document", self.document, int)
        _check_numbers("n_tokens", self.n_tokens, int)
        _check_numbers("loss", self.loss, float)


def _check_numbers(name: str, values: Sequence[object], kind: type[int] | type[float]) -> None:
    allowed = int if kind is int else (int, float)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, allowed) or abs(value) >= 2**63:
            wanted = "whole numbers of 64 bits" if kind is int else "numbers"
            raise InputError(f"{name} holds {repr(value)[:60]}; give {wanted}")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a finished run measured.

    Attributes
    ----------
    config : RunConfig
    loss : float
        Held-out loss at the end, nats per token.
    loss_se : float
        Its standard error, clustered by document.
    bits_per_byte : float
        The same loss per byte of text.
    curve : LossCurve
    seconds : float
        Wall time; kept out of the tables, so that they repeat exactly.
    environment : mapping
        Device and versions.
    heldout : DocumentLosses or None
        The held-out loss by document; None if it was not measured.
    """

    config: RunConfig
    loss: float
    loss_se: float
    bits_per_byte: float
    curve: LossCurve
    seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    heldout: DocumentLosses | None = None

    def __post_init__(self) -> None:
        check_types(self)
        for name, value in self.environment.items():
            if not isinstance(value, str):
                raise InputError(f"environment has {repr(value)[:60]} for {name!r}; give texts")

    def to_row(self) -> dict[str, str | int | float]:
        """The run's row of ``runs.csv``, with younger fields of the config where these are set."""
        config = self.config
        params = count_params(config.shape)
        row: dict[str, str | int | float] = {
            "run_id": config.run_id,
            "seed": config.seed,
            "n_params": params.total,
            "n_params_non_embedding": params.non_embedding,
            "n_tokens": config.n_tokens,
            "flops": config.flops,
            "flops_convention": config.flops_convention,
            "flops_budget": config.flops_budget,
            "loss": self.loss,
            "loss_se": self.loss_se,
            "bits_per_byte": self.bits_per_byte,
            "family": config.shape.family,
            "n_layers": config.shape.n_layers,
            "d_model": config.shape.d_model,
            "vocab_size": config.shape.vocab_size,
            "seq_len": config.shape.seq_len,
            "batch_size_tokens": config.batch_size_tokens,
            "n_steps": config.n_steps,
            "learning_rate": config.learning_rate,
            "schedule": config.schedule,
            "optimizer": config.optimizer,
            "precision": config.precision,
            "corpus": config.corpus,
        }
        return row | {name: value for name, value in config.to_dict().items() if name in _LATER_FIELDS}

    def curve_rows(self) -> list[dict[str, str | int | float]]:
        """The run's rows of ``curves.csv``."""
        config = self.config
        return [
            {
                "run_id": config.run_id,
                "step": step,
                "n_tokens": step * config.batch_size_tokens,
                "horizon_tokens": config.n_tokens,
                "flops": config.flops * (step / config.n_steps),
                "train_loss": train_loss,
            }
            for step, train_loss in zip(self.curve.step, self.curve.train_loss, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON form; :meth:`from_dict` gives the same record back."""
        return {
            "config": self.config.to_dict(),
            "loss": self.loss,
            "loss_se": self.loss_se,
            "bits_per_byte": self.bits_per_byte,
            "curve": {"step": list(self.curve.step), "train_loss": list(self.curve.train_loss)},
            "seconds": self.seconds,
            "environment": dict(self.environment),
            "heldout": self.heldout and {name: list(values) for name, values in vars(self.heldout).items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Record from its JSON form.

        Raises
        ------
        InputError
            If a field is missing, unknown or out of range.
        """
        check_names(data, [field.name for field in fields(cls)], what="the record of a run")
        try:
            curve = LossCurve(**{name: take_list(data["curve"], name) for name in data["curve"]})
            config = RunConfig.from_dict(data["config"])
            heldout = data.get("heldout")
            if heldout is not None:
                heldout = DocumentLosses(**{name: take_list(heldout, name) for name in heldout})
            return cls(**{**data, "config": config, "curve": curve, "heldout": heldout})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"not the record of a run: {error}") from None


def compare_heldout(first: RunRecord, second: RunRecord) -> tuple[float, float]:
    """Difference of two runs' held-out losses, and its standard error over documents.

    Both saw the same windows, so what is hard about a document is hard for both and drops out: the error
    is far below that of either loss. It holds for other text of this kind, not for other seeds.

    Parameters
    ----------
    first, second : RunRecord

    Returns
    -------
    difference, standard_error : float
        Loss of the first less that of the second, nats per token; the linearised ratio estimator,
        clustered by document.

    Raises
    ------
    InputError
        If they were not measured on the same windows.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.simulate import simulate_run
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> run = simulate_run(plan_isoflop_sweep(TIERS["ci"], corpus="mine").configs[0], law)
    >>> first = replace(run, heldout=DocumentLosses((0, 1, 2), (100, 300, 100), (3.1, 2.9, 3.4)))
    >>> second = replace(run, heldout=DocumentLosses((0, 1, 2), (100, 300, 100), (3.0, 2.8, 3.4)))
    >>> [round(value, 3) for value in compare_heldout(first, second)]
    [0.08, 0.025]
    """
    a, b = first.heldout, second.heldout
    same = first.config.corpus == second.config.corpus and a and b and a.document == b.document
    if not (same and a and b and a.n_tokens == b.n_tokens):
        raise InputError(
            f"runs {first.config.run_id} and {second.config.run_id} were not measured on the same held-out "
            "windows; compare runs of one sweep"
        )
    n_tokens = np.array(a.n_tokens, dtype=np.float64)
    return clustered_mean(np.subtract(a.loss, b.loss), n_tokens)


def clustered_mean(means: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean over all items of clusters, and its standard error when items of a cluster are alike.

    The linearised ratio estimator with G / (G - 1) for G clusters.

    Parameters
    ----------
    means : ndarray
        Mean of each cluster, shape (G,).
    weights : ndarray
        Items in each cluster, shape (G,).

    Returns
    -------
    mean, standard_error : float
        The error is infinite when there is one cluster only.

    Examples
    --------
    >>> mean, se = clustered_mean(np.array([3.1, 2.9, 3.4]), np.array([100.0, 300.0, 100.0]))
    >>> f"{mean:.3f} {se:.3f}"
    '3.040 0.136'
    """
    mean = float(np.average(means, weights=weights))
    g = len(means)
    if g < 2:
        return mean, math.inf
    deviation = weights * (means - mean)
    return mean, float(np.sqrt(g / (g - 1) * (deviation**2).sum()) / weights.sum())


@dataclass(frozen=True)
class RunFailure:
    """What a run ends with when it has no record.

    Attributes
    ----------
    config : RunConfig
    reason : str
    kind : str
        ``diverged``: the loss stopped being a number, and would again; ``error``: anything else.
    """

    config: RunConfig
    reason: str
    kind: FailureKind

    def __post_init__(self) -> None:
        check_types(self)
        if self.kind not in get_args(FailureKind):
            raise InputError(
                f"kind is {repr(self.kind)[:60]}; it is one of {', '.join(get_args(FailureKind))}"
            )
