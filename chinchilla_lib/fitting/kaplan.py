"""Kaplan et al. (2020) beside the paper: their law fitted to runs, and their sizes with embeddings counted.

Their N leaves embeddings out, and so does their compute. At small scale embeddings are most of a model, so a
size that their law recommends says little before it is put into all parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.counts import check_counts, repeated_rows
from chinchilla_lib.fitting.diagnostics import OptimumCheck
from chinchilla_lib.fitting.power_law import fit_power_law
from chinchilla_lib.fitting.surface import LogSurface, check_delta, fit_surface, grid_of_starts
from chinchilla_lib.laws import KaplanLoss, PowerLaw
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["KaplanAllocation", "KaplanFit", "allocate_kaplan", "embedding_law", "fit_kaplan"]

FloatArray = npt.NDArray[np.float64]

_N_FREE: Final = 4
_RATIOS: Final = np.geomspace(0.2, 5, 7)
_ALPHA_D: Final = np.geomspace(0.02, 1.5, 8)
_EXPONENTS: Final = (1e-3, 10.0)
_DEPTH: Final = 5.0  # of ln L
_LOG_LARGE: Final = 600.0
_TRACE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class KaplanFit:
    """Their law of size and data, fitted to runs."""

    table: SweepTable
    """The runs."""
    law: KaplanLoss
    """The law; its frontier counts 6ND without embeddings."""
    residuals: FloatArray
    """Measured minus fitted loss of each run, nats per token."""
    objective: float
    """Sum over runs of Huber's function of ln(fitted / measured loss)."""
    optimum: OptimumCheck
    """What was checked at the optimum."""
    messages: tuple[str, ...]
    """What to know before using the fit."""

    def __str__(self) -> str:
        law = self.law
        lines = [
            f"Kaplan's law: {len(self.table)} runs of {self.table.source}, N without embeddings",
            f"  L = (({law.n_c:.4g} / N)^({law.alpha_n:.4f} / {law.alpha_d:.4f}) + {law.d_c:.4g} / D)"
            f"^{law.alpha_d:.4f}, objective {self.objective:.6g}",
            f"  N_opt ~ C^{law.a:.4f}, D_opt ~ C^{law.b:.4f} in one pass over the data",
        ]
        return "\n".join([*lines, *(f"  note: {message}" for message in self.messages)])


@dataclass(frozen=True)
class KaplanAllocation:
    """What a law of non-embedding parameters recommends for a budget."""

    flops: float
    """The budget."""
    flops_convention: str
    """How it was counted: ``six_nd`` with all parameters, or ``kaplan`` without embeddings."""
    n_params_non_embedding: float
    """Parameters without embeddings."""
    n_params: float
    """All parameters."""
    n_tokens: float
    """Training tokens that the budget pays."""

    def __str__(self) -> str:
        return (
            f"{format_flops(self.flops)} FLOPs ({self.flops_convention}): "
            f"{format_count(self.n_params_non_embedding)} parameters without embeddings, "
            f"{format_count(self.n_params)} in all, on {format_count(self.n_tokens)} tokens"
        )


def fit_kaplan(table: SweepTable, *, delta: float = 1e-3) -> KaplanFit:
    """Fit L(N, D) of equation 1.5 of Kaplan et al. (2020) to runs, N without embeddings.

    Parameters
    ----------
    table : SweepTable
        Five runs or more with ``n_params_non_embedding``, of two sizes and two token counts or more.
    delta : float
        Of Huber's function of ln(fitted / measured loss), above 0; infinity is least squares.

    Raises
    ------
    InputError
        If the table lacks the column, the runs cannot determine the law, or an option is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> fit = fit_kaplan(replace(table, n_params_non_embedding=0.9 * table.n_params))
    >>> f"{fit.law.alpha_n:.3f} {fit.law.alpha_d:.3f}"
    '0.126 0.129'
    """
    check_delta(delta)
    everything = range(len(table))
    if table.n_params_non_embedding is None:
        raise InputError(
            f"{table.source}: there is no column 'n_params_non_embedding', which Kaplan's law counts; "
            "add it, or put 'n_params' there to fit the form to all parameters"
        )
    check_counts(table)
    if len(table) <= _N_FREE:
        raise InputError(
            f"{table.where(everything, 'loss')}: {len(table)} runs for {_N_FREE} free parameters; "
            f"give {_N_FREE + 1} runs or more"
        )
    log_n, log_d, log_loss = np.log(table.n_params_non_embedding), np.log(table.n_tokens), np.log(table.loss)
    for name, logs in (("n_params_non_embedding", log_n), ("n_tokens", log_d)):
        if np.ptp(logs) < 1e-9:
            raise InputError(
                f"{table.where(everything, name)}: all runs have one value, "
                f"{format_count(math.exp(logs[0]))}; the law needs runs of several"
            )
    x, y = log_n - log_n.mean(), log_d - log_d.mean()
    surface, (lower, upper) = kaplan_surface(x, y), kaplan_bounds(log_loss)
    found = fit_surface(
        surface, log_loss, kaplan_starts(x, y, log_loss), lower=lower, upper=upper, delta=delta
    )
    law = kaplan_law(found.params, float(log_n.mean()), float(log_d.mean()))
    messages = list(repeated_rows(table))
    if not found.check.passed:
        messages.append(
            f"the optimum's check did not pass: relative gradient {found.check.relative_gradient:.1g}, "
            f"predicted reduction {found.check.predicted_reduction:.1g}"
        )
    return KaplanFit(
        table=table,
        law=law,
        residuals=-table.loss * np.expm1(surface(found.params[None])[0] - log_loss),
        objective=found.value,
        optimum=found.check,
        messages=tuple(messages),
    )


def kaplan_surface(x: FloatArray, y: FloatArray) -> LogSurface:
    """Their law as `fit_surface` takes it, of ln N and ln D less their means.

    Parameters are ln of what each term alone would make of the loss at the centre, ln alpha_n and ln alpha_d.
    """

    def log_surface(params: FloatArray) -> FloatArray:
        size, data, alpha_n, alpha_d = params[:, :1], params[:, 1:2], *np.exp(params[:, 2:].T)[..., None]
        terms = np.logaddexp((size - alpha_n * x) / alpha_d, data / alpha_d - y)
        return np.asarray(alpha_d * terms, dtype=np.float64)

    return log_surface


def kaplan_starts(x: FloatArray, y: FloatArray, log_loss: FloatArray) -> FloatArray:
    """Starts for `kaplan_surface`: with both exponents held, L^(1 / alpha_d) is linear in the two terms."""
    starts = []
    for alpha, ratio in grid_of_starts(_ALPHA_D, _RATIOS).tolist():
        middle = float(log_loss.mean())
        relative = np.stack([np.exp(-ratio * x), np.exp(-y)]) * np.exp((middle - log_loss) / alpha)
        found = np.linalg.lstsq(relative.T, np.ones_like(x), rcond=None)[0]
        size, data = alpha * np.log(np.maximum(found, _TRACE)) + middle
        starts.append([size, data, math.log(alpha * ratio), math.log(alpha)])
    return np.array(starts)


def kaplan_bounds(log_loss: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest parameters of `kaplan_surface`; a term on its lower bound has vanished."""
    low, high = float(log_loss.min()), float(log_loss.max())
    exponents = np.log(_EXPONENTS)
    lower = np.array([low - _DEPTH, low - _DEPTH, exponents[0], exponents[0]])
    return lower, np.array([high + _DEPTH, high + _DEPTH, exponents[1], exponents[1]])


def kaplan_law(params: FloatArray, log_n: float, log_d: float) -> KaplanLoss:
    """The law of parameters of `kaplan_surface`, with the means of ln N and ln D.

    Raises
    ------
    InputError
        If a scale leaves the range of a double.
    """
    (size, data), (alpha_n, alpha_d) = params[:2].tolist(), np.exp(params[2:]).tolist()
    log_n_c, log_d_c = size / alpha_n + log_n, data / alpha_d + log_d
    if max(abs(log_n_c), abs(log_d_c)) > _LOG_LARGE:
        raise InputError(
            f"Kaplan's law has scales of exp({log_n_c:.4g}) parameters and exp({log_d_c:.4g}) tokens here, "
            "outside the range of a double: the losses show no fall of its kind"
        )
    return KaplanLoss(n_c=math.exp(log_n_c), d_c=math.exp(log_d_c), alpha_n=alpha_n, alpha_d=alpha_d)


def embedding_law(shapes: Sequence[TransformerShape]) -> PowerLaw:
    """Embedding parameters of a family of shapes as a power of the others.

    Where depth grows with width the exponent is near 1/3, at one depth 1/2.

    Parameters
    ----------
    shapes : sequence of TransformerShape
        Of two sizes or more.

    Raises
    ------
    InputError
        If all shapes have one size.

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> law = embedding_law(list(KNOWN_SHAPES.values()))
    >>> f"{law.predict(69.8e9):.3g}"
    '2.62e+08'
    """
    counts = [count_params(shape) for shape in shapes]
    return fit_power_law(
        np.array([count.non_embedding for count in counts], dtype=np.float64),
        np.array([count.embedding for count in counts], dtype=np.float64),
    )


def allocate_kaplan(
    n_opt: PowerLaw,
    flops: float,
    embedding: PowerLaw,
    *,
    flops_convention: str = "six_nd",
    critical_batch: bool = False,
) -> KaplanAllocation:
    """What a law of non-embedding parameters recommends for a budget, with embeddings counted.

    Parameters
    ----------
    n_opt : PowerLaw
        Parameters without embeddings by FLOPs without embeddings: ``KAPLAN_LAWS["n_opt"].law``, or the
        `n_opt_law` of a `KaplanLoss`. Its exponent lies between 0 and 1.
    flops : float
        The budget, above 0.
    embedding : PowerLaw
        See `embedding_law`.
    flops_convention : str
        ``six_nd`` if the budget counts 6ND with all parameters, ``kaplan`` if without embeddings.
    critical_batch : bool
        The run has the critical batch size: half of its compute is C_min, which `n_opt` takes.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> from chinchilla_lib.laws import PowerLaw
    >>> n_opt = PowerLaw(coefficient=1.3e9 * 8.64e19**-0.73, exponent=0.73)
    >>> print(allocate_kaplan(n_opt, 1e18, PowerLaw(coefficient=47491, exponent=1 / 3)))
    1e18 FLOPs (six_nd): 39M parameters without embeddings, 55.1M in all, on 3.03B tokens
    """
    if flops_convention not in ("six_nd", "kaplan"):
        raise InputError(f"flops_convention is {flops_convention!r}; give six_nd or kaplan")
    if not 0 < n_opt.exponent < 1:
        raise InputError(f"n_opt must have an exponent between 0 and 1, found {n_opt.exponent!r}")
    if not (math.isfinite(flops) and flops > 0):
        raise InputError(f"flops must be finite and above 0, found {flops!r}")
    c_min = flops / 2 if critical_batch else flops
    log_n = math.log(n_opt.predict(c_min))
    if flops_convention == "six_nd":

        def above(log_n: float) -> float:
            return log_n - math.log(n_opt.predict(c_min / _total_factor(embedding, log_n)))

        low = log_n
        while above(low) > 0:
            low -= 1
        log_n = float(brentq(above, low, log_n, xtol=1e-13)) if low < log_n else log_n
    others = math.exp(log_n)
    total = others * _total_factor(embedding, log_n)
    paid = total if flops_convention == "six_nd" else others
    return KaplanAllocation(flops, flops_convention, others, total, flops / (6 * paid))


def _total_factor(embedding: PowerLaw, log_n: float) -> float:
    """All parameters over those without embeddings."""
    return 1 + math.exp(math.log(embedding.coefficient) + (embedding.exponent - 1) * log_n)
