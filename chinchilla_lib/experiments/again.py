"""Runs done again, against those recorded: equal to the last digit, or by how much they differ."""

from collections.abc import Iterable
from dataclasses import dataclass

from chinchilla_lib.experiments.experiment import Row

__all__ = ["Again", "compare_with_record"]


@dataclass(frozen=True)
class Again:
    """Runs beside those of a record.

    Attributes
    ----------
    n_runs : int
        Runs that were done, each counted once.
    n_recorded : int
        Those of them that the record has, too: the same config on the same corpus.
    n_equal : int
        Those of them whose recorded row is equal in every cell.
    largest : float
        Largest difference of a loss from the recorded one, nats per token.
    """

    n_runs: int
    n_recorded: int
    n_equal: int
    largest: float

    def __str__(self) -> str:
        if self.n_recorded == 0:
            return f"none of the {self.n_runs} runs is in the record, which is of another corpus or plan"
        text = f"{self.n_equal} of {self.n_recorded} runs equal to the record to the last digit"
        if self.n_equal < self.n_recorded:
            text += f", losses differ by up to {self.largest:.2g} nats per token"
        if self.n_recorded < self.n_runs:
            text += f"; {self.n_runs - self.n_recorded} runs are not in the record"
        return text


def compare_with_record(rows: Iterable[Row], recorded: Iterable[Row]) -> Again:
    """Compare runs with a record of them.

    Parameters
    ----------
    rows : iterable of mapping
        As ``RunRecord.to_row`` gives them.
    recorded : iterable of mapping
        Of ``runs.csv``. Cells that a record has and a row lacks must be empty.

    Returns
    -------
    Again

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> rows = load_recorded("rates-cpu-20").rows
    >>> compare_with_record(rows, rows)
    Again(n_runs=9, n_recorded=9, n_equal=9, largest=0.0)
    """
    kept = {str(row["run_id"]): row for row in recorded}
    done = {str(row["run_id"]): row for row in rows}
    pairs = [(row, kept[run_id]) for run_id, row in done.items() if run_id in kept]
    return Again(
        n_runs=len(done),
        n_recorded=len(pairs),
        n_equal=sum(_same(row, other) for row, other in pairs),
        largest=max((abs(float(row["loss"]) - float(other["loss"])) for row, other in pairs), default=0.0),
    )


def _same(row: Row, recorded: Row) -> bool:
    # A number's text is the shortest that gives it back, so equal texts are equal to the last digit.
    return all(str(row.get(name, "")) == str(cell) for name, cell in recorded.items() if name != "part")
