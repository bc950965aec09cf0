"""Learning rate over a run: linear warmup, then a cosine matched to the run's length."""

import math

__all__ = ["cosine_schedule"]


def cosine_schedule(step: int, *, n_steps: int, warmup_steps: int, final_fraction: float) -> float:
    """Share of the peak rate at a step.

    The cosine reaches ``final_fraction`` exactly at the last step; appendix B shows what a
    cycle longer than the run costs.

    Parameters
    ----------
    step : int
        Counted from 0 to ``n_steps - 1``.
    n_steps, warmup_steps : int
    final_fraction : float
        0.1 in the paper (section 3.1).

    Returns
    -------
    float
        Between 0 (excluded) and 1.

    Examples
    --------
    >>> cosine_schedule(99, n_steps=100, warmup_steps=10, final_fraction=0.1)
    0.1
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, n_steps - 1 - warmup_steps)
    return final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * progress))
