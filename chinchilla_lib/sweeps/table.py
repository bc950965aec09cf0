"""The tidy table of a sweep: one row for each finished run.

Every estimator takes a `SweepTable`, whether the runs were trained, simulated or read from a file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.cells import ALLOWED, COLUMNS, NUMERIC, Cells, in_range, locate, quote, read_cells

__all__ = ["CLUSTER_GAP", "HasRow", "SweepTable", "Valley"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLUSTER_GAP: Final = 1.25
"""Factor in FLOPs at which runs are taken to belong to different budgets when none is stated."""


class HasRow(Protocol):
    """Anything that knows its row of ``runs.csv``, such as a `RunRecord`."""

    def to_row(self) -> Mapping[str, Any]:
        """The values by column."""
        ...


@dataclass(frozen=True, eq=False)
class Valley:
    """The runs of one compute budget."""

    flops: float
    """The budget in FLOPs: as planned, or the geometric mean of the runs if found by clustering."""
    index: IntArray
    """Positions of its runs in the table, ordered by size, then tokens, then loss."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SweepTable:
    """One row per finished run, as columns of equal length.

    Raises
    ------
    InputError
        If columns differ in length, a number is outside its range, or a `run_id` occurs twice.

    Examples
    --------
    >>> from chinchilla_lib.laws import ParametricLoss
    >>> from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
    >>> law = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> table = simulate_isoflop_sweep(law, [1e18, 1e19, 1e20])
    >>> len(table), len(table.valleys())
    (27, 3)
    """

    run_id: tuple[str, ...]
    """Name of each run, unique."""
    n_params: FloatArray
    """Parameters, embeddings included."""
    n_tokens: FloatArray
    """Training tokens."""
    loss: FloatArray
    """Held-out loss, nats per token."""
    flops: FloatArray
    """Training FLOPs spent, counted by `flops_convention`."""
    flops_convention: str
    """How `flops` were counted: ``"six_nd"`` if they were filled in, ``"unstated"`` if not known."""
    source: str
    """Where the rows come from: a path, ``"records"``, or a text that begins with ``"simulated"``."""
    seed: IntArray | None = None
    """Seed of each run."""
    flops_budget: FloatArray | None = None
    """Planned FLOPs, identical within a valley."""
    n_params_non_embedding: FloatArray | None = None
    """Parameters without embeddings."""
    loss_se: FloatArray | None = None
    """Standard error of `loss`, nats per token."""
    bits_per_byte: FloatArray | None = None
    """The loss in bits per byte of text; never a substitute for `loss`."""
    rows: tuple[int, ...] | None = None
    """Row of the file that each run came from; None if it did not come from a file."""

    def __post_init__(self) -> None:
        if not self.run_id:
            raise InputError(f"{self.source}: there are no runs; give one row per finished run")
        for name in (*NUMERIC, "seed", "rows"):
            column = getattr(self, name)
            if column is not None and np.shape(column) != (len(self.run_id),):
                raise InputError(
                    f"{self.source}: column {name!r} has the shape {np.shape(column)}, "
                    f"but there are {len(self.run_id)} runs; give one value per run"
                )
        for name in (*NUMERIC, "seed"):
            column = getattr(self, name)
            if column is not None:
                frozen = np.array(column, dtype=np.int64 if name == "seed" else np.float64)
                frozen.setflags(write=False)
                object.__setattr__(self, name, frozen)
                good = in_range(name, frozen)
                if not good.all():
                    position = int(np.argmin(good))
                    raise InputError(
                        f"{self.where([position], name)}: found {frozen[position]}; {ALLOWED[name]}"
                    )
        first: dict[str, int] = {}
        for position, run_id in enumerate(self.run_id):
            if first.setdefault(run_id, position) != position:
                raise InputError(
                    f"{self.where([first[run_id], position], 'run_id')}: {quote(run_id)} stands twice; "
                    "a run has one row and its own run_id, so drop the copy or rename the replicate"
                )

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.run_id)

    def __repr__(self) -> str:
        return f"<SweepTable of {len(self)} runs from {self.source}, flops {self.flops_convention}>"

    @classmethod
    def from_csv(cls, path: str | Path) -> Self:
        """Read a table such as ``runs.csv``.

        Parameters
        ----------
        path : str or Path
            A comma-separated file in UTF-8 whose first row names the columns. ``n_params``,
            ``n_tokens`` and ``loss`` are needed; ``flops`` (default 6ND), ``flops_budget``,
            ``flops_convention``, ``run_id``, ``seed``, ``n_params_non_embedding``, ``loss_se``,
            ``bits_per_byte`` and ``loss_unit`` (``nats/token``, or the table is refused) are read
            where present, other columns are ignored. An optional column that is empty in every row
            counts as absent.

        Raises
        ------
        InputError
            If the file is missing, empty, binary or ragged, a column is missing or stands twice, a cell
            does not hold what its column needs, or a `run_id` occurs twice. The message is one line and
            names file, row (the header is row 1) and column.
        """
        return cls._from_cells(read_cells(path))

    @classmethod
    def from_records(cls, records: Iterable[HasRow | Mapping[str, Any]], source: str = "records") -> Self:
        """Collect run records into a table.

        Parameters
        ----------
        records : iterable
            Objects with ``to_row()``, or mappings, that give the columns of ``runs.csv``.
        source : str
            Label kept with the table.

        Raises
        ------
        InputError
            As `from_csv`; the message counts records from 1.
        """
        mappings = [record if isinstance(record, Mapping) else record.to_row() for record in records]
        header = [name for name in COLUMNS if any(name in mapping for mapping in mappings)]
        values = [[mapping.get(name) for name in header] for mapping in mappings]
        return cls._from_cells(Cells(header=header, records=values, rows=None, source=source))

    @classmethod
    def _from_cells(cls, cells: Cells) -> Self:
        cells.check_loss_unit()
        columns = {name: values for name in NUMERIC if (values := cells.numbers(name)) is not None}
        convention = cells.flops_convention()
        if "flops" not in columns:
            if convention not in (None, "six_nd"):
                raise InputError(
                    f"{cells.where(0, 'flops_convention')}: found {quote(convention)} but there is no "
                    "column flops; add it, or leave the convention out to have 6ND filled in"
                )
            convention = "six_nd"
            columns["flops"] = 6 * columns["n_params"] * columns["n_tokens"]
        return cls(
            run_id=cells.run_ids(),
            seed=cells.seeds(),
            flops_convention=convention or "unstated",
            source=cells.source,
            rows=None if cells.rows is None else tuple(cells.rows),
            **columns,
        )

    def take(self, index: Sequence[int] | IntArray) -> Self:
        """The runs at these positions, in that order.

        Raises
        ------
        InputError
            If there are none.
        """
        columns: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name in ("run_id", "rows") and value is not None:
                columns[name] = tuple(value[position] for position in index)
            elif isinstance(value, np.ndarray):
                columns[name] = value[list(index)]
        return replace(self, **columns)

    def where(self, index: Iterable[int], column: str) -> str:
        """Say where runs stand, as messages do: source, rows (or records, from 1) and column."""
        return locate(self.source, self.rows, [int(position) for position in index], column)

    def valleys(self) -> tuple[Valley, ...]:
        """Group the runs by compute budget, from the smallest budget to the largest.

        Runs share a valley when their `flops_budget` is equal. Without that column the runs are sorted
        by FLOPs and cut wherever the next run costs at least `CLUSTER_GAP` (1.25) times as much. The
        groups are accepted if they are well separated (two runs of one group always differ by a
        smaller factor than two of different groups) and hold two runs or more on average.

        Raises
        ------
        InputError
            If no budget is stated and the FLOPs do not fall into such groups.
        """
        if self.flops_budget is not None:
            budgets, label = np.unique(self.flops_budget, return_inverse=True)
        else:
            label = self._cluster()
            log_flops = np.bincount(label, weights=np.log(self.flops)) / np.bincount(label)
            budgets = np.exp(log_flops)
        order = np.lexsort((self.loss, self.n_tokens, self.n_params, label)).astype(np.int64)
        groups = np.split(order, np.cumsum(np.bincount(label))[:-1])
        return tuple(Valley(float(flops), index) for flops, index in zip(budgets, groups, strict=True))

    def budgets(self) -> FloatArray:
        """The compute budgets in FLOPs, ascending."""
        return np.array([valley.flops for valley in self.valleys()])

    def _cluster(self) -> npt.NDArray[np.intp]:
        """Group number of each run by FLOPs, ascending."""
        order = np.argsort(self.flops, kind="stable")
        log_flops = np.log(self.flops[order])
        gaps = np.diff(log_flops)
        cuts = np.flatnonzero(gaps >= math.log(CLUSTER_GAP))
        first, last = np.append(0, cuts + 1), np.append(cuts, len(order) - 1)
        widest = float((log_flops[last] - log_flops[first]).max())
        closest = float(gaps[cuts].min()) if cuts.size else math.log(CLUSTER_GAP)
        if widest >= closest or (len(first) > 1 and len(order) < 2 * len(first)):
            raise InputError(
                f"{self.where(order, 'flops')}: the {len(order)} runs cost {self.flops.min():.3g} to "
                f"{self.flops.max():.3g} FLOPs and do not fall into separate budgets; "
                "add a column flops_budget, the planned FLOPs, equal for all runs of one valley"
            )
        label = np.empty(len(order), dtype=np.intp)
        label[order] = np.repeat(np.arange(len(first)), last - first + 1)
        return label
