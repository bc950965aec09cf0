"""Transformer shapes and their parameters, counted by group.

Three families are counted, all decoder-only with one embedding matrix that also serves
as the output head:

``gopher``
    The models of Table A9. Relative positions as in Transformer-XL (their projection is
    a weight matrix of each layer), biases and scale-only norms. The paper prints no
    formula; this one gives all 50 printed sizes to the million. Its small vectors are
    one reading: in each layer the biases of queries, keys and values, the two of the
    relative positions, that of the hidden feed-forward layer, and two gains.
``rope``
    The models of our sweeps. Rotary positions and RMSNorm, no biases: two gains per
    layer and one at the end.
``fast``
    As ``rope``, with a squared ReLU in the feed-forward block in place of the GELU: the
    same parameters and matrix products, fewer seconds on a CPU.
"""

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from chinchilla_lib.errors import InputError

__all__ = ["FAMILIES", "KNOWN_SHAPES", "ParamCount", "TransformerShape", "count_params"]

FAMILIES: Final = ("gopher", "rope", "fast")

_LARGEST: Final = 10**9


@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """The dimensions of a decoder-only transformer, named as in Table A9.

    Raises
    ------
    InputError
        If a dimension is not a whole number from 1 to 1e9, the family is unknown, or
        ``kv_size`` is odd outside the gopher family (the rotation acts on pairs).

    Examples
    --------
    >>> KNOWN_SHAPES["chinchilla"].attention_width
    8192
    """

    family: str
    """``gopher``, ``rope`` or ``fast``; see the module."""
    n_layers: int
    d_model: int
    """Width of the residual stream."""
    n_heads: int
    kv_size: int
    """Width of one head. ``n_heads * kv_size`` need not equal ``d_model``."""
    ffw_size: int
    """Width of the hidden layer of the feed-forward block."""
    vocab_size: int
    seq_len: int
    """Tokens per training sequence; FLOPs depend on it, parameters do not."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError(f"family is {self.family!r}; choose one of {', '.join(FAMILIES)}")
        for field in fields(self):
            if field.name == "family":
                continue
            value = getattr(self, field.name)
            try:
                whole = operator.index(value)
            except TypeError:
                whole = 0
            if isinstance(value, bool) or not 1 <= whole <= _LARGEST:
                raise InputError(
                    f"{field.name} is {value!r}; it must be a whole number from 1 to {_LARGEST:.0e}"
                )
            object.__setattr__(self, field.name, whole)
        if self.family != "gopher" and self.kv_size % 2:
            raise InputError(
                f"kv_size is {self.kv_size}; it must be even in the {self.family} family, whose rotation "
                "acts on pairs"
            )

    @property
    def attention_width(self) -> int:
        """Width of all heads together, A = n_heads * kv_size."""
        return self.n_heads * self.kv_size

    def to_dict(self) -> dict[str, str | int]:
        """Plain values for JSON; `from_dict` gives the same shape back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TransformerShape":
        """Build a shape from the values of `to_dict`.

        Raises
        ------
        InputError
            If a name is missing or unknown, or a value is not allowed.
        """
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in values]
        unknown = [name for name in values if name not in names]
        if missing or unknown:
            found = [f"lacks {', '.join(missing)}"] if missing else []
            found += [f"has the unknown {', '.join(map(str, unknown))}"] if unknown else []
            raise InputError(f"the shape {' and '.join(found)}; it needs exactly {', '.join(names)}")
        return cls(**values)


@dataclass(frozen=True)
class ParamCount:
    """Parameters by group; each group is summed over all layers."""

    embedding: int
    """The token embedding, tied to the output head and counted once."""
    attention: int
    """Query, key, value and output matrices."""
    relative_positions: int
    """Projection of the relative positions; zero outside the gopher family."""
    feed_forward: int
    """The two matrices of the feed-forward block."""
    biases_and_norms: int
    """All vectors."""

    @property
    def total(self) -> int:
        """N as the paper counts it: everything, embedding included."""
        return self.non_embedding + self.embedding

    @property
    def matrices(self) -> int:
        """Weights that take part in a matrix product, the tied head included."""
        return self.total - self.biases_and_norms

    @property
    def non_embedding(self) -> int:
        """N as Kaplan et al. (2020) count it: without the token embedding."""
        return self.attention + self.relative_positions + self.feed_forward + self.biases_and_norms

    def to_dict(self) -> dict[str, int]:
        """The groups by name."""
        return asdict(self)


def count_params(shape: TransformerShape) -> ParamCount:
    """Count a model's parameters by group.

    With model width d, attention width A, feed-forward width f, vocabulary V and L
    layers:

    ``gopher``: V d + L (4 d A + d A + 2 d f + 5 A + 2 d + f), where the second d A belongs
    to the relative positions. It rounds to the printed million in all rows of Table A9.

    ``rope``, ``fast``: V d + L (4 d A + 2 d f + 2 d) + d.

    Examples
    --------
    >>> count_params(KNOWN_SHAPES["chinchilla"]).total
    70062571520
    """
    d, width, n_layers = shape.d_model, shape.attention_width, shape.n_layers
    gopher = shape.family == "gopher"
    return ParamCount(
        embedding=shape.vocab_size * d,
        attention=n_layers * 4 * d * width,
        relative_positions=n_layers * d * width if gopher else 0,
        feed_forward=n_layers * 2 * d * shape.ffw_size,
        biases_and_norms=n_layers * (5 * width + 2 * d + shape.ffw_size) if gopher else n_layers * 2 * d + d,
    )


def _table_4(n_heads: int, d_model: int) -> TransformerShape:
    """A column of Table 4; vocabulary from Table A8, sequence length as in Gopher."""
    return TransformerShape(
        family="gopher",
        n_layers=80,
        d_model=d_model,
        n_heads=n_heads,
        kv_size=128,
        ffw_size=4 * d_model,
        vocab_size=32000,
        seq_len=2048,
    )


KNOWN_SHAPES: Final[Mapping[str, TransformerShape]] = MappingProxyType(
    {"chinchilla": _table_4(64, 8192), "gopher": _table_4(128, 16384)}
)
"""The two large models of Table 4. The 50 models of Table A9 are in `chinchilla_lib.reference`."""
