"""Optima that count serving: training costs 6ND FLOPs and each served token 2N (after Sardana et al. 2023).

One condition serves both questions, the cheapest model of a loss and the best of a budget. With S tokens
served, ``alpha A / N^alpha = (beta B / D^beta) (1 + S / (3 D))``: for each number of training tokens there is
one size, loss falls and cost rises along this path, and a root in ln D is all that is searched for. For S = 0
it is equation 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scipy.optimize import brentq

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss

__all__ = ["ServingOptimum", "best_for_total_budget", "cheapest_for_loss", "training_overhead"]

_LOG_STEP: Final = 2.0
_MOST_STEPS: Final = 400
_LOG_RANGE: Final = 300.0


@dataclass(frozen=True)
class ServingOptimum:
    """The model that is cheapest to train and to serve."""

    n_params: float
    """Parameters."""
    n_tokens: float
    """Training tokens."""
    served_tokens: float
    """Tokens served over the model's life, read and written."""
    loss: float
    """Nats per token."""
    unserved_n_params: float
    """Parameters of the Chinchilla model of this loss, the cheapest to train."""
    unserved_n_tokens: float
    """Its training tokens."""

    @property
    def training_flops(self) -> float:
        """6ND."""
        return 6 * self.n_params * self.n_tokens

    @property
    def serving_flops(self) -> float:
        """2N for each served token."""
        return 2 * self.n_params * self.served_tokens

    @property
    def total_flops(self) -> float:
        """Training and serving."""
        return self.training_flops + self.serving_flops

    @property
    def unserved_total_flops(self) -> float:
        """What the Chinchilla model of this loss costs to train and to serve."""
        return 2 * self.unserved_n_params * (3 * self.unserved_n_tokens + self.served_tokens)

    @property
    def saving(self) -> float:
        """Share of the Chinchilla model's total cost that is saved, 0 to 1."""
        return 1 - self.total_flops / self.unserved_total_flops

    @property
    def tokens_per_param(self) -> float:
        """D / N."""
        return self.n_tokens / self.n_params

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4f}, {format_count(self.served_tokens)} tokens served: "
            f"{format_count(self.n_params)} parameters on {format_count(self.n_tokens)} tokens, "
            f"{format_flops(self.total_flops)} FLOPs in all, {self.saving:.1%} fewer than "
            f"{format_count(self.unserved_n_params)} on {format_count(self.unserved_n_tokens)}"
        )


def cheapest_for_loss(law: ParametricLoss, loss: float, served_tokens: float) -> ServingOptimum:
    """The model of a given loss that costs least to train and to serve.

    Parameters
    ----------
    law : ParametricLoss
    loss : float
        Nats per token, above the law's E.
    served_tokens : float
        Tokens served over the model's life, 0 or above; they count 2N FLOPs each.

    Raises
    ------
    InputError
        If an argument is out of range, or the counts leave the range of a double.

    Examples
    --------
    A model of the quality of a 13B Chinchilla model that serves 2T tokens should have 7B parameters, and
    costs 17 % less (Sardana et al. 2023, Figure 1; coefficients as read by de Vries):

    >>> law = ParametricLoss(E=1.62, A=406.4, B=410.7, alpha=0.336, beta=0.283)
    >>> flops = 6 * 13e9 * law.d_opt_law.predict((13e9 / law.n_opt(1.0)) ** (1 / law.a))
    >>> best = cheapest_for_loss(law, law.loss(law.n_opt(flops), law.d_opt(flops)), 2e12)
    >>> print(best)  # doctest: +NORMALIZE_WHITESPACE
    loss 1.9753, 2T tokens served: 6.97B parameters on 1.25T tokens, 8e22 FLOPs in all, 17.4% fewer than
    13B on 576B
    """
    _check_served(served_tokens)
    if not (math.isfinite(loss) and loss > law.E):
        raise InputError(
            f"loss must be finite and above the law's E, {law.E:.4g} nats per token, found {loss!r}; "
            "no model of this law goes lower"
        )
    target = math.log(loss - law.E)

    def too_high(log_d: float) -> float:
        log_n = _log_size(law, log_d, served_tokens)
        return _log_sum(math.log(law.A) - law.alpha * log_n, math.log(law.B) - law.beta * log_d) - target

    return _optimum(law, _root(too_high), served_tokens)


def best_for_total_budget(law: ParametricLoss, flops: float, served_tokens: float) -> ServingOptimum:
    """The model of lowest loss whose training and serving cost a budget.

    Parameters
    ----------
    law : ParametricLoss
    flops : float
        6ND to train and 2N for each served token, above 0.
    served_tokens : float
        Tokens served over the model's life, 0 or above.

    Raises
    ------
    InputError
        If an argument is out of range, or the counts leave the range of a double.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> [f"{best_for_total_budget(law, 1e23, served).n_params:.3g}" for served in (0, 1e12, 1e13)]
    ['1.46e+10', '9.47e+09', '2.77e+09']
    """
    _check_served(served_tokens)
    if not (math.isfinite(flops) and flops > 0):
        raise InputError(f"flops must be finite and above 0, found {flops!r}; give training and serving")

    def too_cheap(log_d: float) -> float:
        log_n = _log_size(law, log_d, served_tokens)
        each = log_d if served_tokens == 0 else _log_sum(log_d, math.log(served_tokens / 3))
        return math.log(flops / 6) - log_n - each

    return _optimum(law, _root(too_cheap), served_tokens)


def training_overhead(law: ParametricLoss, size_factor: float) -> float:
    """Training compute that a model of another size than the optimum needs more for the same loss.

    It does not depend on the loss or the budget (de Vries 2023).

    Parameters
    ----------
    law : ParametricLoss
    size_factor : float
        Parameters over those of the Chinchilla model of the same loss.

    Returns
    -------
    float
        Share of the optimum's compute: 0.028 is 2.8 % more. Infinite for a size that cannot reach the loss.

    Raises
    ------
    InputError
        If the factor is not finite and above 0.

    Examples
    --------
    >>> law = ParametricLoss(E=1.62, A=406.4, B=410.7, alpha=0.336, beta=0.283)
    >>> [f"{training_overhead(law, factor):.1%}" for factor in (1, 0.75, 0.5)]
    ['0.0%', '2.8%', '20.8%']
    """
    if not (math.isfinite(size_factor) and size_factor > 0):
        raise InputError(
            f"size_factor must be finite and above 0, found {size_factor!r}; 0.5 is half the best size"
        )
    # At the optimum the two terms are as beta to alpha.
    log_left = math.log(law.a) - law.alpha * math.log(size_factor)
    if log_left >= 0:
        return math.inf
    log_tokens = (math.log(law.b) - math.log(-math.expm1(log_left))) / law.beta
    return math.expm1(math.log(size_factor) + log_tokens) if log_tokens < _LOG_RANGE else math.inf


def _check_served(served_tokens: float) -> None:
    if not (math.isfinite(served_tokens) and served_tokens >= 0):
        raise InputError(
            f"served_tokens must be finite and 0 or above, found {served_tokens!r}; "
            "count tokens, not requests"
        )


def _log_sum(x: float, y: float) -> float:
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


def _log_size(law: ParametricLoss, log_d: float, served_tokens: float) -> float:
    """ln N on the path of optima, where training tokens are given."""
    dearer = math.log1p(served_tokens / 3 * math.exp(-log_d))
    terms = math.log(law.alpha * law.A) - math.log(law.beta * law.B) + law.beta * log_d - dearer
    return terms / law.alpha


def _root(falling: Callable[[float], float]) -> float:
    """Where a falling function of ln D is 0."""
    low = high = 0.0
    for _ in range(_MOST_STEPS):
        if falling(low) >= 0:
            break
        low -= _LOG_STEP
    for _ in range(_MOST_STEPS):
        if falling(high) <= 0:
            break
        high += _LOG_STEP
    if low == high:
        return low
    if max(-low, high) > _LOG_RANGE:
        raise InputError("the optimum's tokens leave the range of a double; look for a wrong unit")
    return float(brentq(falling, low, high, xtol=1e-13, rtol=1e-14))


def _optimum(law: ParametricLoss, log_d: float, served_tokens: float) -> ServingOptimum:
    log_n = _log_size(law, log_d, served_tokens)
    reducible = _log_sum(math.log(law.A) - law.alpha * log_n, math.log(law.B) - law.beta * log_d)
    # On Chinchilla's frontier the shares of the two terms are a and b.
    log_n_0 = (math.log(law.A) - math.log(law.a) - reducible) / law.alpha
    log_d_0 = (math.log(law.B) - math.log(law.b) - reducible) / law.beta
    if max(map(abs, (log_n, log_n_0, log_d_0))) > _LOG_RANGE:
        raise InputError("the optimum's counts leave the range of a double; look for a wrong unit")
    return ServingOptimum(
        n_params=math.exp(log_n),
        n_tokens=math.exp(log_d),
        served_tokens=float(served_tokens),
        loss=law.E + math.exp(reducible),
        unserved_n_params=math.exp(log_n_0),
        unserved_n_tokens=math.exp(log_d_0),
    )
