"""Repeated data: what passes over a small set of tokens are worth in fresh ones (Muennighoff et al. 2023).

The paper's runs see their data at most once and leave more passes to later work (section 5). Every design
here and every threshold of the verdict was committed before the runs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.tiers import tier_shape

__all__ = [
    "BLOCKS",
    "REPEATS",
    "Block",
    "FreshCurve",
    "Worth",
    "fit_fresh_curve",
    "fresh_curves",
    "loss_noise",
    "plan_repeats",
    "unique_tokens_of",
    "worth_by_cell",
    "worth_by_width",
]

FloatArray = npt.NDArray[np.float64]

_EPOCHS: Final = 4
_SHARE: Final = 0.8
_Z_90: Final = 1.645  # the noise is pooled over some forty degrees of freedom
_POWERS: Final = np.geomspace(0.01, 3, 1000)
_BEYOND: Final = 4.0  # times the longest fresh run: no loss is read off the curve further out


@dataclass(frozen=True)
class Block:
    """Runs of some sizes to some lengths, on one number of unique tokens.

    Attributes
    ----------
    widths : tuple of int
    unique_tokens : int or None
        None for the whole corpus, of which these runs see a small part once.
    lengths : tuple of int
        Training tokens; the nearest number of whole steps is trained.
    seeds : tuple of int
    """

    widths: tuple[int, ...]
    unique_tokens: int | None
    lengths: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)


def _doublings(first: int, n: int) -> tuple[int, ...]:
    return tuple(first * 2**k for k in range(n))


_K: Final = 1024
_WIDTHS: Final = (16, 24, 40)

BLOCKS: Final[Mapping[str, tuple[Block, ...]]] = {
    "ci": (
        Block((16, 24), None, _doublings(64 * _K, 4), (0, 1)),
        Block((16, 24), 64 * _K, _doublings(64 * _K, 4), (0, 1)),
    ),
    "cpu-20": (
        Block(_WIDTHS, None, _doublings(128 * _K, 6)),
        Block(_WIDTHS, 128 * _K, _doublings(128 * _K, 6)),
        Block(_WIDTHS, 256 * _K, _doublings(256 * _K, 5)),
        Block(_WIDTHS[-1:], 64 * _K, _doublings(512 * _K, 4)),
        Block(_WIDTHS, None, _doublings(256 * _K, 3), (1, 2)),
        Block(_WIDTHS, 128 * _K, (_EPOCHS * 128 * _K,), (1, 2)),
        Block(_WIDTHS, 256 * _K, (_EPOCHS * 256 * _K,), (1, 2)),
    ),
}
"""By tier. ``cpu-20``: sets of 131,072 and 262,144 tokens up to 32 and 16 passes, the largest model on 65,536
up to 64, and fresh runs of the same lengths; two more seeds where the verdict looks, at four passes."""


def plan_repeats(tier: str, *, corpus: str) -> SweepPlan:
    """Runs of a tier; a fresh and a repeating run of one size and length differ in their tokens alone.

    Parameters
    ----------
    tier : str
        A key of :data:`BLOCKS`.
    corpus : str
        Identity of the token shards.

    Examples
    --------
    >>> len(plan_repeats("cpu-20", corpus="mine").configs)
    85
    """
    configs = [
        replace(config, unique_tokens=block.unique_tokens)
        for block in BLOCKS[tier]
        for width in block.widths
        for length in block.lengths
        for config in _runs_of_length(width, length, corpus, block.seeds)
    ]
    return SweepPlan(f"repeats-{tier}", tuple(configs), DESIGN.corpus)


def _runs_of_length(width: int, n_tokens: int, corpus: str, seeds: Sequence[int]) -> tuple[RunConfig, ...]:
    """Runs by tokens: a plan by budget, with the budget that buys them."""
    flops = n_tokens * training_flops_per_token(tier_shape(DESIGN, width), "matmul")
    return plan_runs(DESIGN, {flops: (width,)}, corpus=corpus, seeds=seeds)


@dataclass(frozen=True, eq=False)
class FreshCurve:
    """Loss of one size against fresh tokens: floor + scale (D / middle)^-power, by least squares.

    Attributes
    ----------
    floor, scale, power : float
        Nats per token, nats per token, and no unit.
    middle : float
        Geometric mean of the tokens of the runs.
    longest : float
        Tokens of the longest run.
    residuals : ndarray
        Measured minus fitted loss of each run.
    covariance : ndarray
        Of (floor, scale, power), shape (3, 3), for noise of one nat per token.
    """

    floor: float
    scale: float
    power: float
    middle: float
    longest: float
    residuals: FloatArray
    covariance: FloatArray

    def loss(self, n_tokens: FloatArray) -> FloatArray:
        """Loss after so many fresh tokens, nats per token."""
        return np.asarray(self.floor + self.scale * (n_tokens / self.middle) ** -self.power)

    def tokens(self, loss: FloatArray) -> FloatArray:
        """Fresh tokens that give a loss; at most four times those of the longest run."""
        most = math.log(_BEYOND * self.longest / self.middle)
        excess = np.maximum(loss - self.floor, self.scale * math.exp(-self.power * most))
        return np.asarray(self.middle * (excess / self.scale) ** (-1 / self.power))

    def slope(self, n_tokens: FloatArray) -> FloatArray:
        """By how much the loss falls for each unit of ln D, nats per token."""
        return np.asarray(self.power * (self.loss(n_tokens) - self.floor))

    def gradient(self, n_tokens: FloatArray) -> FloatArray:
        """Derivative of the loss by (floor, scale, power), shape (n, 3)."""
        return _jacobian(np.log(n_tokens / self.middle), self.scale, self.power)


def _jacobian(log_tokens: FloatArray, scale: float, power: float) -> FloatArray:
    falling = np.exp(-power * log_tokens)
    return np.stack([np.ones_like(falling), falling, -scale * falling * log_tokens], axis=1)


def fit_fresh_curve(n_tokens: npt.ArrayLike, loss: npt.ArrayLike) -> FreshCurve:
    """Fit the loss of one size against fresh tokens.

    Parameters
    ----------
    n_tokens, loss : array of float, shape (n_runs,)
        Four runs or more, of three lengths or more.

    Raises
    ------
    InputError
        If there are fewer, or the loss does not fall.
    """
    tokens, losses = np.asarray(n_tokens, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    if len(tokens) < 4 or len(np.unique(tokens)) < 3:
        raise InputError(
            f"there are {len(tokens)} fresh runs of {len(np.unique(tokens))} lengths; give four, of three"
        )
    log_tokens = np.log(tokens)
    middle = float(log_tokens.mean())
    falling = np.exp(-_POWERS[:, None] * (log_tokens - middle))
    centred = falling - falling.mean(axis=1, keepdims=True)
    scales = centred @ (losses - losses.mean()) / (centred**2).sum(axis=1)
    floors = losses.mean() - scales * falling.mean(axis=1)
    residuals = losses - floors[:, None] - scales[:, None] * falling
    best = int(np.argmin((residuals**2).sum(axis=1)))
    floor, scale, power = float(floors[best]), float(scales[best]), float(_POWERS[best])
    if scale <= 0:
        raise InputError("the loss of fresh runs does not fall with their length; check the runs")
    jacobian = _jacobian(log_tokens - middle, scale, power)
    return FreshCurve(
        floor=floor,
        scale=scale,
        power=power,
        middle=math.exp(middle),
        longest=float(tokens.max()),
        residuals=residuals[best],
        covariance=np.asarray(np.linalg.inv(jacobian.T @ jacobian), dtype=np.float64),
    )


@dataclass(frozen=True)
class Worth:
    """What repeating runs of one size are worth: fresh tokens of the same loss over the tokens trained.

    Attributes
    ----------
    d_model, n_params : int
    unique_tokens, n_tokens : int or None
        None where runs on several sets are taken together.
    losses : tuple of float
        Of the runs, nats per token.
    excess : float
        Mean loss above that of as many fresh tokens, nats per token.
    share : float
        Geometric mean over the runs.
    half_width : float
        Of the 90 % interval of ln(share), from the noise of these runs and of the fresh curve.
    """

    d_model: int
    n_params: int
    unique_tokens: int | None
    n_tokens: int | None
    losses: tuple[float, ...]
    excess: float
    share: float
    half_width: float

    @property
    def epochs(self) -> float:
        """Passes over the set."""
        assert self.n_tokens is not None
        assert self.unique_tokens is not None
        return self.n_tokens / self.unique_tokens

    @property
    def interval(self) -> tuple[float, float]:
        """90 % interval of the share."""
        return self.share * math.exp(-self.half_width), self.share * math.exp(self.half_width)


def unique_tokens_of(row: Row) -> int | None:
    """The tokens that a run repeats; None for a fresh run.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> sorted({unique_tokens_of(row) or 0 for row in load_recorded("repeats-cpu-20").rows})
    [0, 65536, 131072, 262144]
    """
    text = str(row.get("unique_tokens") or "")
    return int(text) if text else None


def fresh_curves(rows: Iterable[Row]) -> dict[int, FreshCurve]:
    """The curve of each width through its fresh runs of all seeds.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> sorted(fresh_curves(load_recorded("repeats-cpu-20").rows))
    [16, 24, 40]
    """
    points: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        if unique_tokens_of(row) is None:
            points.setdefault(int(row["d_model"]), []).append((float(row["n_tokens"]), float(row["loss"])))
    return {width: fit_fresh_curve(*zip(*points[width], strict=True)) for width in sorted(points)}


def loss_noise(rows: Sequence[Row]) -> float:
    """Standard deviation of a run's loss, nats per token.

    Pooled over the fresh runs about their curves, which takes lack of fit for noise, and the repeating runs
    about the mean of their seeds.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> f"{loss_noise(load_recorded('repeats-cpu-20').rows):.4f} nats per token"
    '0.0199 nats per token'
    """
    curves = fresh_curves(rows).values()
    squares = sum(float((curve.residuals**2).sum()) for curve in curves)
    freedom = sum(len(curve.residuals) - 3 for curve in curves)
    for runs in _cells(rows).values():
        losses = [float(row["loss"]) for row in runs]
        squares += float(np.var(losses)) * len(losses)
        freedom += len(losses) - 1
    return math.sqrt(squares / freedom)


def worth_by_cell(rows: Sequence[Row]) -> tuple[Worth, ...]:
    """What each size, set and number of passes is worth, over its seeds; by width, set and length.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> len(worth_by_cell(load_recorded("repeats-cpu-20").rows))
    37
    """
    curves, noise = fresh_curves(rows), loss_noise(rows)
    return tuple(
        replace(_worth(runs, curves[width], noise), unique_tokens=unique, n_tokens=n_tokens)
        for (width, unique, n_tokens), runs in sorted(_cells(rows).items())
    )


def worth_by_width(rows: Sequence[Row], epochs: int = _EPOCHS) -> tuple[Worth, ...]:
    """What a number of passes is worth to each size, over its sets and seeds.

    Raises
    ------
    InputError
        If no run makes so many passes.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> worths = worth_by_width(load_recorded("repeats-cpu-20").rows)
    >>> [f"{worth.d_model}: {worth.share:.2f} +- {worth.half_width:.2f}" for worth in worths]
    ['16: 0.92 +- 0.12', '24: 0.96 +- 0.09', '40: 0.92 +- 0.07']
    """
    curves, noise = fresh_curves(rows), loss_noise(rows)
    chosen: dict[int, list[Row]] = {}
    for (width, unique, n_tokens), runs in sorted(_cells(rows).items()):
        if round(n_tokens / unique) == epochs:
            chosen.setdefault(width, []).extend(runs)
    if not chosen:
        raise InputError(f"no run passes {epochs} times over its tokens; choose another number")
    return tuple(_worth(runs, curves[width], noise) for width, runs in chosen.items())


def _cells(rows: Iterable[Row]) -> dict[tuple[int, int, int], list[Row]]:
    """Repeating runs by width, unique tokens and training tokens."""
    cells: dict[tuple[int, int, int], list[Row]] = {}
    for row in rows:
        if (unique := unique_tokens_of(row)) is not None:
            key = int(row["d_model"]), unique, int(row["n_tokens"])
            cells.setdefault(key, []).append(row)
    return cells


def _worth(runs: Sequence[Row], curve: FreshCurve, noise: float) -> Worth:
    tokens = np.array([float(row["n_tokens"]) for row in runs])
    losses = np.array([float(row["loss"]) for row in runs])
    worth = curve.tokens(losses)
    # To first order d ln D' = (d loss - d curve) / -slope: runs err each alone, their curve errs for all.
    per_nat = 1 / curve.slope(worth)
    shared = (curve.gradient(worth) * per_nat[:, None]).mean(axis=0)
    variance = (per_nat**2).sum() / len(runs) ** 2 + shared @ curve.covariance @ shared
    return Worth(
        d_model=int(runs[0]["d_model"]),
        n_params=int(runs[0]["n_params"]),
        unique_tokens=None,
        n_tokens=None,
        losses=tuple(losses.tolist()),
        excess=float((losses - curve.loss(tokens)).mean()),
        share=math.exp(float(np.log(worth / tokens).mean())),
        half_width=_Z_90 * noise * math.sqrt(float(variance)),
    )


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    rows = [row for part in results.values() for row in part]
    try:
        widths = worth_by_width(rows)
    except InputError as error:
        return Verdict("cannot tell", str(error), {})
    share = math.exp(float(np.mean([math.log(one.share) for one in widths])))
    half = math.hypot(*(one.half_width for one in widths)) / len(widths)
    numbers = {"share": share, "low": share * math.exp(-half), "high": share * math.exp(half)}
    numbers |= {"excess": float(np.mean([one.excess for one in widths])), "noise": loss_noise(rows)}
    for one in widths:
        low, high = one.interval
        numbers |= {f"share_{one.d_model}": one.share, f"low_{one.d_model}": low, f"high_{one.d_model}": high}
    shown = ", ".join(
        f"{one.share:.2f} at width {one.d_model} ({one.interval[0]:.2f} to {one.interval[1]:.2f})"
        for one in widths
    )
    text = (
        f"a token of {_EPOCHS} passes is worth {share:.2f} fresh ones ({numbers['low']:.2f} to "
        f"{numbers['high']:.2f}): {shown}; noise of a run {numbers['noise']:.4f} nats"
    )
    if any(one.interval[1] < _SHARE for one in widths):
        return Verdict("does not hold", text, numbers)
    near = numbers["low"] > _SHARE and all(one.share >= _SHARE for one in widths)
    return Verdict("holds" if near else "cannot tell", text, numbers)


def _plan(tier: str, identity: str) -> SweepPlan:
    return plan_repeats(tier, corpus=identity)


REPEATS: Final = Experiment(
    name="repeats",
    title="one to 64 passes over small sets against fresh tokens: 3 sizes",
    section="5; Muennighoff et al. 2023",
    claim="up to four passes over the same tokens are nearly as good as fresh tokens",
    rule=f"holds if a token of four passes is worth {_SHARE} fresh ones or more at every size (fresh tokens "
    "at which the size's own fresh curve, floor + scale D^-power, has the same loss, over tokens trained; "
    "geometric mean over sets and seeds), and the 90 % interval of the mean over sizes lies above "
    f"{_SHARE}; does not hold if the interval of a size lies below it; else cannot tell. The published law "
    "says 0.93 where no parameters are in excess",
    parts={tier: (Part("runs", DESIGN.corpus, DESIGN.vocab_size, partial(_plan, tier)),) for tier in BLOCKS},
    judge=_judge,
)
