"""Memory of a model by arithmetic: what training keeps for each parameter, and the cache of a sequence.

The numbers are bytes for each parameter of mixed-precision training with Adam: weights and gradients in
bfloat16, and in float32 the weights once more and two moments. Section 4.1 of the paper says as much of
Chinchilla, except for the precision of the gradients. Activations, buffers and what a framework takes for
itself are left out.
"""

import math
from dataclasses import dataclass

from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.errors import InputError

__all__ = ["TrainingMemory", "format_bytes", "kv_cache_bytes", "training_memory"]

_BFLOAT16 = 2
_FLOAT32 = 4


@dataclass(frozen=True)
class TrainingMemory:
    """What a training run keeps for its parameters, in bytes over all devices together."""

    weights: float
    """In bfloat16; all that serving needs, besides the cache."""
    gradients: float
    """In bfloat16."""
    master_weights: float
    """In float32, those that the optimizer updates."""
    moments: float
    """Adam's two, in float32."""

    @property
    def total(self) -> float:
        """All four together."""
        return self.weights + self.gradients + self.master_weights + self.moments


def training_memory(n_params: float) -> TrainingMemory:
    """Memory for the parameters of a training run, 16 bytes each.

    Parameters
    ----------
    n_params : float
        All parameters, above 0.

    Raises
    ------
    InputError
        If the number is not finite and above 0.

    Examples
    --------
    >>> format_bytes(training_memory(70e9).total)
    '1.12 TB'
    """
    if not (math.isfinite(n_params) and n_params > 0):
        raise InputError(f"n_params is {n_params!r}; it must be finite and above 0")
    return TrainingMemory(
        weights=_BFLOAT16 * n_params,
        gradients=_BFLOAT16 * n_params,
        master_weights=_FLOAT32 * n_params,
        moments=2 * _FLOAT32 * n_params,
    )


def kv_cache_bytes(shape: TransformerShape, n_tokens: int | None = None) -> int:
    """Keys and values of one sequence in bfloat16: 2 x 2 bytes for each layer, token and unit of attention.

    Parameters
    ----------
    shape : TransformerShape
    n_tokens : int, optional
        Length of the sequence; that of training when not given.

    Raises
    ------
    InputError
        If the length is below 1.

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> format_bytes(kv_cache_bytes(KNOWN_SHAPES["chinchilla"]))
    '5.37 GB'
    """
    n_tokens = shape.seq_len if n_tokens is None else n_tokens
    if n_tokens < 1:
        raise InputError(f"n_tokens is {n_tokens!r}; a sequence has at least 1")
    return 2 * _BFLOAT16 * shape.n_layers * n_tokens * shape.attention_width


def format_bytes(n_bytes: float, digits: int = 3) -> str:
    """Write bytes with a decimal unit; trailing zeros are dropped.

    Parameters
    ----------
    n_bytes : float
        At least 0.
    digits : int
        Significant digits kept.

    Examples
    --------
    >>> format_bytes(140e9), format_bytes(1.12e12), format_bytes(80)
    ('140 GB', '1.12 TB', '80 B')
    """
    rounded = float(f"{n_bytes:.{digits - 1}e}")
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if rounded >= size:
            return f"{rounded / size:.{digits}g} {unit}"
    return f"{rounded:.{digits}g} B"
