"""Figures that a reader can zoom: loss surfaces and valleys of equal compute, drawn by Bokeh in the page."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.models import (
    Axis,
    BasicTicker,
    CustomJSHover,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
)
from bokeh.models.annotations import ColorBar, Span
from bokeh.models.renderers import DataRenderer
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from bokeh.util.paths import bokehjs_path

from chinchilla_lib._format import format_flops
from chinchilla_lib.experiments.catalogue import load_largest
from chinchilla_lib.fitting import fit_isoflop_profiles, fit_parametric
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.plots.style import CARD, GRID, INK, PALETTE, sequence_colors
from chinchilla_lib.reference.laws import find_law
from chinchilla_lib.reference.models import printed_models

PATH = "book/_static/explore.js"
LIBRARY_PATH = "book/_static/bokeh.min.js"
N_CELLS = 100  # of a surface, each way
N_CONTOURS = 24
N_CURVE = 100  # points of a line
# A count as people say it, from its decimal logarithm: the axes of a surface are linear in that, since
# Bokeh draws no image on logarithmic ones.
COUNT = """
const count = 10 ** %s;
const [unit, letter] = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([u]) => count >= u) ?? [1, ""];
return Number((count / unit).toPrecision(3)) + letter;
"""
FLOPS = "return (10 ** %s).toExponential(1).replace('+', '').replace('.0e', 'e');"
LABELS = {"Jurassic-1": ""}  # it stands on GPT-3
BASELINES = {"GPT-3": "bottom", "LaMDA": "top"}  # of names to the left of their marks
RUN_COUNTS = [("C", "@log_c{custom}"), ("N", "@log_n{custom}"), ("D", "@log_d{custom}")]
EMBED = "window.addEventListener('DOMContentLoaded', () => Bokeh.embed.embed_item(%s));\n"

FloatArray = npt.NDArray[np.float64]


def library() -> bytes:
    """Bokeh's own script, which the page loads from the site."""
    return (bokehjs_path() / "js/bokeh.min.js").read_bytes()


@functools.cache
def draw() -> bytes:
    """The figures as one script: each is put into the element of its name."""
    figures = {
        "explore-valleys": draw_valleys(),
        "explore-surface": draw_own_surface(),
        "explore-models": draw_published_surface(),
    }
    items = [json_item(model, ID(target)) for target, model in figures.items()]
    return "".join(EMBED % json.dumps(item, separators=(",", ":")) for item in items).encode()


def draw_valleys() -> figure:
    """Loss against size, a valley for each budget of the main sweep: runs, parabolas, minima."""
    fit = fit_isoflop_profiles(load_largest("main").table())
    table, valleys = fit.table, fit.diagnostics.valleys
    plot = _new_figure(x="parameters N", y="loss (nats per token)")
    runs = []
    for valley, color in zip(valleys, sequence_colors(len(valleys)), strict=True):
        grid = np.geomspace(*valley.n_params_range, N_CURVE)
        name = format_flops(valley.flops)
        plot.line(np.log10(grid), valley.predict(grid), color=color, line_width=1.5, legend_label=name)
        seeds = np.zeros(len(table), int) if table.seed is None else table.seed
        source = {
            "log_n": np.log10(table.n_params[valley.index]),
            "loss": table.loss[valley.index],
            "log_d": np.log10(table.n_tokens[valley.index]),
            "ratio": (table.n_tokens / table.n_params)[valley.index],
            "seed": seeds[valley.index],
            "off": table.loss[valley.index] - valley.predict(table.n_params[valley.index]),
        }
        runs.append(plot.scatter("log_n", "loss", source=source, color=color, size=6, legend_label=name))
    _mark_minima(
        plot, [np.log10(point.n_params) for point in fit.points], [point.loss for point in fit.points]
    )
    tips = [
        ("N", "@log_n{custom}"),
        ("D", "@log_d{custom}"),
        ("D / N", "@ratio{0.0}"),
        ("seed", "@seed"),
        ("loss", "@loss{0.0000}"),
        ("over its parabola", "@off{+0.0000}"),
    ]
    plot.add_tools(_hover(tips, runs))
    _name_counts(plot.xaxis)
    _place_legend(plot)
    return plot


def draw_own_surface() -> figure:
    """The law fitted to the main sweep, with its runs and the minima of their valleys."""
    table = load_largest("main").table()
    law = fit_parametric(table).law
    assert isinstance(law, ParametricLoss)
    log_c, log_n = np.log10(6 * table.n_params * table.n_tokens), np.log10(table.n_params)
    predicted = law.loss(table.n_params, table.n_tokens)
    runs = {
        "log_c": log_c,
        "log_n": log_n,
        "log_d": np.log10(table.n_tokens),
        "loss": table.loss,
        "off": table.loss - predicted,
    }
    tips = [*RUN_COUNTS, ("loss of the run", "@loss{0.0000}"), ("over the law", "@off{+0.0000}")]
    plot = _new_surface(law, _around(log_c), _around(log_n))
    points = plot.scatter(
        "log_c", "log_n", source=runs, color=INK, line_color=CARD, size=7, legend_label="runs"
    )
    plot.add_tools(_hover(tips, [points]))
    minima = fit_isoflop_profiles(table).points
    _mark_minima(
        plot,
        [np.log10(6 * point.n_params * point.n_tokens) for point in minima],
        [np.log10(point.n_params) for point in minima],
    )
    _place_legend(plot)
    return plot


def draw_published_surface() -> figure:
    """The refit of the paper's points by Besiroglu et al., with the models of Table 1."""
    published = find_law("epoch")
    law = published.law
    models = printed_models()
    n_params = np.array([model.n_params for model in models])
    n_tokens = np.array([model.n_tokens for model in models])
    best = law.loss(law.n_opt(6 * n_params * n_tokens), law.d_opt(6 * n_params * n_tokens))
    loss = law.loss(n_params, n_tokens)
    rows = {
        "log_c": np.log10(6 * n_params * n_tokens),
        "log_n": np.log10(n_params),
        "log_d": np.log10(n_tokens),
        "name": [model.title for model in models],
        "label": [LABELS.get(model.title, model.title) for model in models],
        "side": ["right" if model.title in BASELINES else "left" for model in models],
        "right": [-9 if model.title in BASELINES else 9 for model in models],
        "baseline": [BASELINES.get(model.title, "middle") for model in models],
        "loss": loss,
        "off": loss - best,
    }
    tips = [
        ("", "@name"),
        *RUN_COUNTS,
        ("loss by the law", "@loss{0.000}"),
        ("over the best", "@off{+0.000}"),
    ]
    plot = _new_surface(law, (19, 26.5), (8, 12.3))
    largest = float(np.log10(published.largest["flops"]))
    plot.add_layout(Span(location=largest, dimension="height", line_color=INK, line_dash="dashed"))
    points = plot.scatter(
        "log_c", "log_n", source=rows, color=INK, line_color=CARD, size=10, legend_label="Table 1"
    )
    plot.text(
        "log_c",
        "log_n",
        "label",
        source=rows,
        x_offset="right",
        text_align="side",
        text_baseline="baseline",
        text_color=INK,
        text_font_size="13px",
    )
    plot.add_tools(_hover(tips, [points]))
    _place_legend(plot)
    return plot


def _around(values: FloatArray) -> tuple[float, float]:
    """A range with some room beyond the values."""
    return float(values.min()) - 0.3, float(values.max()) + 0.3


def _new_surface(law: ParametricLoss, c: tuple[float, float], n: tuple[float, float]) -> figure:
    """A law's loss over compute and size, decimal logarithms: colours, lines of equal loss, the optimum."""
    plot = _new_figure(x="training compute C = 6ND (FLOPs)", y="parameters N", x_range=c, y_range=n)
    x, y = np.linspace(*c, N_CELLS), np.linspace(*n, N_CELLS)
    flops, sizes = np.meshgrid(10**x, 10**y)
    tokens = flops / (6 * sizes)
    loss = law.loss(sizes, tokens)
    best = law.loss(law.n_opt(flops), law.d_opt(flops))
    # Far from the optimum the loss has no bound: the colours end at the best loss of the smallest budget.
    top = float(best.max())
    colors = LinearColorMapper(palette=Cividis256[::-1], low=float(best.min()), high=top)
    cells = {
        "loss": [loss.astype(np.float32)],
        "off": [(loss - best).astype(np.float32)],
        "log_d": [np.log10(tokens).astype(np.float32)],
    }
    half_x, half_y = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    surface = plot.image(
        "loss",
        source=cells,
        x=x[0] - half_x,
        y=y[0] - half_y,
        dw=x[-1] - x[0] + 2 * half_x,
        dh=y[-1] - y[0] + 2 * half_y,
        color_mapper=colors,  # type: ignore[call-arg]  # Bokeh's types lack it
        level="image",
    )
    levels = np.geomspace(float(best.min()), top, N_CONTOURS)
    plot.contour(x, y, loss, levels, line_color=CARD, line_alpha=0.6, line_width=0.8)
    plot.line(
        np.log10(np.asarray(flops[0])),
        np.log10(law.n_opt(flops[0])),
        color=PALETTE[1],
        line_width=2.5,
        legend_label="best size",
    )
    bar = ColorBar(color_mapper=colors, title="loss (nats per token)", background_fill_color=CARD, height=10)
    plot.add_layout(bar, "below")
    tips = [
        ("C", "$x{custom}"),
        ("N", "$y{custom}"),
        ("D", "@log_d{custom}"),
        ("loss by the law", "@loss{0.000}"),
        ("over the best of this C", "@off{0.000}"),
    ]
    plot.add_tools(_hover(tips, [surface]))
    plot.grid.visible = False
    _name_counts(plot.yaxis)
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=4)  # beside one another on a phone
    plot.xaxis.formatter = CustomJSTickFormatter(code=FLOPS % "tick")
    return plot


def _mark_minima(plot: figure, x: Sequence[float], y: Sequence[float]) -> None:
    plot.scatter(x, y, marker="star", size=16, color=PALETTE[1], line_color=CARD, legend_label="minima")


def _new_figure(*, x: str, y: str, **ranges: Any) -> figure:
    plot = figure(
        x_axis_label=x,
        y_axis_label=y,
        height=480,
        sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,zoom_in,zoom_out,reset,save",
        active_drag="pan",
        active_scroll=None,  # the wheel scrolls the page until the reader says otherwise
        toolbar_location="above",
        background_fill_color=CARD,
        border_fill_color=CARD,
        outline_line_color=None,
        **ranges,
    )
    plot.toolbar.logo = None
    plot.grid.grid_line_color = GRID
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "15px"
        axis.major_label_text_font_size = "13px"
        axis.axis_label_text_color = axis.major_label_text_color = INK
    return plot


def _name_counts(axes: list[Axis]) -> None:
    for axis in axes:
        axis.formatter = CustomJSTickFormatter(code=COUNT % "tick")


def _hover(tips: list[tuple[str, str]], renderers: Sequence[DataRenderer]) -> HoverTool:
    """What is shown beside the pointer; counts are kept by their logarithms."""
    codes = {place: FLOPS if name == "C" else COUNT for name, place in tips if place.endswith("{custom}")}
    formatters: dict[str, Any] = {
        place.removesuffix("{custom}"): CustomJSHover(code=code % "value") for place, code in codes.items()
    }
    return HoverTool(tooltips=tips, formatters=formatters, renderers=list(renderers))


def _place_legend(plot: figure) -> None:
    """Below the figure, where it hides nothing; a click hides what it names."""
    [legend] = plot.legend
    plot.add_layout(legend, "below")
    legend.click_policy = "hide"
    legend.orientation = "horizontal"
    legend.location = "center"
    legend.ncols = 4
    legend.label_text_color = INK
    legend.background_fill_color = CARD
    legend.border_line_color = None
