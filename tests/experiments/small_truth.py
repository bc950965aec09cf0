"""A law like that of our small models on English, to try experiments on without training."""

from collections.abc import Iterable
from typing import Final

from chinchilla_lib.experiments.experiment import Part, Results
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.sweeps.simulate import simulate_run

LAW: Final = ParametricLoss(E=1.2, A=50, B=128, alpha=0.37, beta=0.37)


def law_with(a: float) -> ParametricLoss:
    """A law whose N_opt grows as C^a, with the optimum of LAW at 1e12 FLOPs."""
    alpha, beta = 0.74 * (1 - a), 0.74 * a
    n_params, n_tokens = LAW.n_opt(1e12), LAW.d_opt(1e12)
    return ParametricLoss(
        E=LAW.E, A=0.25 * n_params**alpha / alpha, B=0.25 * n_tokens**beta / beta, alpha=alpha, beta=beta
    )


def simulate(
    parts: Iterable[Part], law: ParametricLoss = LAW, *, noise: float = 0.003, seed: int = 0
) -> Results:
    """Rows of all runs of some parts, as if trained under a law."""
    return {
        part.name: [
            simulate_run(config, law, noise=noise, seed=seed).to_row()
            for config in part.plan("corpus").configs
        ]
        for part in parts
    }
