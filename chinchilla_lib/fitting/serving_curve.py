"""How the best model of a quality moves as it serves more tokens, with intervals where a law has draws.

Units are those of the Chinchilla model of the same loss, of N_0 parameters and D_0 tokens. With x = N / N_0,
y = D / D_0 and s = S / D_0 an additive law says that models of this loss have ``a x^-alpha + b y^-beta = 1``,
a and b being its exponents of N_opt and D_opt. Training and serving cost ``x (3 y + s)``, which is least
where ``s = 3 y (y^beta - 1) / a``. So a law enters by its two exponents, and by D_0, the unit of s.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.laws import ParametricLoss

__all__ = ["ServingCurve", "served_for_size", "serving_curve"]

FloatArray = npt.NDArray[np.float64]

_MOST_STEPS: Final = 200  # halvings; a double has 53 bits, and a bracket in ln y is short


@dataclass(frozen=True, eq=False)
class ServingCurve:
    """The cheapest model of one quality by tokens served; arrays of shape (n_served,).

    Bands hold the low and the high end at each number of tokens served, shape (2, n_served), or are None.
    """

    served_tokens: FloatArray
    """Tokens served over the model's life, read and written."""
    flops: float
    """The quality: that of the compute-optimal model of this budget, C = 6ND."""
    unserved_n_params: float
    """Parameters of that model."""
    unserved_n_tokens: float
    """Its training tokens."""
    size_factor: FloatArray
    """Parameters of the cheapest model over those; 1 where nothing is served."""
    token_factor: FloatArray
    """Its training tokens over that model's."""
    saving: FloatArray
    """Share of what that model costs in all that the cheapest one saves."""
    level: float | None = None
    """Of the bands; None where the law has no draws."""
    size_band: FloatArray | None = None
    """Of `size_factor`."""
    ratio_band: FloatArray | None = None
    """Of `tokens_per_param`, which holds that the Chinchilla model's own ratio is uncertain, too."""
    saving_band: FloatArray | None = None
    """Of `saving`."""

    @property
    def tokens_per_param(self) -> FloatArray:
        """D / N of the cheapest model."""
        ratio = self.unserved_n_tokens / self.unserved_n_params
        return np.asarray(ratio * self.token_factor / self.size_factor, dtype=np.float64)


def serving_curve(
    law: ParametricLoss,
    flops: float,
    served_tokens: npt.ArrayLike,
    *,
    draws: FloatArray | None = None,
    level: float = 0.9,
) -> ServingCurve:
    """The cheapest model of a quality, for each number of tokens served.

    Parameters
    ----------
    law : ParametricLoss
    flops : float
        The quality is that of the compute-optimal model of this budget, C = 6ND, above 0.
    served_tokens : array of float, shape (n_served,)
        0 or above.
    draws : array of float, shape (n_draws, 5), optional
        E, ln A, ln B, alpha and beta of other laws that could be true, such as
        ``fit.draws.law`` of `bootstrap_fit`. Each has its own model of the budget.
    level : float
        Of the bands, percentiles over draws; between 0 and 1.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> curve = serving_curve(law, 5.76e23, [0, 1e12, 1e13])
    >>> [f"{share:.2f}" for share in curve.size_factor], [f"{saved:.1%}" for saved in curve.saving]
    (['1.00', '0.87', '0.54'], ['0.0%', '0.7%', '16.9%'])
    """
    served = np.asarray(served_tokens, dtype=np.float64)
    if served.ndim != 1 or not (np.isfinite(served) & (served >= 0)).all():
        raise InputError(
            f"served_tokens must be a list of finite numbers, 0 or above, found {served_tokens!r}"
        )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    n_params, n_tokens = law.n_opt(float(flops)), law.d_opt(float(flops))
    x, y = _cheapest(np.array([law.alpha]), np.array([law.beta]), served[None] / n_tokens)
    saving = _saving(x, y, served[None] / n_tokens)
    bands: dict[str, FloatArray] = {}
    if draws is not None:
        alpha, beta, log_n, log_d = _models(np.asarray(draws, dtype=np.float64), flops)
        share = served / np.exp(log_d)[:, None]
        each_x, each_y = _cheapest(alpha, beta, share)
        ratio = np.exp(log_d - log_n)[:, None] * each_y / each_x
        ends = [(1 - level) / 2, (1 + level) / 2]
        bands = {
            "size_band": np.quantile(each_x, ends, axis=0),
            "ratio_band": np.quantile(ratio, ends, axis=0),
            "saving_band": np.quantile(_saving(each_x, each_y, share), ends, axis=0),
        }
    return ServingCurve(
        served_tokens=served,
        flops=float(flops),
        unserved_n_params=n_params,
        unserved_n_tokens=n_tokens,
        size_factor=x[0],
        token_factor=y[0],
        saving=saving[0],
        level=level if bands else None,
        **bands,
    )


def served_for_size(
    law: ParametricLoss,
    flops: float,
    size_factor: float,
    *,
    draws: FloatArray | None = None,
    level: float = 0.9,
) -> tuple[float, Interval | None]:
    """Tokens served at which a smaller model is the cheapest of its quality.

    Parameters
    ----------
    law, flops, draws, level
        As `serving_curve`.
    size_factor : float
        Parameters over those of the Chinchilla model, above 0, up to 1.

    Returns
    -------
    float, interval or None
        Tokens, infinite where no model so small reaches the loss; and their interval, where there are draws.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> f"{served_for_size(law, 5.76e23, 0.9)[0]:.2g}"
    '6.8e+11'
    """
    if not 0 < size_factor <= 1:
        raise InputError(f"size_factor must lie above 0, up to 1, found {size_factor!r}; 0.5 is half")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    one = np.array([law.alpha]), np.array([law.beta])
    tokens = law.d_opt(float(flops)) * float(_served_over_tokens(*one, size_factor)[0])
    if draws is None:
        return tokens, None
    alpha, beta, _, log_d = _models(np.asarray(draws, dtype=np.float64), flops)
    each = np.exp(log_d) * _served_over_tokens(alpha, beta, size_factor)
    # Not interpolated: some draws may be infinite.
    low, high = np.quantile(each, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return tokens, (float(low), float(high))


def _models(draws: FloatArray, flops: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """alpha, beta, and ln of size and tokens of each draw's optimum of a budget (equation 4)."""
    if draws.ndim != 2 or draws.shape[1] != 5 or not len(draws):
        raise InputError(
            f"draws must have the shape (n_draws, 5), of E, ln A, ln B, alpha and beta, found {draws.shape}"
        )
    log_a, log_b, alpha, beta = draws[:, 1:].T
    log_g = (np.log(alpha) + log_a - np.log(beta) - log_b) / (alpha + beta)
    log_n = log_g + beta / (alpha + beta) * math.log(flops / 6)
    return alpha, beta, log_n, math.log(flops / 6) - log_n


def _cheapest(alpha: FloatArray, beta: FloatArray, served: FloatArray) -> tuple[FloatArray, FloatArray]:
    """x and y for tokens served over D_0, shape (n_laws, n_served)."""
    alpha, beta = alpha[:, None], beta[:, None]
    wanted = beta / (alpha + beta) * served / 3  # y (y^beta - 1)
    # y ln y >= y - 1, so that y (y^beta - 1) >= beta (y - 1).
    low, high = np.zeros_like(wanted), np.log1p(wanted / beta)
    for _ in range(_MOST_STEPS):
        middle = (low + high) / 2
        above = np.exp(middle) * np.expm1(beta * middle) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
        if (high - low <= 1e-15 * (1 + high)).all():
            break
    log_y = (low + high) / 2
    log_x = -np.log1p(-alpha / beta * np.expm1(-beta * log_y)) / alpha
    return np.exp(log_x), np.exp(log_y)


def _served_over_tokens(alpha: FloatArray, beta: FloatArray, size_factor: float) -> FloatArray:
    """S / D_0 at which x is best, shape (n_laws,)."""
    left = -np.expm1(-alpha * math.log(size_factor)) * beta / alpha + 0.0  # y^-beta - 1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_y = np.where(left > -1, -np.log1p(left) / beta, np.inf)
        return np.asarray(3 * np.exp(log_y) * np.expm1(beta * log_y) * (alpha + beta) / beta)


def _saving(x: FloatArray, y: FloatArray, served: FloatArray) -> FloatArray:
    return np.asarray(1 - x * (3 * y + served) / (3 + served), dtype=np.float64)
