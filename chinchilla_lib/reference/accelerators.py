"""Accelerators by name: peak FLOP/s and memory as their makers state them, and what a run would take."""

import math
from dataclasses import dataclass

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference.tables import load_paper_table

__all__ = ["Accelerator", "load_accelerators"]

_DAY = 86_400.0


@dataclass(frozen=True)
class Accelerator:
    """One chip."""

    name: str
    peak_flops: float
    """FLOP/s in bfloat16, without sparsity, a multiply-accumulate counted as 2."""
    memory_bytes: float
    source: str
    """Who states it."""

    def days(self, flops: float, utilisation: float) -> float:
        """Days of one chip for a run, by arithmetic; nobody reported this.

        Parameters
        ----------
        flops : float
            Of the run, above 0.
        utilisation : float
            Share of the peak that is reached, above 0 and at most 1.

        Raises
        ------
        InputError
            If an argument is out of its range.

        Examples
        --------
        >>> tpu = load_accelerators()[0]
        >>> round(tpu.days(tpu.peak_flops * 86_400, utilisation=0.5), 9)
        2.0
        """
        if not 0 < utilisation <= 1:
            raise InputError(f"utilisation is {utilisation!r}; it must be above 0 and at most 1")
        if not (math.isfinite(flops) and flops > 0):
            raise InputError(f"flops is {flops!r}; it must be finite and above 0")
        return flops / (self.peak_flops * utilisation) / _DAY

    def holding(self, n_bytes: float) -> int:
        """The fewest chips whose memories together hold so much.

        Raises
        ------
        InputError
            If the number is not finite and at least 0.
        """
        if not (math.isfinite(n_bytes) and n_bytes >= 0):
            raise InputError(f"n_bytes is {n_bytes!r}; it must be finite and at least 0")
        return max(1, math.ceil(n_bytes / self.memory_bytes))


def load_accelerators() -> tuple[Accelerator, ...]:
    """The accelerators of the table, older ones first.

    Examples
    --------
    >>> [accelerator.name for accelerator in load_accelerators()]
    ['TPUv3', 'TPUv4', 'A100 80 GB', 'H100']
    """
    return tuple(
        Accelerator(
            row["accelerator"], float(row["peak_bf16_flops"]), float(row["memory_bytes"]), row["source"]
        )
        for row in load_paper_table("accelerators").rows
    )
