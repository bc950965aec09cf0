"""A forecast and what came: losses along the frontier, runs beside their intervals, spans looked back on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.experiment import Forecast, Row
from chinchilla_lib.experiments.forecast import FORMS, half_width
from chinchilla_lib.experiments.hindsight import LookBack
from chinchilla_lib.fitting import fit_isoflop_profiles
from chinchilla_lib.plots.style import CARD, INK, PALETTE, axes_or_new, label_axes, label_counts, label_flops
from chinchilla_lib.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_forecast", "plot_foretold_runs", "plot_look_back"]

_LINES: Final[Mapping[str, tuple[str, str]]] = {
    "additive law": (PALETTE[0], "-"),
    "power law": (PALETTE[2], "-"),
    "power law, three largest budgets": (PALETTE[2], "--"),
    "line in ln C": (PALETTE[1], "-"),
    "line in ln C, three largest budgets": (PALETTE[1], "--"),
    "parabola in ln C": (PALETTE[3], "-"),
}
"""Colour and dashes of a form; forms of one kind share the colour."""

_POINTS: Final = 13


def plot_forecast(
    rows: Sequence[Row], forecast: Forecast, tested: Sequence[Row] = (), ax: "Axes | None" = None
) -> "Axes":
    """Draw the losses at the minima, what each form makes of them beyond, and what was measured there.

    Parameters
    ----------
    rows : sequence of mapping
        Runs the forecast was made from.
    forecast : mapping
        As :func:`chinchilla_lib.experiments.forecast.foretell` returns it; the interval of the form that it
        chose is shaded.
    tested : sequence of mapping
        Runs at the larger budgets; of each budget the mean loss of the size foretold is drawn.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    points = fit_isoflop_profiles(SweepTable.from_records(rows, source="runs of the forecast")).points
    highest, farthest = points[-1].flops, forecast["ahead"][-1]["flops"]
    grid = np.geomspace(highest, farthest, _POINTS)
    for name, form in FORMS.items():
        color, dashes = _LINES[name]
        chosen = name == forecast["form"]
        losses = np.array([form(rows, flops) for flops in grid])
        ax.plot(grid, losses, dashes, color=color, linewidth=2.4 if chosen else 1.2, label=name)
        if chosen:
            half = np.array([half_width(forecast["error_rates"][name], flops / highest) for flops in grid])
            low, high = losses * np.exp(-half), losses * np.exp(half)
            ax.fill_between(grid, low, high, color=color, alpha=0.2, linewidth=0)
    ax.plot([p.flops for p in points], [p.loss for p in points], "o", color=INK, label="minima, fitted to")
    found = {ahead["flops"]: _losses_of(ahead, tested).get("best") for ahead in forecast["ahead"]}
    measured = {flops: float(np.mean(losses)) for flops, losses in found.items() if losses}
    if measured:
        ax.plot(
            list(measured),
            list(measured.values()),
            "*",
            color=INK,
            markeredgecolor=CARD,
            markersize=14,
            zorder=5,
            label="measured, size foretold",
        )
    ax.set_xscale("log")
    label_flops(ax.xaxis)
    label_axes(ax, x="training compute C (FLOPs)", y="loss (nats per token)")
    ax.legend(frameon=False, fontsize=8.5, loc="lower left")
    return ax


def plot_foretold_runs(forecast: Forecast, tested: Sequence[Row] = (), ax: "Axes | None" = None) -> "Axes":
    """Draw the three runs of each larger budget: what was foretold with its interval, and each seed's loss.

    Parameters
    ----------
    forecast : mapping
        As :func:`chinchilla_lib.experiments.forecast.foretell` returns it.
    tested : sequence of mapping
        Runs at the larger budgets.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    for ahead, color in zip(forecast["ahead"], PALETTE, strict=False):
        runs = sorted(ahead["runs"], key=lambda run: run["n_params"])
        sizes = [run["n_params"] for run in runs]
        losses = np.array([run["loss"] for run in runs])
        low, high = np.array([run["interval"] for run in runs]).T
        ax.errorbar(
            sizes,
            losses,
            yerr=[losses - low, high - losses],
            fmt="s--",
            color=color,
            markerfacecolor=CARD,
            linewidth=1.2,
            capsize=4,
            label=f"{format_flops(ahead['flops'])} FLOPs, foretold",
        )
        found = _losses_of(ahead, tested)
        dots = [(run["n_params"], loss) for run in runs for loss in found.get(run["role"], ())]
        if dots:
            label = f"{format_flops(ahead['flops'])} FLOPs, measured"
            ax.plot(*zip(*dots, strict=True), "o", color=color, markeredgecolor=CARD, zorder=4, label=label)
    ax.set_xscale("log")
    label_counts(ax.xaxis)
    label_axes(ax, x="parameters N", y="loss (nats per token)")
    ax.legend(frameon=False, fontsize=9.5, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_look_back(looks: Sequence[LookBack], ax: "Axes | None" = None) -> "Axes":
    """Draw how far each form was off the largest budget, against the distance it was foretold from.

    Parameters
    ----------
    looks : sequence of LookBack
        As :func:`chinchilla_lib.experiments.hindsight.look_back` returns them; of those with one upper end
        the widest span is drawn.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are none.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not looks:
        raise InputError("looks is empty; give what look_back returns")
    ax = axes_or_new(ax)
    widest: dict[float, LookBack] = {}
    for look in looks:
        if look.highest not in widest or look.lowest < widest[look.highest].lowest:
            widest[look.highest] = look
    factors = [look.factor for look in widest.values()]
    for name, (color, dashes) in _LINES.items():
        errors = [100 * look.errors[name] for look in widest.values()]
        ax.plot(factors, errors, f"o{dashes}", color=color, linewidth=1.4, markersize=4, label=name)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set_xticks(factors, [f"{float(f'{factor:.2g}'):g}x" for factor in factors])
    ax.minorticks_off()
    label_axes(ax, x="largest budget over the largest one fitted", y="foretold over measured loss (%)")
    ax.legend(frameon=False, fontsize=8.5, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def _losses_of(ahead: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, list[float]]:
    """Measured losses of a budget by role."""
    found: dict[str, list[float]] = {}
    for run in ahead["runs"]:
        for row in rows:
            if float(row["flops_budget"]) == ahead["flops"] and int(row["d_model"]) == run["d_model"]:
                found.setdefault(run["role"], []).append(float(row["loss"]))
    return found
