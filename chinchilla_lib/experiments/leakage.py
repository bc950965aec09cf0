"""How much a near-copy among the training text lowers the loss on held-out text.

Models of three sizes are trained on a million tokens twice: with copies of some held-out passages among
them, and with other text in their place. The gain on passages with copies, less that on passages without, is
the leak: what is easy in a passage, and what the copies cost the rest, drop out. With as many tokens for
every size, each model meets each copy once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.leaks import COPIES, N_PASSAGES, SOURCE
from chinchilla_lib.experiments.experiment import Experiment, Forecast, Part, Results, Row, Verdict
from chinchilla_lib.experiments.main_sweep import DESIGN
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan, plan_runs
from chinchilla_lib.sweeps.tiers import tier_shape

__all__ = ["LEAKAGE", "Leak", "leaks", "passage_losses"]

FloatArray = npt.NDArray[np.float64]

_DESIGN: Final = replace(DESIGN, corpus=SOURCE, eval_sequences=2 * N_PASSAGES)  # a passage is two windows
_COLUMN: Final = "passage_losses"
_LEAST: Final = 0.01
_Z_90: Final = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class _Scale:
    widths: tuple[int, ...]
    n_tokens: float
    n_seeds: int


# The corpora have a million training tokens: a run of that length meets each copy once.
_SCALES: Final[Mapping[str, _Scale]] = {
    "ci": _Scale((16, 32), 1.5e5, 1),
    "cpu-20": _Scale((16, 40, 96), 9.5e5, 2),
}


@dataclass(frozen=True)
class Leak:
    """What copies do to the loss of one model on their passages.

    Attributes
    ----------
    d_model, n_params : int
        Width and parameters; 0 for the mean over sizes.
    copies : int
        Near-copies of a passage among the training text.
    gain : float
        By which the loss is lower than without copies, beyond the same on passages that have none; nats per
        token, mean over seeds and passages.
    half_width : float
        Half of the 90 % interval, over passages.
    """

    d_model: int
    n_params: int
    copies: int
    gain: float
    half_width: float

    @property
    def interval(self) -> tuple[float, float]:
        """90 %."""
        return self.gain - self.half_width, self.gain + self.half_width


def passage_losses(record: RunRecord) -> Row:
    """The held-out loss of each passage, nats per token, as one column of a row."""
    assert record.heldout is not None
    return {_COLUMN: " ".join(f"{loss:.4f}" for loss in record.heldout.loss)}


def leaks(results: Mapping[str, Sequence[Row]]) -> tuple[Leak, ...]:
    """The leak of each size and number of copies, and of the mean over sizes.

    Parameters
    ----------
    results : mapping
        Rows of the parts ``unleaked`` and ``leaked``, with the losses of the passages.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> leak = leaks(load_recorded("leakage-cpu-20").parts())[0]
    >>> f"{leak.copies}: {leak.gain:.3f} +- {leak.half_width:.3f} nats per token"
    '1: 0.010 +- 0.011 nats per token'
    """
    gains = _gains(results)
    sizes = {int(row["d_model"]): int(row["n_params"]) for row in results["leaked"]}
    found = [
        Leak(width, n_params, copies, *_beyond_others(gains[width], copies))
        for width, n_params in sorted(sizes.items())
        for copies in sorted({*COPIES} - {0})
    ]
    mean = np.mean(list(gains.values()), axis=0)
    found += [Leak(0, 0, copies, *_beyond_others(mean, copies)) for copies in sorted({*COPIES} - {0})]
    return tuple(found)


def _gains(results: Mapping[str, Sequence[Row]]) -> dict[int, FloatArray]:
    """By width, the loss on each passage without copies less that with them, mean over seeds."""
    losses: dict[str, dict[int, list[FloatArray]]] = {part: {} for part in results}
    for part, rows in results.items():
        for row in rows:
            values = np.array([float(value) for value in str(row[_COLUMN]).split()])
            losses[part].setdefault(int(row["d_model"]), []).append(values)
    means = {part: {w: np.mean(runs, axis=0) for w, runs in by.items()} for part, by in losses.items()}
    return {w: means["unleaked"][w] - means["leaked"][w] for w in sorted(means["leaked"])}


def _beyond_others(gains: FloatArray, copies: int) -> tuple[float, float]:
    """Mean gain of passages with so many copies less that of passages with none; half of its interval."""
    of = np.array(COPIES)[np.arange(len(gains)) % len(COPIES)]
    with_copies, without = gains[of == copies], gains[of == 0]
    variance = sum(np.var(part, ddof=1) / len(part) for part in (with_copies, without))
    return float(with_copies.mean() - without.mean()), _Z_90 * math.sqrt(variance)


def _plan(tier: str, part: str, identity: str) -> SweepPlan:
    scale = _SCALES[tier]
    budgets = {
        scale.n_tokens * training_flops_per_token(tier_shape(_DESIGN, width), "matmul"): (width,)
        for width in scale.widths
    }
    configs = plan_runs(_DESIGN, budgets, corpus=identity, seeds=range(scale.n_seeds))
    return SweepPlan(part, configs, f"sotu-{part}")


def _judge(results: Results, forecast: Forecast | None) -> Verdict:
    found = {(leak.d_model, leak.copies): leak for leak in leaks(results)}
    numbers: dict[str, float] = {}
    for (width, copies), leak in found.items():
        name = f"{width or 'mean'}_{copies}"
        numbers |= {f"gain_{name}": leak.gain, f"half_width_{name}": leak.half_width}
    gains = _gains(results)
    most = max(COPIES)
    growth, half = _beyond_others(gains[max(gains)] - gains[min(gains)], most)
    numbers |= {"growth": growth, "growth_half_width": half}
    shown = ", ".join(
        f"{copies} {found[0, copies].gain:+.4f} +- {found[0, copies].half_width:.4f}"
        for copies in sorted({*COPIES} - {0})
    )
    text = (
        f"gain by copies, mean over sizes: {shown} nats; with {most} copies the largest model gains "
        f"{growth:+.4f} +- {half:.4f} more than the smallest"
    )
    low, high = found[0, 1].interval
    return Verdict("holds" if low > 0 else "does not hold" if high < _LEAST else "cannot tell", text, numbers)


LEAKAGE: Final = Experiment(
    name="leakage",
    title="near-copies of held-out passages in the training text: 0, 1, 3 and 9 of each, three sizes",
    section="4.2.1, 5",
    claim="held-out text that overlaps with training text makes a model look better than it is",
    rule="holds if the gain from a single near-copy, mean over sizes, lies above 0 with its 90 % interval, "
    f"over passages; does not hold if else that lies below {_LEAST} nats per token. Beside it: whether, with "
    "nine copies, the largest model gains more than the smallest by more than the 90 % interval of the "
    "difference",
    parts={
        tier: tuple(
            Part(part, f"sotu-{part}", DESIGN.vocab_size, partial(_plan, tier, part))
            for part in ("unleaked", "leaked")
        )
        for tier in _SCALES
    },
    judge=_judge,
    columns=passage_losses,
)
