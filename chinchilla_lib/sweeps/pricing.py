"""What runs will cost before they start: seconds on this machine, each kind of step timed once."""

from collections.abc import Callable, Sequence

from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import count_once

__all__ = ["Prices"]


class Prices:
    """Seconds that runs would take; runs of one shape, batch and precision are timed once.

    Parameters
    ----------
    estimate_seconds : callable
        From configs to the seconds that each would take alone, such as
        ``chinchilla_lib.training.trainer.estimate_seconds``.
    """

    def __init__(self, estimate_seconds: Callable[[Sequence[RunConfig]], Sequence[float]]) -> None:
        self._estimate_seconds = estimate_seconds
        self._per_step: dict[object, float] = {}

    def __call__(self, configs: Sequence[RunConfig]) -> list[float]:
        """Seconds of each run alone."""
        new = {key: config for config in configs if (key := _kind(config)) not in self._per_step}
        seconds = self._estimate_seconds(list(new.values())) if new else []
        for (key, config), cost in zip(new.items(), seconds, strict=True):
            self._per_step[key] = cost / config.n_steps
        return [self._per_step[_kind(config)] * config.n_steps for config in configs]

    def wall_seconds(self, configs: Sequence[RunConfig], n_workers: int) -> float:
        """Seconds that all runs take, a shared trunk counted once, with some workers at their best."""
        if not configs:
            return 0.0
        seconds = {c.run_id: cost for c, cost in zip(configs, self(configs), strict=True)}
        return count_once(configs, lambda config: seconds[config.run_id]) / min(n_workers, len(configs))


def _kind(config: RunConfig) -> object:
    return config.shape, config.batch_size_sequences, config.precision
