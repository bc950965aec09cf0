"""Learning rate over a run: linear warmup, then a cosine or a constant rate with a cooldown.

Both are matched to the run's length; appendix B shows what a cycle longer than the run costs.
"""

import math

from chinchilla_lib.runs import RunConfig

__all__ = ["schedule_rate"]


def schedule_rate(config: RunConfig, step: int) -> float:
    """Learning rate at a step.

    ``cosine`` falls from the end of the warmup, over ``cycle_steps`` where these are given; ``wsd`` stays at
    its peak and falls in its last ``cooldown_steps`` as 1 - sqrt. Both reach ``final_learning_rate_fraction``
    of the peak at the last step, of the run or of the cycle. Until the cooldown, ``wsd`` does not depend on
    the run's length: several runs share a trunk.

    Parameters
    ----------
    config : RunConfig
    step : int
        Counted from 0 to ``n_steps - 1``.

    Returns
    -------
    float
        Above 0 up to the peak; 0 at the last step if the fraction is 0.

    Examples
    --------
    >>> from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
    >>> from chinchilla_lib.sweeps.tiers import TIERS
    >>> config = plan_isoflop_sweep(TIERS["ci"], corpus="mine").configs[0]
    >>> last = config.n_steps - 1
    >>> round(schedule_rate(config, last) / config.learning_rate, 2)
    0.1
    """
    peak, final = config.learning_rate, config.final_learning_rate_fraction
    if step < config.warmup_steps:
        return peak * (step + 1) / (config.warmup_steps + 1)
    if config.schedule == "cosine":
        cycle = config.cycle_steps or config.n_steps
        done = (step - config.warmup_steps) / max(1, cycle - 1 - config.warmup_steps)
        fall = 0.5 * (1 - math.cos(math.pi * done))
    else:
        done = (step + 1 - (config.n_steps - config.cooldown_steps)) / config.cooldown_steps
        fall = math.sqrt(max(0.0, done))
    return peak * (1 - (1 - final) * fall)
