"""Laws as formulas, without fitting: Hoffmann et al. (2022), Kaplan (2020), Muennighoff (2023) and others."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError

__all__ = ["KaplanLoss", "LossLaw", "ParametricLoss", "PowerLaw", "RepeatedDataLoss", "saturate"]

FloatArray = npt.NDArray[np.float64]

_LOG_RANGE = 700.0  # exp of more overflows a double


def _positive(name: str, value: npt.ArrayLike) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array) & (array > 0)).all():
        raise InputError(f"{name} must be finite and above 0, found {value!r}; pass a count in plain units")
    return array


@dataclass(frozen=True)
class PowerLaw:
    """A power law, ``y = coefficient * x ** exponent``.

    The compute-optimal model size N_opt = G' C^a and token count D_opt = G'' C^b of section 3
    are two of them, with C in FLOPs.

    Parameters
    ----------
    coefficient : float
        Value at x = 1, above 0; unit of y per unit of x to the exponent.
    exponent : float
        Dimensionless; ``a`` for N_opt and ``b`` for D_opt.

    Raises
    ------
    InputError
        If the coefficient is not finite and positive or the exponent is not finite.

    Examples
    --------
    >>> round(PowerLaw(coefficient=0.1, exponent=0.5).predict(1e20))
    1000000000
    """

    coefficient: float
    """Value at x = 1."""
    exponent: float
    """Slope in log-log coordinates."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.coefficient) and self.coefficient > 0):
            raise InputError(f"coefficient must be finite and above 0, found {self.coefficient!r}")
        if not math.isfinite(self.exponent):
            raise InputError(f"exponent must be finite, found {self.exponent!r}")

    @classmethod
    def from_log(cls, log_coefficient: float, exponent: float) -> "PowerLaw":
        """Build from a line in natural logs, ``ln y = log_coefficient + exponent * ln x``.

        Raises
        ------
        InputError
            If the coefficient leaves the range of a double.
        """
        if not abs(log_coefficient) <= _LOG_RANGE:
            raise InputError(
                f"a power law with exponent {exponent:.6g} has the coefficient exp({log_coefficient:.6g}), "
                "outside the range of a double; look for a wrong unit or a mixed-up column"
            )
        return cls(coefficient=math.exp(log_coefficient), exponent=exponent)

    @overload
    def predict(self, x: float) -> float: ...
    @overload
    def predict(self, x: FloatArray) -> FloatArray: ...
    def predict(self, x: float | FloatArray) -> float | FloatArray:
        """Evaluate the law.

        Parameters
        ----------
        x : float or array of float
            Above 0; FLOPs for the frontier's laws.

        Returns
        -------
        float or array of float
            Same shape as `x`.

        Raises
        ------
        InputError
            If any `x` is not finite and positive, or the value leaves the range of a double.
        """
        with np.errstate(over="ignore"):  # what is out of range is refused below
            log_y = math.log(self.coefficient) + self.exponent * np.log(_positive("x", x))
        if (np.abs(log_y) > _LOG_RANGE).any():
            raise InputError(
                f"at x = {x!r} a power law with exponent {self.exponent:.6g} leaves a double's range"
            )
        value: FloatArray = np.exp(log_y)
        return value if isinstance(x, np.ndarray) else float(value)


class LossLaw(ABC):
    """What laws of the loss in size and data share: the loss, and the optimum of each budget, C = 6ND."""

    @property
    @abstractmethod
    def a(self) -> float:
        """Exponent of N_opt in compute."""

    @property
    @abstractmethod
    def b(self) -> float:
        """Exponent of D_opt in compute, 1 - a."""

    @property
    @abstractmethod
    def _log_G(self) -> float:
        """ln N_opt at six FLOPs."""

    @abstractmethod
    def _loss(self, n_params: FloatArray, n_tokens: FloatArray) -> FloatArray:
        """Nats per token; infinite or 0 beyond the range of a double."""

    @property
    def n_opt_law(self) -> PowerLaw:
        """N_opt as a power law in FLOPs under C = 6ND, with N as the law counts it."""
        return PowerLaw.from_log(self._log_G - self.a * math.log(6), self.a)

    @property
    def d_opt_law(self) -> PowerLaw:
        """D_opt as a power law in the same FLOPs."""
        return PowerLaw.from_log(-self._log_G - self.b * math.log(6), self.b)

    @overload
    def loss(self, n_params: float, n_tokens: float) -> float: ...
    @overload
    def loss(self, n_params: FloatArray, n_tokens: FloatArray | float) -> FloatArray: ...
    @overload
    def loss(self, n_params: float, n_tokens: FloatArray) -> FloatArray: ...
    def loss(self, n_params: float | FloatArray, n_tokens: float | FloatArray) -> float | FloatArray:
        """Loss of a model of `n_params` parameters trained on `n_tokens` tokens, in nats per token.

        Arrays broadcast against each other.

        Raises
        ------
        InputError
            If a count is not finite and positive, or the loss leaves the range of a double.
        """
        with np.errstate(over="ignore"):
            value = self._loss(_positive("n_params", n_params), _positive("n_tokens", n_tokens))
        if not (np.isfinite(value) & (value > 0)).all():
            raise InputError(f"the loss of {self} leaves a double's range at these counts")
        if isinstance(n_params, np.ndarray) or isinstance(n_tokens, np.ndarray):
            return value
        return float(value)

    @overload
    def n_opt(self, flops: float) -> float: ...
    @overload
    def n_opt(self, flops: FloatArray) -> FloatArray: ...
    def n_opt(self, flops: float | FloatArray) -> float | FloatArray:
        """Compute-optimal number of parameters for a budget in FLOPs (equation 4, C = 6ND)."""
        return self.n_opt_law.predict(flops)

    @overload
    def d_opt(self, flops: float) -> float: ...
    @overload
    def d_opt(self, flops: FloatArray) -> FloatArray: ...
    def d_opt(self, flops: float | FloatArray) -> float | FloatArray:
        """Compute-optimal number of training tokens for a budget in FLOPs (equation 4, C = 6ND)."""
        return self.d_opt_law.predict(flops)


@dataclass(frozen=True)
class ParametricLoss(LossLaw):
    """The parametric loss of equation 2, ``L(N, D) = E + A / N**alpha + B / D**beta``.

    Its compute-optimal frontier under C = 6ND is equation 4:
    N_opt = G (C/6)^a and D_opt = (C/6)^b / G with G = (alpha A / (beta B))^(1/(alpha+beta)),
    a = beta/(alpha+beta) and b = alpha/(alpha+beta).

    Parameters
    ----------
    E : float
        Loss of an ideal model, nats per token, 0 or above.
    A, B : float
        Coefficients of the model-size and data terms, above 0.
    alpha, beta : float
        Exponents of the two terms, above 0.

    Raises
    ------
    InputError
        If a field is outside its range.

    Examples
    --------
    The law as printed in equation 10:

    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> round(law.a, 4), round(law.b, 4)
    (0.4516, 0.5484)
    >>> f"{law.n_opt(5.76e23):.3g}"
    '3.22e+10'
    """

    E: float
    """Loss of an ideal model (nats per token)."""
    A: float
    """Coefficient of the model-size term."""
    B: float
    """Coefficient of the data term."""
    alpha: float
    """Exponent of the model-size term."""
    beta: float
    """Exponent of the data term."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.E) and self.E >= 0):
            raise InputError(f"E must be finite and 0 or above (nats per token), found {self.E!r}")
        for name in ("A", "B", "alpha", "beta"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be finite and above 0, found {value!r}")

    @property
    def a(self) -> float:
        """Exponent of N_opt in compute, beta / (alpha + beta)."""
        return self.beta / (self.alpha + self.beta)

    @property
    def b(self) -> float:
        """Exponent of D_opt in compute, alpha / (alpha + beta)."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def _log_G(self) -> float:
        ratio = math.log(self.alpha) + math.log(self.A) - math.log(self.beta) - math.log(self.B)
        return ratio / (self.alpha + self.beta)

    @property
    def G(self) -> float:
        """The scale G of equation 4, in parameters at C = 6."""
        return PowerLaw.from_log(self._log_G, self.a).coefficient

    def _loss(self, n_params: FloatArray, n_tokens: FloatArray) -> FloatArray:
        size = np.exp(math.log(self.A) - self.alpha * np.log(n_params))
        data = np.exp(math.log(self.B) - self.beta * np.log(n_tokens))
        return np.asarray(self.E + size + data)


@dataclass(frozen=True)
class KaplanLoss(LossLaw):
    """The law of Kaplan et al. (2020), equation 1.5.

    ``L(N, D) = ((n_c / N)**(alpha_n / alpha_d) + d_c / D)**alpha_d``, where N counts parameters without
    embeddings. There is no floor: with size and data the loss falls to 0.

    Parameters
    ----------
    n_c : float
        Parameters without embeddings, above 0.
    d_c : float
        Tokens, above 0.
    alpha_n, alpha_d : float
        Exponents of the loss in size and in data, above 0.

    Raises
    ------
    InputError
        If a field is not finite and above 0.

    Examples
    --------
    >>> law = KaplanLoss(n_c=8.8e13, d_c=5.4e13, alpha_n=0.076, alpha_d=0.095)
    >>> round(law.loss(1.5e9, 23e9), 3)
    2.372
    >>> round(law.a, 3)
    0.556
    """

    n_c: float
    """Scale of the size term, parameters without embeddings."""
    d_c: float
    """Scale of the data term, tokens."""
    alpha_n: float
    """Exponent of the loss in size, where data are endless."""
    alpha_d: float
    """Exponent of the loss in tokens, where size is endless."""

    def __post_init__(self) -> None:
        for name in ("n_c", "d_c", "alpha_n", "alpha_d"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be finite and above 0, found {value!r}")

    @property
    def a(self) -> float:
        """Exponent of N_opt in compute, alpha_d / (alpha_n + alpha_d).

        That of one pass over the data; the 0.73 that Kaplan et al. state comes from their law of steps.
        """
        return self.alpha_d / (self.alpha_n + self.alpha_d)

    @property
    def b(self) -> float:
        """Exponent of D_opt in compute, alpha_n / (alpha_n + alpha_d)."""
        return self.alpha_n / (self.alpha_n + self.alpha_d)

    @property
    def _log_G(self) -> float:
        ratio = self.alpha_n / self.alpha_d
        return self.a * (math.log(ratio) + ratio * math.log(self.n_c) - math.log(self.d_c))

    def _loss(self, n_params: FloatArray, n_tokens: FloatArray) -> FloatArray:
        log_size = math.log(self.n_c) - np.log(n_params)
        log_data = math.log(self.d_c) - np.log(n_tokens)
        return np.exp(self.alpha_d * np.logaddexp(self.alpha_n / self.alpha_d * log_size, log_data))


@dataclass(frozen=True)
class RepeatedDataLoss:
    """The law of Muennighoff et al. (2023): equation 2 of effective counts, where tokens are repeated.

    With U unique tokens and R_D = D / U - 1 repetitions, D' = U + U r_d (1 - exp(-R_D / r_d)). Likewise N'
    with U_N, the size that the law finds best for U tokens, and R_N = N / U_N - 1. Where nothing is repeated
    and N is U_N or below, it is `law`.

    Parameters
    ----------
    law : ParametricLoss
        The law of fresh data.
    r_d : float
        R*_D, above 0: repeated tokens are worth at most so many passes. Infinite: as much as fresh ones.
    r_n : float
        R*_N, above 0, the same of parameters beyond U_N. Infinite: all parameters count.

    Raises
    ------
    InputError
        If `r_d` or `r_n` is not above 0.

    Examples
    --------
    Four epochs are worth 3.7, forty 15:

    >>> law = ParametricLoss(E=1.87, A=521, B=1488, alpha=0.353, beta=0.353)
    >>> repeated = RepeatedDataLoss(law, r_d=15.4, r_n=5.3)
    >>> [round(repeated.effective_tokens(epochs, 1.0), 1) for epochs in (1.0, 4.0, 40.0)]
    [1.0, 3.7, 15.2]
    """

    law: ParametricLoss
    """The law of fresh data."""
    r_d: float = math.inf
    """R*_D, passes over the data."""
    r_n: float = math.inf
    """R*_N, in multiples of U_N."""

    def __post_init__(self) -> None:
        for name in ("r_d", "r_n"):
            value = getattr(self, name)
            if not value > 0:
                raise InputError(f"{name} must be above 0, found {value!r}; infinity is no decay")

    def _log_tokens(self, n_tokens: FloatArray, unique_tokens: FloatArray) -> FloatArray:
        unique = np.minimum(unique_tokens, n_tokens)
        return np.asarray(np.log(unique) + np.log1p(saturate(n_tokens / unique - 1, self.r_d)))

    def _log_params(self, n_params: FloatArray, unique_tokens: FloatArray) -> FloatArray:
        log_n, log_g = np.log(n_params), self.law._log_G
        log_best = log_g + self.law.beta / self.law.alpha * (log_g + np.log(unique_tokens))
        log_unique = np.minimum(log_n, log_best)
        return np.asarray(log_unique + np.log1p(saturate(np.expm1(log_n - log_unique), self.r_n)))

    def effective_tokens(self, n_tokens: float, unique_tokens: float) -> float:
        """D', what the tokens are worth in fresh ones; unique tokens beyond `n_tokens` are not seen.

        Raises
        ------
        InputError
            If a count is not finite and positive.
        """
        counts = _positive("n_tokens", n_tokens), _positive("unique_tokens", unique_tokens)
        return float(np.exp(self._log_tokens(*counts)))

    def effective_params(self, n_params: float, unique_tokens: float) -> float:
        """N', what the parameters are worth where so many tokens are unique.

        Raises
        ------
        InputError
            If a count is not finite and positive.
        """
        counts = _positive("n_params", n_params), _positive("unique_tokens", unique_tokens)
        return float(np.exp(self._log_params(*counts)))

    @overload
    def loss(self, n_params: float, n_tokens: float, unique_tokens: float) -> float: ...
    @overload
    def loss(
        self, n_params: FloatArray, n_tokens: FloatArray, unique_tokens: FloatArray | float
    ) -> FloatArray: ...
    def loss(
        self,
        n_params: float | FloatArray,
        n_tokens: float | FloatArray,
        unique_tokens: float | FloatArray,
    ) -> float | FloatArray:
        """Loss after `n_tokens` tokens of which `unique_tokens` are different, in nats per token.

        Arrays broadcast against each other.

        Raises
        ------
        InputError
            If a count is not finite and positive, or the loss leaves the range of a double.
        """
        sizes, tokens = _positive("n_params", n_params), _positive("n_tokens", n_tokens)
        unique = np.minimum(_positive("unique_tokens", unique_tokens), tokens)
        value = self.law.loss(
            np.exp(self._log_params(sizes, unique)), np.exp(self._log_tokens(tokens, unique))
        )
        arrays = (n_params, n_tokens, unique_tokens)
        return value if any(isinstance(given, np.ndarray) for given in arrays) else float(value)


def saturate(repeats: FloatArray, limit: float | FloatArray) -> FloatArray:
    """What repeats are worth: ``limit (1 - exp(-repeats / limit))``, or all where the limit is infinite.

    Examples
    --------
    >>> saturate(np.array([1.0, 4.0, 100.0]), 15.39).round(2)
    array([ 0.97,  3.52, 15.37])
    """
    limit = np.minimum(limit, 1e15)  # beyond it no double tells
    return np.asarray(-limit * np.expm1(-repeats / limit), dtype=np.float64)
