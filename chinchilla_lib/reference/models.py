"""The models of Table 1: what is printed of them, and what follows from it by counting."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chinchilla_lib.architecture import KNOWN_SHAPES, TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import CONVENTIONS, training_flops
from chinchilla_lib.reference.tables import load_paper_table

__all__ = ["PrintedModel", "find_model", "printed_models"]

_TITLES: Final[Mapping[str, str]] = {"Jurassic": "Jurassic-1", "MT-NLG 530B": "MT-NLG"}
_SHAPES: Final[Mapping[str, TransformerShape]] = {
    "Gopher": KNOWN_SHAPES["gopher"],
    "Chinchilla": KNOWN_SHAPES["chinchilla"],
}


@dataclass(frozen=True)
class PrintedModel:
    """A model of which others print size and tokens.

    Raises
    ------
    InputError
        If a count is not finite and above 0.
    """

    name: str
    """As printed."""
    n_params: float
    """As printed."""
    n_tokens: float
    """Training tokens, as printed."""
    source: str
    """Where they are printed."""
    shape: TransformerShape | None = None
    """None where it is not known here."""

    def __post_init__(self) -> None:
        for name in ("n_params", "n_tokens"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{self.name}: {name} is {value!r}; it must be finite and above 0")

    @property
    def title(self) -> str:
        """Its name without the size."""
        return _TITLES.get(self.name, self.name)

    @property
    def counted_params(self) -> int | None:
        """All parameters of the shape; None where that is not known."""
        return None if self.shape is None else count_params(self.shape).total

    @property
    def flops(self) -> float:
        """6ND of the printed counts: the budget under which laws place the model."""
        return 6 * self.n_params * self.n_tokens

    @property
    def counted_flops(self) -> Mapping[str, float]:
        """FLOPs of training under each of `CONVENTIONS`; empty where the shape is not known."""
        if self.shape is None:
            return {}
        return {name: training_flops(self.shape, self.n_tokens, name) for name in CONVENTIONS}


def printed_models() -> tuple[PrintedModel, ...]:
    """The models of Table 1, in its order.

    Examples
    --------
    >>> [model.title for model in printed_models()]
    ['LaMDA', 'GPT-3', 'Jurassic-1', 'Gopher', 'MT-NLG', 'Chinchilla']
    """
    table = load_paper_table("table1_current_llms")
    return tuple(
        PrintedModel(
            row["model"],
            float(row["n_params"]),
            float(row["n_tokens"]),
            source=f"{table.source}{', and shape of Table 4' if row['model'] in _SHAPES else ''}",
            shape=_SHAPES.get(row["model"]),
        )
        for row in table.rows
    )


def find_model(name: str) -> PrintedModel:
    """A model of Table 1 by its name or title, in any case.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> find_model("chinchilla").counted_params
    70062571520
    """
    models = printed_models()
    for model in models:
        if name.lower() in (model.name.lower(), model.title.lower()):
            return model
    raise InputError(f"Table 1 has no model {name!r}; it has {', '.join(model.title for model in models)}")
