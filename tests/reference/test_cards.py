"""Cards of printed models: their numbers are those of the counting and of the standings."""

import numpy as np
import pytest

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.memory import format_bytes, kv_cache_bytes, training_memory
from chinchilla_lib.reference.accelerators import load_accelerators
from chinchilla_lib.reference.cards import model_card
from chinchilla_lib.reference.models import PrintedModel, find_model, printed_models
from chinchilla_lib.reference.standings import LAW_LABELS, standings


@pytest.mark.parametrize("model", printed_models(), ids=lambda model: model.title)
def test_a_card_says_what_was_counted(model: PrintedModel) -> None:
    card = model_card(model, utilisation=0.5)
    assert card.title == f"{model.title} {format_count(model.n_params)}"
    assert format_bytes(training_memory(model.n_params).total) in card.facts["Memory to train"]
    for chip in load_accelerators():
        assert f"{chip.name} {format_count(chip.days(model.flops, 0.5))}" in card.facts["Chip-days"]
    assert "at 50% of peak" in card.facts["Chip-days"]
    assert [row[0].partition("\n")[0] for row in card.table.rows] == list(LAW_LABELS.values())
    assert "all extrapolated" in card.table.caption
    assert max(map(len, str(card).splitlines())) <= 74


def test_a_known_shape_is_counted_and_an_unknown_one_is_not() -> None:
    chinchilla = find_model("Chinchilla")
    card = model_card(chinchilla)
    assert f"{chinchilla.counted_params:,}" in card.facts["Parameters"]
    assert card.facts["Training tokens"] == "1.4T\n20.0 a parameter"
    for name in ("appendix_f", "table_a4", "kaplan", "matmul"):
        assert format_flops(chinchilla.counted_flops[name]) in card.facts["Training FLOPs"]
    assert format_bytes(kv_cache_bytes(chinchilla.shape)) in card.facts["Memory to serve"]
    card = model_card(find_model("GPT-3"))
    assert card.facts["Shape"] == "not known here"
    assert card.facts["Training FLOPs"] == "3.15e23 by 6ND"
    assert "no cache" in card.facts["Memory to serve"]


def test_intervals_stand_below_what_they_are_of() -> None:
    gopher = find_model("Gopher")
    rng = np.random.default_rng(0)
    draws = {"epoch": np.array([0.597, 6.17, 7.67, 0.347, 0.367]) + rng.normal(0, 0.005, (50, 5))}
    card = model_card(gopher, draws=draws)
    (epoch,) = (one for one in standings(gopher, draws=draws) if one.position.law == "epoch")
    (row,) = (row for row in card.table.rows if row[0].startswith("Besiroglu"))
    low, high = epoch.intervals["loss"]
    assert row[1] == f"{epoch.position.loss:.3f}\n{low:.3f} to {high:.3f}"
    low, high = epoch.intervals["n_opt"]
    assert row[4] == f"{format_count(epoch.position.n_opt)}\n{format_count(low)} to {format_count(high)}"
    for column, quantity, form in ((2, "excess_loss", ".3f"), (3, "wasted", ".0%")):
        low, high = epoch.intervals[quantity]
        assert row[column].partition("\n")[2] == f"{low:{form}} to {high:{form}}"
    low, high = epoch.intervals["d_opt"]
    assert row[5].partition("\n")[2] == f"{format_count(low)} to {format_count(high)}"
    assert "90% intervals" in card.table.caption
    assert "intervals" not in model_card(gopher).table.caption


def test_a_model_within_the_fits_is_not_called_extrapolated() -> None:
    card = model_card(PrintedModel("small", 1e9, 2e10, "me"))
    assert "extrapolated" not in str(card)
    card = model_card(PrintedModel("long", 1e9, 2e12, "me"))
    assert "6 extrapolated" in card.table.caption
    assert "x its largest" not in str(card)


def test_utilisation_is_checked() -> None:
    with pytest.raises(InputError, match="utilisation is 2"):
        model_card(find_model("Gopher"), utilisation=2)
