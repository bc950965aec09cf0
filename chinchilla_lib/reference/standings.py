"""Where a model stands under every law, with intervals where a law has draws, and how far out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.models import PrintedModel
from chinchilla_lib.reference.positions import Position, positions_of

__all__ = ["LAW_LABELS", "Standing", "law_of_draw", "standings", "tokens_for_size"]

FloatArray = npt.NDArray[np.float64]
Interval = tuple[float, float]

LAW_LABELS: Final[Mapping[str, str]] = {
    "approach 1": "Approach 1",
    "approach 2": "Approach 2",
    "hoffmann": "Approach 3, printed",
    "hoffmann-unrounded": "Approach 3, unrounded",
    "epoch": "Besiroglu et al.",
    "epoch-optimum": "same points, optimum",
    "muennighoff": "Muennighoff et al., C4",
    "kaplan": "Kaplan et al.",
}
"""Short names of the laws, in the order of a card."""

# Of laws without a loss, as approach3_protocol and kaplan2020_facts give them (Kaplan: no embeddings).
_LINES_LARGEST: Final[Mapping[str, Mapping[str, float]]] = {
    "approach 1": {"n_params": 10e9},
    "approach 2": {"n_params": 16e9, "flops": 3e21},
    "kaplan": {"n_params": 1.5e9},
}
_QUANTITIES: Final = ("loss", "excess_loss", "wasted", "n_opt", "d_opt", "size_factor")


@dataclass(frozen=True)
class Standing:
    """A model under one law."""

    position: Position
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """By quantity of the position; empty where the law has no draws."""
    level: float | None = None
    """Of the intervals."""
    beyond: Mapping[str, float] = field(default_factory=dict)
    """By what factor the model passes the largest run of the fit, in ``n_params``, ``n_tokens`` and
    ``flops``; only what it passes, and only where the runs are known."""

    @property
    def label(self) -> str:
        """Short name of the law."""
        return LAW_LABELS[self.position.law]

    @property
    def extrapolated(self) -> bool:
        """Whether the model lies outside of the runs that the law was fitted to."""
        return bool(self.beyond)


def standings(
    model: PrintedModel, *, draws: Mapping[str, FloatArray] | None = None, level: float = 0.9
) -> tuple[Standing, ...]:
    """Where a model stands under the laws of `LAW_LABELS`, by its printed counts and 6ND.

    Parameters
    ----------
    model : PrintedModel
    draws : mapping, optional
        By name of a law: E, ln A, ln B, alpha and beta of resamples, shape (n_draws, 5).
    level : float
        Of the intervals, above 0 and below 1.

    Raises
    ------
    InputError
        If draws are of an unknown law or another shape, or the level is out of its range.

    Examples
    --------
    >>> from chinchilla_lib.reference.models import find_model
    >>> [s.label for s in standings(find_model("gopher")) if s.position.size_factor < 1]
    ['Kaplan et al.']
    """
    draws = draws or {}
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}; it must be above 0 and below 1")
    for name, rows in draws.items():
        if name not in LAWS:
            raise InputError(f"draws are given of {name!r}; laws of the loss are {', '.join(LAWS)}")
        if rows.ndim != 2 or rows.shape[1] != 5 or not len(rows):
            raise InputError(f"draws of {name!r} have shape {rows.shape}; they need (n_draws, 5)")
    own = {p.law: p for p in positions_of(model.name, model.n_params, model.n_tokens)}
    return tuple(_standing(model, own[law], draws.get(law), level) for law in LAW_LABELS)


def _standing(model: PrintedModel, position: Position, draws: FloatArray | None, level: float) -> Standing:
    largest = LAWS[position.law].largest if position.law in LAWS else _LINES_LARGEST[position.law]
    factors = {name: getattr(model, name) / most for name, most in largest.items()}
    beyond = {name: factor for name, factor in factors.items() if factor > 1}
    if draws is None:
        return Standing(position, beyond=beyond)
    laws = {str(number): law_of_draw(row) for number, row in enumerate(draws)}
    drawn = positions_of(model.name, model.n_params, model.n_tokens, laws)
    tail = (1 - level) / 2
    intervals = {}
    for name in _QUANTITIES:
        low, high = np.quantile([getattr(one, name) for one in drawn], (tail, 1 - tail)).tolist()
        intervals[name] = (low, high)
    return Standing(position, intervals, level, beyond)


def law_of_draw(row: FloatArray) -> ParametricLoss:
    """The law of one resample: E, ln A, ln B, alpha and beta.

    Examples
    --------
    >>> round(law_of_draw(np.array([1.69, np.log(406.4), np.log(410.7), 0.34, 0.28])).B, 6)
    410.7
    """
    floor, log_a, log_b, alpha, beta = row.tolist()
    return ParametricLoss(E=floor, A=float(np.exp(log_a)), B=float(np.exp(log_b)), alpha=alpha, beta=beta)


def tokens_for_size(n_opt: PowerLaw, n_params: FloatArray) -> FloatArray:
    """Tokens with which sizes would be the best of their budgets, 6ND.

    Parameters
    ----------
    n_opt : PowerLaw
        Optimal parameters against FLOPs.
    n_params : array of float
        Sizes, above 0.

    Raises
    ------
    InputError
        If a size is not finite and above 0.

    Examples
    --------
    >>> from chinchilla_lib.reference.projections import approach_line
    >>> print(f"{tokens_for_size(approach_line('1').n_opt, np.array([280e9]))[0]:.3g}")
    5.89e+12
    """
    if not (np.isfinite(n_params) & (np.asarray(n_params) > 0)).all():
        raise InputError(f"n_params is {n_params!r}; sizes must be finite and above 0")
    log_flops = (np.log(n_params) - np.log(n_opt.coefficient)) / n_opt.exponent
    return np.asarray(np.exp(log_flops) / (6 * n_params))
