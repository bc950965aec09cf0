"""Rows of a plan as a table holds them after training, with losses made up from the configs."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import replace

from chinchilla_lib.experiments.experiment import Part, Results
from chinchilla_lib.experiments.tables import runs_table
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW


def trained_rows(parts: Iterable[Part], loss: Callable[[RunConfig], float]) -> Results:
    """Rows by part, read back from ``runs.csv``: text, with empty fields where a column is not a run's."""
    records = {
        part.name: [
            replace(simulate_run(config, LAW), loss=loss(config)) for config in part.plan("corpus").configs
        ]
        for part in parts
    }
    table: dict[str, list[dict[str, str]]] = {name: [] for name in records}
    for row in csv.DictReader(runs_table(records).splitlines()):
        table[row.get("part") or next(iter(records))].append(row)
    return table
