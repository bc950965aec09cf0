"""Floating-point operations of training, by operation and under named conventions.

A multiply-accumulate counts as two operations and the backward pass as twice the
forward pass (Appendix F), so training costs three forward passes. Causal masking is
not discounted: every query is counted against every key.

``matmul`` is what torch's ``FlopCounterMode`` finds in our models when attention is
written out. The counter ignores the embedding (a look-up), the softmax, norms,
activations, rotations, residual sums and the loss; on a CPU also both products of the
fused attention kernel, for which it has no formula. For fused kernels that it knows, its
backward pass has one product more, the recomputed attention logits. The positions of the
gopher family are counted in full (`FlopCount.relative_position_projection`).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError

__all__ = [
    "CONVENTIONS",
    "OPERATIONS",
    "FlopCount",
    "count_forward_flops",
    "ratio_to_six_nd",
    "training_flops",
    "training_flops_per_token",
]

CONVENTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "appendix_f": "Appendix F as printed, with embedding and final logits",
        "table_a4": "the layers of Appendix F only; gives the ratios of Table A4",
        "six_nd": "6 per parameter, embedding included",
        "kaplan": "6 per parameter, embedding left out (Kaplan et al. 2020)",
        "matmul": "matrix products a program runs: no softmax, no embedding",
    }
)
"""What each convention counts. All are per training token, forward and backward."""

_LAYER_PRODUCTS: Final = (
    "query_key_value",
    "attention_logits",
    "attention_values",
    "attention_output",
    "feed_forward",
)

OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "appendix_f": ("embedding", *_LAYER_PRODUCTS, "softmax", "final_logits"),
        "table_a4": (*_LAYER_PRODUCTS, "softmax"),
        "matmul": (
            *_LAYER_PRODUCTS,
            "relative_position_projection",
            "relative_position_logits",
            "final_logits",
        ),
    }
)
"""Which fields of `FlopCount` a convention adds up. ``six_nd`` and ``kaplan`` count parameters instead."""


@dataclass(frozen=True)
class FlopCount:
    """FLOPs of one forward pass over one sequence, by operation, summed over layers.

    T is the sequence length (S in Appendix F), V the vocabulary, d the model width, A
    the attention width, h the number of heads, f the feed-forward width, L the number
    of layers.
    """

    embedding: int
    """2 T V d: the embedding as a product with a one-hot matrix. Programs look it up."""
    query_key_value: int
    """L 6 T d A."""
    attention_logits: int
    """L 2 T T A: queries against keys."""
    softmax: int
    """L 3 h T T; not a matrix product."""
    attention_values: int
    """L 2 T T A: attention weights against values."""
    attention_output: int
    """L 2 T A d."""
    feed_forward: int
    """L 4 T d f."""
    final_logits: int
    """2 T d V."""
    relative_position_projection: int
    """L 2 T d A in the gopher family, else 0. The paper counts these weights in N but
    lists no FLOPs for them. Counted per sequence; our program projects the positions
    once for a batch and, as they are constants, needs one product fewer going back."""
    relative_position_logits: int
    """L 2 T T A in the gopher family, else 0: queries against projected positions, the
    second score term of Transformer-XL, which the paper does not list either."""

    def under(self, convention: str) -> int:
        """FLOPs of the forward pass that a convention of `OPERATIONS` counts.

        Raises
        ------
        InputError
            If the convention does not count operations.
        """
        if convention not in OPERATIONS:
            raise InputError(
                f"convention is {convention!r}; those that add up operations are {', '.join(OPERATIONS)}"
            )
        return sum(getattr(self, operation) for operation in OPERATIONS[convention])

    def to_dict(self) -> dict[str, int]:
        """The operations by name."""
        return asdict(self)


def count_forward_flops(shape: TransformerShape) -> FlopCount:
    """Count the FLOPs of one forward pass over one sequence (Appendix F).

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> count_forward_flops(KNOWN_SHAPES["chinchilla"]).feed_forward
    175921860444160
    """
    t, d, width, n_layers = shape.seq_len, shape.d_model, shape.attention_width, shape.n_layers
    relative = n_layers if shape.family == "gopher" else 0
    return FlopCount(
        embedding=2 * t * shape.vocab_size * d,
        query_key_value=n_layers * 6 * t * d * width,
        attention_logits=n_layers * 2 * t * t * width,
        softmax=n_layers * 3 * shape.n_heads * t * t,
        attention_values=n_layers * 2 * t * t * width,
        attention_output=n_layers * 2 * t * width * d,
        feed_forward=n_layers * 4 * t * d * shape.ffw_size,
        final_logits=2 * t * d * shape.vocab_size,
        relative_position_projection=relative * 2 * t * d * width,
        relative_position_logits=relative * 2 * t * t * width,
    )


def training_flops_per_token(shape: TransformerShape, convention: str) -> float:
    """FLOPs to train on one token, forward and backward.

    Parameters
    ----------
    shape : TransformerShape
    convention : str
        A name of `CONVENTIONS`. Outside the gopher family ``matmul`` equals
        6 (matrix weights, tied head included) + 12 L T A; the relative positions of
        the gopher family add 6 L T A.

    Raises
    ------
    InputError
        If the convention is unknown.

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> training_flops_per_token(KNOWN_SHAPES["chinchilla"], "six_nd")
    420375429120.0
    """
    _check_convention(convention)
    if convention == "six_nd":
        return float(6 * count_params(shape).total)
    if convention == "kaplan":
        return float(6 * count_params(shape).non_embedding)
    return 3 * count_forward_flops(shape).under(convention) / shape.seq_len


def training_flops(shape: TransformerShape, n_tokens: float, convention: str) -> float:
    """FLOPs of a whole training run.

    Parameters
    ----------
    shape : TransformerShape
    n_tokens : float
        Training tokens, above zero.
    convention : str
        A name of `CONVENTIONS`.

    Raises
    ------
    InputError
        If the convention is unknown, or ``n_tokens`` is not above zero or not finite.

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> f"{training_flops(KNOWN_SHAPES['chinchilla'], 1.4e12, 'appendix_f'):.3e}"
    '5.683e+23'
    """
    flops = training_flops_per_token(shape, convention) * n_tokens
    if not (n_tokens > 0 and math.isfinite(flops)):
        raise InputError(f"n_tokens is {n_tokens!r}; it must be above zero and give finite FLOPs")
    return flops


def ratio_to_six_nd(shape: TransformerShape, convention: str) -> float:
    """FLOPs under a convention over 6ND, the quantity of Table A4.

    Examples
    --------
    >>> from chinchilla_lib.architecture import KNOWN_SHAPES
    >>> round(ratio_to_six_nd(KNOWN_SHAPES["gopher"], "table_a4"), 3)
    0.941
    """
    return training_flops_per_token(shape, convention) / training_flops_per_token(shape, "six_nd")


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise InputError(f"convention is {convention!r}; choose one of {', '.join(CONVENTIONS)}")
