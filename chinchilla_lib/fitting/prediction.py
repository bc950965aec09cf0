"""The loss of a run that has not been trained, with the interval of the law and that of the run."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.diagnostics import Interval
from chinchilla_lib.fitting.result import FrontierFit, log_surface

__all__ = ["Prediction", "predict_run"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """The loss of one run, in nats per token."""

    n_params: float
    """Parameters."""
    n_tokens: float
    """Training tokens."""
    loss: float
    """Loss of the fitted law."""
    law_interval: Interval | None = None
    """Where the law lies at these counts; None without draws."""
    run_interval: Interval | None = None
    """Where the loss of one new run falls, its noise included; None without draws."""
    level: float | None = None
    """Level of the intervals; None without draws."""

    def __str__(self) -> str:
        text = f"loss {self.loss:.4f}"
        if self.level is None or self.law_interval is None or self.run_interval is None:
            return text
        law, run = (f"{low:.4f} to {high:.4f}" for low, high in (self.law_interval, self.run_interval))
        return f"{text}, law {law}, new run {run} ({self.level:.0%})"


def predict_run(
    fit: FrontierFit, n_params: float, n_tokens: float, *, level: float = 0.9, seed: int = 0
) -> Prediction:
    """Predict the loss of a run from any fit that has a law.

    To each draw of the law one residual of the fit is added, drawn with replacement from the log residuals
    times sqrt(n / (n - k)), for n runs and k free parameters: noise is taken to be alike at all counts.

    Parameters
    ----------
    fit : FrontierFit
        Its intervals come from its draws; without them there are none.
    n_params, n_tokens : float
        Of the new run, in plain units.
    level : float
        Between 0 and 1.
    seed : int
        Of the residuals, 0 or above.

    Raises
    ------
    InputError
        If the fit has no law, or an argument is out of range.

    Examples
    --------
    >>> from chinchilla_lib.fitting import fit_parametric
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> runs = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> predicted = predict_run(fit_parametric(runs), 70e9, 1.4e12)
    >>> f"{predicted.loss:.4f} {law.loss(70e9, 1.4e12):.4f}"
    '1.9366 1.9366'
    """
    if fit.law is None or not fit.loss_known:
        raise InputError(f"method {fit.method} gives no law to predict a run from; fit the parametric one")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level!r}; 0.9 is usual")
    if seed < 0:
        raise InputError(f"seed must be a whole number, 0 or above, found {seed!r}")
    loss = fit.law.loss(n_params, n_tokens)
    report = fit.diagnostics.bootstrap
    if not fit.has_intervals or fit.draws is None or fit.draws.law is None or report is None:
        return Prediction(n_params, n_tokens, loss)
    log_loss = log_surface(fit.draws.law, math.log(n_params), math.log(n_tokens))
    log_residuals = np.sort(np.log(fit.table.loss) - np.log(fit.table.loss - fit.residuals))
    widened = log_residuals * math.sqrt(len(log_residuals) / max(1, len(log_residuals) - report.n_free))
    noise = widened[np.random.default_rng(seed).integers(len(widened), size=len(log_loss))]
    return Prediction(
        n_params, n_tokens, loss, _range(log_loss, level), _range(log_loss + noise, level), level
    )


def _range(log_loss: FloatArray, level: float) -> Interval:
    low, high = np.exp(np.quantile(log_loss, [(1 - level) / 2, (1 + level) / 2]))
    return float(low), float(high)
