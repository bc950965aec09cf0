"""The tables that are recorded of an experiment: its runs, and their curves thinned."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.reference.recorded import rows_table
from chinchilla_lib.runs import RunRecord

__all__ = ["CURVE_POINTS", "curves_table", "runs_table"]

CURVE_POINTS: Final = 25
"""Points of a recorded curve; each is the mean training loss since the one before."""


def runs_table(
    parts: Mapping[str, Sequence[RunRecord]], row: Callable[[RunRecord], Row] = RunRecord.to_row
) -> str:
    """Runs by part, as ``runs.csv``; the part is a column if there are several.

    Parameters
    ----------
    parts : mapping
    row : callable
        From a record to its row, such as `Experiment.row`.
    """
    several = len(parts) > 1
    return rows_table(
        ({"part": part} if several else {}) | dict(row(record))
        for part, records in parts.items()
        for record in records
    )


def curves_table(parts: Mapping[str, Sequence[RunRecord]], n_points: int = CURVE_POINTS) -> str:
    """Training curves as ``curves.csv``: run, tokens and mean loss since the point before.

    Parameters
    ----------
    parts : mapping
    n_points : int
        At most so many points of a run.
    """
    rows: list[dict[str, str | int | float]] = []
    for record in (record for records in parts.values() for record in records):
        steps, losses = record.curve.step, record.curve.train_loss
        n = min(n_points, len(steps))
        ends = [round((i + 1) * len(steps) / n) for i in range(n)]
        for begin, end in zip([0, *ends], ends, strict=False):
            last = steps[begin - 1] if begin else 0
            lengths = [b - a for a, b in zip((last, *steps[begin:]), steps[begin:end], strict=False)]
            mean = sum(m * loss for m, loss in zip(lengths, losses[begin:end], strict=True)) / sum(lengths)
            n_tokens = steps[end - 1] * record.config.batch_size_tokens
            rows.append({"run_id": record.config.run_id, "n_tokens": n_tokens, "train_loss": f"{mean:.5f}"})
    return rows_table(rows)
