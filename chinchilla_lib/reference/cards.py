"""Printed models as cards: what is printed, what arithmetic adds, and where each law puts them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from chinchilla_lib._card import Card, CardTable
from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.memory import format_bytes, kv_cache_bytes, training_memory
from chinchilla_lib.reference.accelerators import load_accelerators
from chinchilla_lib.reference.models import PrintedModel
from chinchilla_lib.reference.standings import Standing, standings

__all__ = ["UTILISATION", "model_card"]

FloatArray = npt.NDArray[np.float64]

UTILISATION = 0.4
"""Share of the peak that accelerators are taken to reach, unless another is given: a round number."""

_CONVENTIONS = {
    "appendix_f": "Appendix F",
    "table_a4": "its layers",
    "kaplan": "Kaplan",
    "matmul": "matrix products",
}
_COLUMNS = ("law", "loss", "excess", "wasted", "best N", "best D")
_REMARK = (
    "Budgets are 6ND of the printed counts; Kaplan's N leaves out the embedding. Below a law stands the size "
    "of the model over that of the largest in the law's fit. Loss and excess (over the optimum of the same "
    "budget) are in nats per token of the law's own text. Wasted: share of the compute that the optimum "
    "would not have needed for the same loss. Memory and time are arithmetic; neither was reported."
)


def model_card(
    model: PrintedModel,
    *,
    draws: Mapping[str, FloatArray] | None = None,
    level: float = 0.9,
    utilisation: float = UTILISATION,
) -> Card:
    """The card of a model of Table 1, or of another whose counts are printed.

    Parameters
    ----------
    model : PrintedModel
    draws : mapping, optional
        Resamples of laws, by name, as `chinchilla_lib.reference.standings.standings` takes them; laws
        without any are shown without intervals.
    level : float
        Of the intervals.
    utilisation : float
        Share of the peak FLOP/s that is taken to be reached.

    Raises
    ------
    InputError
        If an argument is out of its range.

    Examples
    --------
    >>> from chinchilla_lib.reference.models import find_model
    >>> print(str(model_card(find_model("gopher"))).splitlines()[0])
    Gopher 280B
    """
    places = standings(model, draws=draws, level=level)
    caption = "Under each law"
    if n_beyond := sum(one.extrapolated for one in places):
        caption += f"; {'all' if n_beyond == len(places) else n_beyond} extrapolated"
    if draws:
        caption += f"; {level:.0%} intervals where a law has draws"
    return Card(
        title=f"{model.title} {format_count(model.n_params)}",
        subtitle=f"Counts of {model.source}",
        facts=_facts(model, utilisation),
        table=CardTable(caption, _COLUMNS, tuple(map(_row, places))),
        remark=_REMARK,
    )


def _facts(model: PrintedModel, utilisation: float) -> dict[str, str]:
    memory = training_memory(model.n_params)
    shape, counted = model.shape, model.counted_params
    counted_flops = ", ".join(
        f"{label} {format_flops(model.counted_flops[name])}"
        for name, label in _CONVENTIONS.items()
        if shape is not None
    )
    accelerators = load_accelerators()
    days = "; ".join(f"{one.name} {format_count(one.days(model.flops, utilisation))}" for one in accelerators)
    holding = "; ".join(f"{one.name} {one.holding(memory.total):,}" for one in accelerators)
    parts = (
        f"weights {format_bytes(memory.weights)}, gradients {format_bytes(memory.gradients)}, float32 "
        f"weights {format_bytes(memory.master_weights)}, moments {format_bytes(memory.moments)}"
    )
    cache = "no shape, so no cache"
    if shape is not None:
        cache = f"cache {format_bytes(kv_cache_bytes(shape))} for {shape.seq_len:,} tokens"
    return {
        "Parameters": format_count(model.n_params) + ("" if counted is None else f"\ncounted: {counted:,}"),
        "Training tokens": format_count(model.n_tokens)
        + f"\n{model.n_tokens / model.n_params:.1f} a parameter",
        "Shape": "not known here"
        if shape is None
        else f"{shape.n_layers} layers of width {shape.d_model:,}\n{shape.n_heads} heads of {shape.kv_size}, "
        f"feed-forward {shape.ffw_size:,}",
        "Training FLOPs": f"{format_flops(model.flops)} by 6ND"
        + (f"\nby shape: {counted_flops}" if counted_flops else ""),
        "Memory to serve": f"{format_bytes(memory.weights)}\n{cache}",
        "Memory to train": f"{format_bytes(memory.total)}\n{parts}",
        "Chips to hold that": f"at least\n{holding}",
        "Chip-days": f"at {utilisation:.0%} of peak\n{days}",
    }


def _row(standing: Standing) -> tuple[str, ...]:
    position, between = standing.position, standing.intervals
    name = standing.label
    if "n_params" in standing.beyond:
        name += f"\n{format_count(standing.beyond['n_params'], 2)} x its largest"
    elif standing.extrapolated:
        name += "\nextrapolated"

    def cell(text: str, quantity: str, form: str) -> str:
        if quantity not in between:
            return text
        low, high = between[quantity]
        return f"{text}\n{_written(low, form)} to {_written(high, form)}"

    sizes = (
        cell(format_count(position.n_opt), "n_opt", "count"),
        cell(format_count(position.d_opt), "d_opt", "count"),
    )
    if position.loss is None or position.excess_loss is None or position.wasted is None:
        return (name, "none", "none", "none", *sizes)
    return (
        name,
        cell(f"{position.loss:.3f}", "loss", ".3f"),
        cell(f"{position.excess_loss:.3f}", "excess_loss", ".3f"),
        cell(f"{position.wasted:.0%}", "wasted", ".0%"),
        *sizes,
    )


def _written(value: float, form: str) -> str:
    return format_count(value) if form == "count" else f"{value:{form}}"
