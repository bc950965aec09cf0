"""Where the models of Table 1 stand under each law: how far from its optimum, and what that costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.reference.models import printed_models
from chinchilla_lib.reference.projections import approach_line

__all__ = ["KAPLAN_N_OPT", "Position", "model_positions", "positions_of", "positions_text"]

PF_DAY: Final = 8.64e19
KAPLAN_N_OPT: Final = PowerLaw(coefficient=1.3e9 * PF_DAY**-0.73, exponent=0.73)
"""N_opt = 1.3e9 (C / PF-day)**0.73 of Kaplan et al. (2020), Table 6: parameters without embeddings, FLOPs."""


@dataclass(frozen=True)
class Position:
    """A model beside the optimum of a law for the model's own budget."""

    model: str
    """Its name in Table 1."""
    law: str
    """A key of `LAWS`; ``approach 1`` or ``approach 2``, the lines through their tables; ``kaplan``."""
    n_params: float
    """Parameters, as printed in Table 1."""
    n_tokens: float
    """Training tokens, as printed in Table 1."""
    n_opt: float
    """Optimal parameters for the budget."""
    d_opt: float
    """Optimal training tokens for the budget."""
    loss: float | None = None
    """Loss of the model by the law, nats per token; None where the law gives no loss."""
    best_loss: float | None = None
    """Loss of the optimum of the same budget by the law."""
    compute_factor: float | None = None
    """The budget over the smallest with which the law reaches the model's loss; 1 at the optimum."""

    @property
    def flops(self) -> float:
        """The budget, 6ND."""
        return 6 * self.n_params * self.n_tokens

    @property
    def size_factor(self) -> float:
        """Parameters over the optimal number: above 1 for a model too large. D_opt / D is the same."""
        return self.n_params / self.n_opt

    @property
    def excess_loss(self) -> float | None:
        """Loss above that of the optimum, nats per token."""
        return None if self.loss is None or self.best_loss is None else self.loss - self.best_loss

    @property
    def wasted(self) -> float | None:
        """Share of the budget that the optimum would not have needed to reach the model's loss."""
        return None if self.compute_factor is None else 1 - 1 / self.compute_factor


def model_positions(laws: Mapping[str, ParametricLoss] | None = None) -> tuple[Position, ...]:
    """Positions of the models of Table 1 under laws.

    Parameters
    ----------
    laws : mapping, optional
        Laws by name. By default those of `LAWS`, then the frontiers of Approaches 1 and 2 and of Kaplan
        et al. (2020), which know no loss.

    Returns
    -------
    tuple of Position
        Model by model, in the order of Table 1.

    Examples
    --------
    >>> gopher = [p for p in model_positions() if (p.model, p.law) == ("Gopher", "epoch")]
    >>> round(gopher[0].size_factor, 1)
    4.1
    """
    return tuple(
        position
        for model in printed_models()
        for position in positions_of(model.name, model.n_params, model.n_tokens, laws)
    )


def positions_of(
    model: str, n_params: float, n_tokens: float, laws: Mapping[str, ParametricLoss] | None = None
) -> tuple[Position, ...]:
    """Positions of one model under laws, its budget being 6ND.

    Parameters
    ----------
    model : str
        What to call it.
    n_params, n_tokens : float
        Its counts, above 0.
    laws : mapping, optional
        As for `model_positions`.

    Raises
    ------
    InputError
        If a count is not finite and above 0.

    Examples
    --------
    >>> [position] = [p for p in positions_of("mine", 8e9, 15e12) if p.law == "epoch"]
    >>> f"{position.size_factor:.2f}"
    '0.10'
    """
    for count, value in (("n_params", n_params), ("n_tokens", n_tokens)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{model}: {count} is {value!r}; it must be finite and above 0")
    surfaces = laws if laws is not None else {name: published.law for name, published in LAWS.items()}
    lines = _lines() if laws is None else {}
    return (
        *(_on_surface(model, n_params, n_tokens, name, law) for name, law in surfaces.items()),
        *(_on_line(model, n_params, n_tokens, name, n_opt) for name, n_opt in lines.items()),
    )


def _lines() -> dict[str, PowerLaw]:
    return {
        "approach 1": approach_line("1").n_opt,
        "approach 2": approach_line("2").n_opt,
        "kaplan": KAPLAN_N_OPT,
    }


def _on_surface(model: str, n_params: float, n_tokens: float, name: str, law: ParametricLoss) -> Position:
    flops = 6 * n_params * n_tokens
    n_opt, d_opt = law.n_opt(flops), law.d_opt(flops)
    loss, best = law.loss(n_params, n_tokens), law.loss(n_opt, d_opt)
    # Along the frontier both terms fall as C to the power of -alpha beta / (alpha + beta).
    decay = law.alpha * law.beta / (law.alpha + law.beta)
    factor = math.exp(math.log((loss - law.E) / (best - law.E)) / decay)
    return Position(model, name, n_params, n_tokens, n_opt, d_opt, loss, best, factor)


def _on_line(model: str, n_params: float, n_tokens: float, name: str, n_opt: PowerLaw) -> Position:
    flops = 6 * n_params * n_tokens
    size = n_opt.predict(flops)
    return Position(model, name, n_params, n_tokens, size, flops / (6 * size))


def positions_text(positions: tuple[Position, ...]) -> str:
    """Positions in aligned columns, one a line.

    Examples
    --------
    >>> text = positions_text(positions_of("mine", 8e9, 15e12)[:1])
    >>> [line.split()[:3] for line in text.splitlines()]
    [['model', 'law', 'FLOPs'], ['mine', 'hoffmann', '7.2e23']]
    """
    lines = [
        f"{'model':14}{'law':20}{'FLOPs':>8}{'N':>7}{'N_opt':>7}{'D':>7}{'D_opt':>7}"
        f"{'N/N_opt':>9}{'loss':>7}{'excess':>8}{'C factor':>10}"
    ]
    for p in positions:
        counts = "".join(f"{format_count(count):>7}" for count in (p.n_params, p.n_opt, p.n_tokens, p.d_opt))
        line = f"{p.model:14}{p.law:20}{format_flops(p.flops):>8}{counts}{p.size_factor:9.2f}"
        if p.loss is not None:
            line += f"{p.loss:7.3f}{p.excess_loss:8.4f}{p.compute_factor:10.2f}"
        lines.append(line)
    return "\n".join(lines)
