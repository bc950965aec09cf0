import json
import re
from typing import Any

import numpy as np
import pytest

from book._tools import explore
from chinchilla_lib.experiments.catalogue import load_largest
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric
from chinchilla_lib.fitting.leftover import lack_of_fit
from chinchilla_lib.reference.laws import find_law
from chinchilla_lib.reference.models import printed_models


def items() -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r"embed_item\((.*)\)\);", explore.draw().decode())]


def test_each_figure_has_its_place_in_the_page_and_the_page_no_other(project: Any) -> None:
    page = (project.root / "book/explore.md").read_text(encoding="utf-8")
    assert sorted(item["target_id"] for item in items()) == sorted(re.findall(r'<div id="([a-z-]+)"', page))


def test_the_script_is_the_same_each_time_and_loads_nothing() -> None:
    first = explore.draw()
    assert len(first) < 700_000, "with Bokeh itself a page stays under 2 MB"
    assert not re.search(rb"https?://", first)


def test_valleys_show_every_run_and_the_minima_of_the_fit() -> None:
    plot, table = explore.draw_valleys(), load_largest("main").table()
    sources = [one.data_source.data for one in plot.renderers]
    shown = [
        row for data in sources if "loss" in data for row in zip(data["log_n"], data["loss"], strict=True)
    ]
    assert sorted(shown) == sorted(zip(np.log10(table.n_params), table.loss, strict=True))
    points = fit_isoflop_profiles(table).points
    assert 10 ** np.array(sources[-1]["x"]) == pytest.approx([point.n_params for point in points])
    assert [item.label.value for item in plot.legend[0].items][:-1] == [
        f"{p.flops:.0e}".replace("+", "") for p in points
    ]


@pytest.mark.parametrize("which", ["own", "published"])
def test_a_cell_of_a_surface_is_the_loss_at_its_middle(which: str) -> None:
    if which == "own":
        plot, law = explore.draw_own_surface(), fit_parametric(load_largest("main").table()).law
    else:
        plot, law = explore.draw_published_surface(), find_law("epoch").law
    assert law is not None
    image = plot.renderers[0]
    [cells], glyph = image.data_source.data["loss"], image.glyph
    log_c = glyph.x + (np.arange(cells.shape[1]) + 0.5) * glyph.dw / cells.shape[1]
    log_n = glyph.y + (np.arange(cells.shape[0]) + 0.5) * glyph.dh / cells.shape[0]
    sizes = 10 ** log_n[:, None]
    expected = law.loss(sizes, 10**log_c / (6 * sizes))
    assert cells == pytest.approx(expected, rel=1e-6)  # kept with 24 bits
    assert log_c[0] == pytest.approx(plot.x_range.start) and log_n[-1] == pytest.approx(plot.y_range.end)


def test_what_the_captions_say_is_so() -> None:
    table = load_largest("main").table()
    valleys, fit = fit_isoflop_profiles(table), fit_parametric(table)
    assert fit.law is not None
    sizes = [point.n_params for point in valleys.points]
    assert sizes == sorted(sizes)
    over_law = [
        point.n_params / fit.law.n_opt(6 * point.n_params * point.n_tokens) for point in valleys.points
    ]
    assert over_law == sorted(over_law) and over_law[-1] > 1.5
    assert lack_of_fit(fit).p_value < 0.05
    law = find_law("epoch").law
    over_best = {model.title: model.n_params / law.n_opt(model.flops) for model in printed_models()}
    assert [name for name, ratio in over_best.items() if ratio < 1.5] == ["Chinchilla"]
