"""What grows with size: seconds and memory, as measured; and what checkpoints cost a large run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments.at_scale import Cluster, PlannedRun, daly_interval, time_lost, young_interval
from chinchilla_lib.plots.style import INK, PALETTE, axes_or_new, label_axes, label_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_costs", "plot_intervals"]

_LABELS: Final = {"seconds": "seconds", "peak_mib": "peak of memory, MiB"}
_MARKS: Final = ("o-", "s--", "^-.", "D:", "v-", "P--", "X-.", "*:")
_MINUTE: Final = 60.0


def plot_costs(
    rows: Sequence[Mapping[str, Any]],
    quantity: Literal["seconds", "peak_mib"] = "seconds",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw what was measured against size, a line for each part.

    Parameters
    ----------
    rows : sequence of mapping
        With ``part``, ``size`` and the quantity, as recorded; eight parts at most.
    quantity : {"seconds", "peak_mib"}
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        If there are no rows or more than eight parts, or the quantity is not known.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> rows = [{"part": "a fit", "size": 10, "seconds": 0.1}, {"part": "a fit", "size": 100, "seconds": 1.0}]
    >>> [line.get_label() for line in plot_costs(rows).get_lines()]
    ['a fit']
    """
    parts = list(dict.fromkeys(row["part"] for row in rows))
    if not 1 <= len(parts) <= len(_MARKS):
        raise InputError(f"rows have {len(parts)} parts; give 1 to {len(_MARKS)}")
    if quantity not in _LABELS:
        raise InputError(f"quantity is {quantity!r}; give one of {', '.join(_LABELS)}")
    ax = axes_or_new(ax)
    for i, (part, marks) in enumerate(zip(parts, _MARKS, strict=False)):
        points = sorted((float(row["size"]), float(row[quantity])) for row in rows if row["part"] == part)
        sizes, values = zip(*points, strict=True)
        ax.plot(sizes, values, marks, color=PALETTE[i % len(PALETTE)], label=part)
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_counts(ax.xaxis)
    label_counts(ax.yaxis)
    label_axes(ax, x="size", y=_LABELS[quantity])
    return ax


def plot_intervals(cluster: Cluster, run: PlannedRun, ax: "Axes | None" = None) -> "Axes":
    """Draw the time that a run loses against the interval between its checkpoints.

    Parameters
    ----------
    cluster : Cluster
    run : PlannedRun
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        If the run does not fit into the cluster.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from chinchilla_lib.reference.accelerators import load_accelerators
    >>> a100 = load_accelerators()[2]
    >>> cluster = Cluster(accelerator=a100, n_chips=1024, utilisation=0.4, chip_mtbf_hours=50_000)
    >>> plot_intervals(cluster, PlannedRun(70e9, 1.4e12)).get_xscale()
    'log'
    """
    needs = cluster.needs_of(run)
    mtbf = cluster.chip_mtbf_hours * 3600 / cluster.chips_of(run)
    ax = axes_or_new(ax)
    seconds = np.geomspace(needs.interval_seconds / 20, needs.interval_seconds * 20, 121)
    lost = [time_lost(s, needs.write_seconds, cluster.restart_seconds, mtbf) for s in seconds]
    ax.plot(seconds / _MINUTE, 100 * np.array(lost), color=PALETTE[0], label="expected")
    for name, marks, found in (
        ("Young", "s", young_interval(needs.write_seconds, mtbf)),
        ("Daly", "o", daly_interval(needs.write_seconds, mtbf)),
    ):
        share = time_lost(found, needs.write_seconds, cluster.restart_seconds, mtbf)
        ax.plot([found / _MINUTE], [100 * share], marks, color=INK, markerfacecolor="none", label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_counts(ax.xaxis)
    label_counts(ax.yaxis)
    label_axes(ax, x="minutes between checkpoints", y="time lost, % of the work")
    return ax
