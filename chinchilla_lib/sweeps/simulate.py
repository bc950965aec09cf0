"""Sweeps simulated from a known law, so that estimators can be held against the truth."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.runs import LossCurve, RunConfig, RunRecord
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["NOISE_MODELS", "simulate_curves", "simulate_isoflop_sweep", "simulate_run", "simulate_table"]

FloatArray = npt.NDArray[np.float64]

_CURVE_POINTS = 50
_FALL = 0.25  # of the heteroscedastic standard deviation, as a power of FLOPs

NOISE_MODELS: Final[Mapping[str, str]] = {
    "gaussian": "normal, the same for all runs",
    "t3": "Student's t with 3 degrees of freedom, scaled to the same standard deviation",
    "heteroscedastic": "normal, with a standard deviation that falls as FLOPs to the power -1/4 and is the "
    "stated one at the geometric mean of the smallest and the largest run",
}
"""Noise of the logarithm of the loss, by name."""


def simulate_table(
    law: ParametricLoss,
    n_params: npt.ArrayLike,
    n_tokens: npt.ArrayLike,
    *,
    flops_budget: npt.ArrayLike | None = None,
    noise: float = 0.0,
    noise_model: str = "gaussian",
    seed: int = 0,
) -> SweepTable:
    """Simulate the losses of a design.

    The loss of a run is ``law.loss(n_params, n_tokens) * exp(noise * z)`` with independent z of unit
    variance: `noise` is the relative standard deviation between seeds.

    Parameters
    ----------
    law : ParametricLoss
        The truth.
    n_params, n_tokens : array of float, shape (n_runs,)
        The design.
    flops_budget : array of float, shape (n_runs,), optional
        Planned FLOPs, equal within a valley.
    noise : float
        Standard deviation of the logarithm of the loss, 0 or above; 0.002 is 0.2 %.
    noise_model : str
        One of `NOISE_MODELS`.
    seed : int
        Seed of the noise, 0 or above.

    Returns
    -------
    SweepTable
        With 6ND as `flops`; its `source` begins with ``"simulated"`` and states noise, model and seed.

    Raises
    ------
    InputError
        If a count is not positive, or `noise`, `noise_model` or `seed` is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_table(law, [7e10, 2.8e11], [1.4e12, 3e11])
    >>> [round(float(loss), 3) for loss in table.loss]
    [1.937, 1.993]
    """
    sizes, tokens = np.broadcast_arrays(np.atleast_1d(n_params), np.atleast_1d(n_tokens))
    sizes, tokens = sizes.astype(np.float64), tokens.astype(np.float64)
    _check_noise(noise, seed)
    scatter = _scatter(noise_model, 6 * sizes * tokens, np.random.default_rng(seed))
    loss = law.loss(sizes, tokens) * np.exp(noise * scatter)
    model = "" if noise_model == "gaussian" else f" {noise_model}"
    return SweepTable(
        run_id=tuple(f"simulated-{number:04d}" for number in range(1, sizes.size + 1)),
        n_params=sizes,
        n_tokens=tokens,
        loss=loss,
        flops=6 * sizes * tokens,
        flops_convention="six_nd",
        flops_budget=None if flops_budget is None else np.asarray(flops_budget, dtype=np.float64),
        source=f"simulated (noise {noise:g}{model}, seed {seed})",
    )


def simulate_isoflop_sweep(
    law: ParametricLoss,
    budgets: Sequence[float],
    *,
    n_sizes: int = 9,
    decades: float = 0.5,
    noise: float = 0.0,
    noise_model: str = "gaussian",
    seed: int = 0,
) -> SweepTable:
    """Simulate the design of section 3.2: for each budget, sizes on both sides of the optimum.

    Parameters
    ----------
    law : ParametricLoss
        The truth.
    budgets : sequence of float
        Compute budgets in FLOPs, with C = 6ND.
    n_sizes : int
        Runs per budget, at least 2.
    decades : float
        Sizes are spaced evenly in log N over the true optimum times 10 to the power -decades .. +decades.
    noise, noise_model, seed
        As `simulate_table`.

    Returns
    -------
    SweepTable
        ``len(budgets) * n_sizes`` runs.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> len(table), table.source
    (27, 'simulated (noise 0, seed 0)')
    """
    if n_sizes < 2:
        raise InputError(f"n_sizes must be 2 or above, found {n_sizes!r}")
    if not (np.isfinite(decades) and decades > 0):
        raise InputError(f"decades must be finite and above 0, found {decades!r}")
    flops = np.asarray(budgets, dtype=np.float64)[:, None]
    sizes = law.n_opt(flops) * 10 ** np.linspace(-decades, decades, n_sizes)
    return simulate_table(
        law,
        sizes.ravel(),
        (flops / (6 * sizes)).ravel(),
        flops_budget=np.broadcast_to(flops, sizes.shape).ravel(),
        noise=noise,
        noise_model=noise_model,
        seed=seed,
    )


def simulate_curves(
    law: ParametricLoss,
    table: SweepTable,
    *,
    n_points: int = 200,
    excess: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> CurveTable:
    """Simulate the training curves of a table's runs.

    A run that has seen D of its tokens has the law's loss at D, times what its final loss in the table is
    to the law's, plus what its learning rate has yet to gain. Without `excess` each point of a curve is
    what a run planned for these tokens would end with, and the law's frontier is the truth of Approach 1.

    Parameters
    ----------
    law : ParametricLoss
        The truth.
    table : SweepTable
        The runs.
    n_points : int
        Points of each curve, evenly spaced in tokens up to the run's end; 2 or more.
    excess : float
        Nats per token that an undecayed learning rate adds; it falls to 0 along half a cosine over the run.
    noise : float
        Standard deviation of the logarithm of the loss from point to point, 0 or above.
    seed : int
        Seed of that noise, 0 or above.

    Returns
    -------
    CurveTable
        FLOPs in proportion to tokens.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> curves = simulate_curves(law, simulate_table(law, [1e9], [2e10]), n_points=4)
    >>> curves.loss.round(3)
    array([2.834, 2.695, 2.625, 2.58 ])
    """
    _check_noise(noise, seed)
    if n_points < 2:
        raise InputError(f"n_points must be 2 or above, found {n_points!r}")
    if not (np.isfinite(excess) and excess >= 0):
        raise InputError(f"excess must be finite and 0 or above (nats per token), found {excess!r}")
    share = np.arange(1, n_points + 1) / n_points
    own = table.loss / law.loss(table.n_params, table.n_tokens)
    loss = law.loss(table.n_params[:, None], table.n_tokens[:, None] * share) * own[:, None]
    loss = loss + excess * 0.5 * (1 + np.cos(np.pi * share))
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(loss.shape))
    return CurveTable(
        run_id=table.run_id,
        n_params=table.n_params,
        first=np.arange(len(table)) * n_points,
        step=np.tile(np.arange(1.0, n_points + 1), len(table)),
        n_tokens=(table.n_tokens[:, None] * share).ravel(),
        flops=(table.flops[:, None] * share).ravel(),
        loss=loss.ravel(),
        source=f"simulated (excess {excess:g}, noise {noise:g}, seed {seed})",
    )


def simulate_run(config: RunConfig, law: ParametricLoss, *, noise: float = 0.0, seed: int = 0) -> RunRecord:
    """Simulate a run: with ``functools.partial`` a trainer for `run_sweep` that needs no device.

    Its loss is ``law.loss(N, D) * exp(noise * z)`` with all parameters counted; z is standard normal, and
    depends on the config and the seed alone. The curve follows the law on the way to D.

    Parameters
    ----------
    config : RunConfig
    law : ParametricLoss
        The truth.
    noise : float
        Standard deviation of the logarithm of the loss, 0 or above.
    seed : int
        Seed of the noise, 0 or above.

    Returns
    -------
    RunRecord
        With one byte per token, and no seconds.

    Raises
    ------
    InputError
        If `noise` or `seed` is out of range.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> law = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)
    >>> config = plan_isoflop_sweep(TIERS["ci"], corpus="mine").configs[0]
    >>> f"{simulate_run(config, law).loss:.2f}"
    '3.58'
    """
    _check_noise(noise, seed)
    n_params = float(count_params(config.shape).total)
    own = int.from_bytes(config.run_id.encode())
    scatter = float(np.exp(noise * np.random.default_rng([seed, own]).standard_normal()))
    steps = np.unique(np.linspace(1, config.n_steps, min(_CURVE_POINTS, config.n_steps)).round())
    curve = law.loss(n_params, steps * config.batch_size_tokens) * scatter
    loss = float(curve[-1])
    return RunRecord(
        config=config,
        loss=loss,
        loss_se=noise * loss,
        bits_per_byte=loss / np.log(2),
        curve=LossCurve(tuple(int(step) for step in steps), tuple(float(value) for value in curve)),
        seconds=0.0,
        environment={"device": "simulated"},
    )


def _scatter(model: str, flops: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Values of a noise model, of unit variance."""
    if model not in NOISE_MODELS:
        raise InputError(f"noise_model is {model!r}; give one of {', '.join(NOISE_MODELS)}")
    if model == "t3":
        return np.asarray(rng.standard_t(3, flops.shape) / np.sqrt(3), dtype=np.float64)
    normal = rng.standard_normal(flops.shape)
    if model == "gaussian":
        return normal
    middle = np.sqrt(flops.min() * flops.max())
    return np.asarray(normal * (flops / middle) ** -_FALL, dtype=np.float64)


def _check_noise(noise: float, seed: int) -> None:
    if not (np.isfinite(noise) and noise >= 0):
        raise InputError(f"noise must be finite and 0 or above, found {noise!r}")
    if seed < 0:
        raise InputError(f"seed must be a whole number, 0 or above, found {seed!r}")
