"""Training curves of a sweep: what Approach 1 reads.

``curves.csv`` has one row for each point of a run's curve:

==============  ===========================================================================
``run_id``      the run, by its name in ``runs.csv``
``n_tokens``    tokens seen
``train_loss``  training loss there, nats per token (a mean over the steps since the last point)
``step``        optional: optimiser step; the number of the point where absent
``flops``       optional: FLOPs spent; else the run's FLOPs in proportion to tokens, or 6ND
``n_params``    optional where ``runs.csv`` is at hand
==============  ===========================================================================
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.cells import (
    ALLOWED,
    CURVE_NUMERIC,
    CURVE_REQUIRED,
    Cells,
    in_range,
    locate,
    quote,
    read_cells,
)
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["CurveTable", "HasCurve"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_COLUMNS: Final = ("run_id", *CURVE_NUMERIC)
_POINTS: Final = ("step", "n_tokens", "flops", "loss")


class HasCurve(Protocol):
    """Anything that knows its rows of ``curves.csv``, such as a `RunRecord`."""

    def curve_rows(self) -> Sequence[Mapping[str, Any]]:
        """The values by column, for each point."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class CurveTable:
    """Curves of runs, one after the other, each by ascending tokens.

    Raises
    ------
    InputError
        If arrays differ in length, a number is outside its range, a run occurs twice or has fewer than two
        points, or tokens, steps or FLOPs of a run do not rise from point to point.
    """

    run_id: tuple[str, ...]
    """Name of each run, unique, shape (n_runs,)."""
    n_params: FloatArray
    """Parameters of each run, shape (n_runs,)."""
    first: IntArray
    """Position of each run's first point, ascending from 0, shape (n_runs,)."""
    step: FloatArray
    """Optimiser step of each point, shape (n_points,)."""
    n_tokens: FloatArray
    """Tokens seen, shape (n_points,)."""
    flops: FloatArray
    """FLOPs spent, shape (n_points,)."""
    loss: FloatArray
    """Training loss, nats per token, shape (n_points,)."""
    source: str
    """Where the points come from."""
    rows: tuple[int, ...] | None = None
    """Row of the file that each point came from; None if it did not come from a file."""

    def __post_init__(self) -> None:
        n_runs, n_points = len(self.run_id), len(self.loss)
        shapes = dict.fromkeys(_POINTS, n_points) | {"n_params": n_runs, "first": n_runs}
        for name, length in shapes.items():
            column = np.array(getattr(self, name), dtype=np.int64 if name == "first" else np.float64)
            if column.shape != (length,):
                raise InputError(
                    f"{self.source}: {name!r} has the shape {column.shape}; {n_runs} runs with {n_points} "
                    f"points need ({length},)"
                )
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        if not n_runs or self.first[0] != 0 or (np.diff(self.first, append=n_points) < 2).any():
            raise InputError(f"{self.source}: a curve needs two points or more, and there must be one curve")
        if len(set(self.run_id)) < n_runs:
            raise InputError(f"{self.source}: column 'run_id': a run occurs twice")
        for name in (*_POINTS, "n_params"):
            good = in_range("train_loss", getattr(self, name))
            if not good.all():
                position = int(np.argmin(good))
                where = self.source if name == "n_params" else self.where([position], name)
                found = getattr(self, name)[position]
                raise InputError(f"{where}: found {found}; {ALLOWED['train_loss']}")
        for name in ("n_tokens", "step", "flops"):
            rises = np.diff(getattr(self, name)) > 0
            rises[self.first[1:] - 1] = True
            if not rises.all():
                position = int(np.argmin(rises))
                run = self.run_id[int(np.searchsorted(self.first, position, "right")) - 1]
                found = " and ".join(
                    f"{value:.17g}" for value in getattr(self, name)[position : position + 2]
                )
                raise InputError(
                    f"{self.where([position, position + 1], name)}: found {found} in run {quote(run)}; "
                    "with the tokens this must rise from point to point, so drop what stands twice"
                )

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.run_id)

    def __repr__(self) -> str:
        return f"<CurveTable of {len(self)} runs, {len(self.loss)} points from {self.source}>"

    @property
    def last(self) -> IntArray:
        """Position of each run's last point, shape (n_runs,)."""
        return np.append(self.first[1:], len(self.loss)) - 1

    @classmethod
    def from_csv(cls, path: str | Path, table: SweepTable | None = None) -> Self:
        """Read a file such as ``curves.csv``; the columns are those of the module.

        Parameters
        ----------
        path : str or Path
            A comma-separated file in UTF-8; rows may stand in any order, other columns are ignored.
        table : SweepTable, optional
            The runs, for what the file leaves out.

        Raises
        ------
        InputError
            As `SweepTable.from_csv`; also if a run is not in `table`, has fewer than two points or two
            numbers of parameters, or has the same tokens twice.
        """
        return cls._from_cells(read_cells(path, CURVE_REQUIRED, row_is="point of a curve"), table)

    @classmethod
    def from_records(
        cls,
        records: Iterable[HasCurve | Mapping[str, Any]],
        table: SweepTable | None = None,
        source: str = "records",
    ) -> Self:
        """Collect curves from records of runs, or from mappings that give the columns point by point.

        Parameters
        ----------
        records : iterable
            Objects with ``curve_rows()``, or mappings with the columns of ``curves.csv``.
        table : SweepTable, optional
            The runs, for what the records leave out.
        source : str
            Label kept with the curves.

        Raises
        ------
        InputError
            As `from_csv`; the message counts points from 1.
        """
        mappings: list[Mapping[str, Any]] = []
        for record in records:
            mappings.extend([record] if isinstance(record, Mapping) else record.curve_rows())
        header = [name for name in _COLUMNS if any(name in mapping for mapping in mappings)]
        values = [[mapping.get(name) for name in header] for mapping in mappings]
        cells = Cells(header=header, records=values, rows=None, source=source, required=CURVE_REQUIRED)
        return cls._from_cells(cells, table)

    @classmethod
    def _from_cells(cls, cells: Cells, table: SweepTable | None) -> Self:
        columns = {name: values for name in CURVE_NUMERIC if (values := cells.numbers(name)) is not None}
        if cells.column("run_id") is None:
            raise InputError(
                f"{cells.source}: column 'run_id' is missing; it says which points are one curve"
            )
        names = cells.run_ids()
        numbers: dict[str, int] = {}
        owner = np.array([numbers.setdefault(name, len(numbers)) for name in names])
        order = np.lexsort((columns["n_tokens"], owner))
        owner = owner[order]
        columns = {name: values[order] for name, values in columns.items()}
        rows = None if cells.rows is None else tuple(cells.rows[position] for position in order)
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        n_points = np.diff(first, append=len(owner))
        if (n_points < 2).any():
            position = int(first[np.argmax(n_points < 2)])
            where = locate(cells.source, rows, [position], "run_id")
            raise InputError(f"{where}: run {quote(names[order[position]])} has one point; a curve needs two")
        run_id = tuple(numbers)
        index = None if table is None else _find(table, run_id, cells.source)
        if "n_params" in columns:
            n_params = columns["n_params"][first]
            same = columns["n_params"] == n_params[owner]
            if not same.all():
                where = locate(cells.source, rows, [int(np.argmin(same))], "n_params")
                raise InputError(f"{where}: a run has one number of parameters, and here it changes")
        elif table is not None and index is not None:
            n_params = table.n_params[index]
        else:
            raise InputError(
                f"{cells.source}: column 'n_params' is missing; add it, or give the table of runs, too"
            )
        flops = columns.get("flops")
        if flops is None and table is not None and index is not None:
            flops = columns["n_tokens"] * (table.flops[index] / table.n_tokens[index])[owner]
        elif flops is None:
            flops = 6 * n_params[owner] * columns["n_tokens"]
        return cls(
            run_id=run_id,
            n_params=n_params,
            first=first,
            step=columns.get("step", np.arange(1.0, len(owner) + 1) - first[owner]),
            n_tokens=columns["n_tokens"],
            flops=flops,
            loss=columns["train_loss"],
            source=cells.source,
            rows=rows,
        )

    def where(self, index: Iterable[int], column: str) -> str:
        """Say where points stand, as messages do: source, rows (or records, from 1) and column."""
        return locate(self.source, self.rows, [int(position) for position in index], column)

    def find_in(self, table: SweepTable) -> IntArray:
        """Position of each curve's run in the table, shape (n_runs,).

        Raises
        ------
        InputError
            If a run is not in it, or has another number of parameters there.
        """
        index = _find(table, self.run_id, self.source)
        same = np.isclose(self.n_params, table.n_params[index], rtol=1e-6, atol=0)
        if not same.all():
            run = int(np.argmin(same))
            raise InputError(
                f"{self.source}: column 'n_params': run {quote(self.run_id[run])} has "
                f"{self.n_params[run]:g}, but {table.n_params[index[run]]:g} in {table.source}; "
                "the two must describe the same runs"
            )
        return index


def _find(table: SweepTable, run_id: Sequence[str], source: str) -> IntArray:
    place = {name: position for position, name in enumerate(table.run_id)}
    missing = [name for name in run_id if name not in place]
    if missing:
        raise InputError(
            f"{source}: column 'run_id': {len(missing)} of {len(run_id)} runs are not in {table.source}, "
            f"first {quote(missing[0])}; give the table of the same sweep"
        )
    return np.array([place[name] for name in run_id], dtype=np.int64)
