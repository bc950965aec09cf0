"""Cells of ``runs.csv``: read, checked one by one, and turned into columns.

A message about a cell names the file, the row and the column. Rows are counted as an editor counts
lines: the header is row 1. A table made from records counts records, from 1.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError, one_line

__all__ = [
    "ALLOWED",
    "COLUMNS",
    "CURVE_NUMERIC",
    "CURVE_REQUIRED",
    "NUMERIC",
    "Cells",
    "in_range",
    "locate",
    "quote",
    "read_cells",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

REQUIRED: Final = ("n_params", "n_tokens", "loss")
NUMERIC: Final = (*REQUIRED, "flops", "flops_budget", "n_params_non_embedding", "bits_per_byte", "loss_se")
COLUMNS: Final = (*NUMERIC, "seed", "run_id", "flops_convention", "loss_unit")
"""Columns that are read; others are ignored."""

CURVE_REQUIRED: Final = ("run_id", "n_tokens", "train_loss")
CURVE_NUMERIC: Final = ("n_tokens", "train_loss", "step", "flops", "n_params")
"""Columns of ``curves.csv``."""

LOSS_UNITS: Final = ("nats/token", "nats per token", "nats")
OTHER_UNITS: Final = ("bits", "bpb", "bpc", "ppl", "perplexity")
"""Parts of names of columns that hold the loss in another unit."""

SMALLEST: Final = 1e-100
LARGEST: Final = 1e100
"""Numbers outside these bounds are no counts or losses, and their products would leave a double."""

_POSITIVE: Final = "every cell of this column must be a finite number above 0 (1e-100 to 1e100)"
ALLOWED: Final = dict.fromkeys((*NUMERIC, *CURVE_NUMERIC), _POSITIVE) | {
    "loss_se": "every cell of this column must be a finite number, 0 or above (to 1e100)",
    "seed": "every cell of this column must be a whole number from 0 to 2^63 - 1",
    "run_id": "name every run, or leave the column out",
}
"""What a column admits, for messages."""


def locate(source: str, rows: Sequence[int] | None, index: Sequence[int], column: str) -> str:
    """Say where runs stand, as messages do: source, rows (or records, from 1) and column.

    Examples
    --------
    >>> locate("runs.csv", [2, 3, 4], [0, 2], "loss")
    "runs.csv: rows 2, 4, column 'loss'"
    """
    kind = "record" if rows is None else "row"
    numbers = sorted(position + 1 if rows is None else rows[position] for position in index)
    shown = ", ".join(str(number) for number in numbers[:6]) + (", ..." if len(numbers) > 6 else "")
    place = f" {kind}{'s' if len(numbers) > 1 else ''} {shown}," if numbers else ""
    return f"{source}:{place} column {quote(column)}"


def in_range(name: str, values: npt.NDArray[np.number[Any]]) -> npt.NDArray[np.bool_]:
    """Which values a numeric column admits; NaN is none of them.

    Examples
    --------
    >>> in_range("loss", np.array([3.2, 0.0, np.nan]))
    array([ True, False, False])
    """
    smallest = 0.0 if name in ("loss_se", "seed") else SMALLEST
    return (values >= smallest) & (values <= LARGEST)


def quote(text: object) -> str:
    """A text in quotes on one line, shortened.

    Examples
    --------
    >>> quote("a" * 100)[-8:]
    "aaaa...'"
    """
    shown = repr(str(text))
    return shown if len(shown) <= 80 else f"{shown[:60]}...{shown[-1]}"


def read_cells(
    path: str | Path, required: Sequence[str] = REQUIRED, *, row_is: str = "finished run"
) -> "Cells":
    """Read a comma-separated file whose first row names the columns.

    Parameters
    ----------
    path : str or Path
    required : sequence of str
        Columns that the header must name.
    row_is : str
        What a row describes, for messages.

    Raises
    ------
    InputError
        If the file is missing, not text in UTF-8, empty or ragged, or its header lacks a needed column
        or names one twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     path = Path(name) / "runs.csv"
    ...     _ = path.write_text("n_params,n_tokens,loss" + chr(10) + "70e9,1.4e12,1.94")
    ...     cells = read_cells(path)
    >>> cells.numbers("n_params")
    array([7.e+10])
    """
    source = one_line(str(path))
    reader = csv.reader(io.StringIO(_read_text(path, source), newline=""), strict=True)
    header: list[str] = []
    records: list[list[str]] = []
    rows: list[int] = []
    row = 1
    try:
        for cells in reader:
            if not cells:  # a blank line
                pass
            elif not header:
                header = [cell.strip() for cell in cells]
                _check_header(header, f"{source}: row {row}", required)
            elif len(cells) != len(header):
                problem = (
                    f"column {quote(header[len(cells)])}: the cell is missing"
                    if len(cells) < len(header)
                    else f"column {len(header) + 1}: a cell stands right of the last column"
                )
                raise InputError(
                    f"{source}: row {row}, {problem}; "
                    f"every row must have {len(header)} cells like the header, this one has {len(cells)}"
                )
            else:
                records.append(cells)
                rows.append(row)
            row = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{source}: row {row}: not comma-separated text ({error})") from None
    needed = ", ".join(required)
    if not header:
        raise InputError(f"{source}: row 1: the file is empty; it must begin with a header that has {needed}")
    if not records:
        raise InputError(
            f"{source}: row {row}: no runs below the header; add one row per {row_is} with {needed}"
        )
    return Cells(header=header, records=records, rows=rows, source=source, required=required)


def _read_text(path: str | Path, source: str) -> str:
    try:
        folder = Path(path).is_dir()
        data = b"" if folder else Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{source}: there is no such file; give a comma-separated file of runs") from None
    except OSError as error:
        raise InputError(f"{source}: the file cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a path with a null character
        raise InputError(f"{source}: not the name of a file ({error})") from None
    if folder:
        raise InputError(f"{source}: this is a folder; give a comma-separated file such as runs.csv")
    try:
        text = data.decode("utf-8-sig")
        wrong = data.find(b"\0")
    except UnicodeDecodeError as error:
        text, wrong = "", error.start
    if wrong >= 0:
        row = data.count(b"\n", 0, wrong) + 1
        raise InputError(
            f"{source}: row {row}: byte {data[wrong]:#04x} at offset {wrong} is not text; "
            "the file must be comma-separated text in UTF-8, not a binary or a spreadsheet"
        )
    return text


def _check_header(header: Sequence[str], place: str, required: Sequence[str]) -> None:
    for name in header:
        if header.count(name) > 1:
            raise InputError(
                f"{place}, column {quote(name)}: the header names it {header.count(name)} times; "
                "column names must differ"
            )
    missing = [name for name in required if name not in header]
    if missing:
        marks = {";": "semicolons", "\t": "tabs"}
        separator = next((word for mark, word in marks.items() if mark in "".join(header)), None)
        found = (
            f"its names are split by {separator}, so write the file with commas"
            if separator
            else f"it has {quote(', '.join(header))}"
        )
        raise InputError(
            f"{place}, column {missing[0]!r}: the header lacks {', '.join(missing)}; {found}"
            f"{_other_unit(header) if 'loss' in missing else ''}"
        )


def _other_unit(header: Sequence[str]) -> str:
    others = [name for name in header if any(part in name.lower() for part in OTHER_UNITS)]
    if not others:
        return ""
    return (
        f"; {quote(others[0])} is in another unit and is not converted: write loss in nats per token (bits "
        "per token times 0.6931)"
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """A header and rows of as many cells each, not converted yet."""

    header: Sequence[str]
    """Names of the columns."""
    records: Sequence[Sequence[object]]
    """Cells of each row: texts, numbers, or None where there is no value."""
    rows: Sequence[int] | None
    """Row of the file on which each record begins; None if they do not come from a file."""
    source: str
    """Where they come from."""
    required: Sequence[str] = REQUIRED
    """Columns that must be there and full."""

    def __post_init__(self) -> None:
        if not self.records:
            raise InputError(f"{self.source}: there are no runs; give one record per finished run")

    def where(self, position: int, column: str) -> str:
        """Say where one cell stands."""
        return locate(self.source, self.rows, [position], column)

    def column(self, name: str) -> list[object] | None:
        """Cells of a column, stripped; None if it is absent or empty in every row.

        Raises
        ------
        InputError
            If the column is needed and absent.
        """
        if name not in self.header:
            if name in self.required:
                raise InputError(
                    f"{self.source}: column {name!r} is missing; every run needs {', '.join(self.required)}"
                )
            return None
        place = list(self.header).index(name)
        cells = [_strip(record[place]) for record in self.records]
        return cells if name in self.required or any(cell != "" for cell in cells) else None

    def numbers(self, name: str) -> FloatArray | None:
        """A numeric column, or None if it is absent.

        Raises
        ------
        InputError
            If a cell is not a finite number in the column's range.
        """
        cells = self.column(name)
        if cells is None:
            return None
        values = np.array([_number(cell) for cell in cells], dtype=np.float64)
        good = in_range(name, values)
        if not good.all():
            position = int(np.argmin(good))
            raise InputError(f"{self.where(position, name)}: {_describe(cells[position])}; {ALLOWED[name]}")
        return values

    def seeds(self) -> IntArray | None:
        """The seeds, or None if there are none.

        Raises
        ------
        InputError
            If a cell is not a whole number that fits.
        """
        cells = self.column("seed")
        if cells is None:
            return None
        seeds = [_whole(cell) for cell in cells]
        for position, seed in enumerate(seeds):
            if seed is None or not 0 <= seed < 2**63:
                raise InputError(
                    f"{self.where(position, 'seed')}: {_describe(cells[position])}; {ALLOWED['seed']}"
                )
        return np.array(seeds, dtype=np.int64)

    def check_loss_unit(self) -> None:
        """Refuse a table that declares its losses in another unit than nats per token.

        Raises
        ------
        InputError
            At the first cell of ``loss_unit`` that names another.
        """
        for position, cell in enumerate(self.column("loss_unit") or []):
            if str(cell).lower() not in LOSS_UNITS:
                raise InputError(
                    f"{self.where(position, 'loss_unit')}: found {quote(cell)}; losses must be in "
                    "nats/token, so convert them (bits per token times 0.6931) and write nats/token here"
                )

    def run_ids(self) -> tuple[str, ...]:
        """The runs' names; ``row-7`` or ``record-6`` where the column is absent.

        Raises
        ------
        InputError
            If a cell is empty.
        """
        cells = self.column("run_id")
        if cells is None:
            if self.rows is None:
                return tuple(f"record-{number}" for number in range(1, len(self.records) + 1))
            return tuple(f"row-{row}" for row in self.rows)
        if "" in cells:
            position = cells.index("")
            raise InputError(f"{self.where(position, 'run_id')}: the cell is empty; {ALLOWED['run_id']}")
        return tuple(str(cell) for cell in cells)

    def flops_convention(self) -> str | None:
        """The one convention of the FLOPs, or None if it is not stated.

        Raises
        ------
        InputError
            If rows differ.
        """
        cells = self.column("flops_convention")
        if cells is None:
            return None
        for position, cell in enumerate(cells):
            if cell != cells[0]:
                raise InputError(
                    f"{self.where(position, 'flops_convention')}: found {quote(cell)} after "
                    f"{quote(cells[0])}; a table has one convention, so split it or count the FLOPs again"
                )
        return one_line(str(cells[0]))


def _strip(cell: object) -> object:
    """A cell without surrounding blanks; a missing value is an empty cell."""
    if cell is None:
        return ""
    return cell.strip() if isinstance(cell, str) else cell


def _number(cell: object) -> float:
    """Value of a cell, or NaN where it is not a plain number."""
    if isinstance(cell, str) and (not cell.isascii() or "_" in cell):
        return math.nan
    try:
        return float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _whole(cell: object) -> int | None:
    """Whole number of a cell, exact beyond 2^53 too, or None."""
    if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) < 20:
        return int(cell)
    if isinstance(cell, int | np.integer):
        return int(cell)
    value = _number(cell)
    return int(value) if math.isfinite(value) and value.is_integer() else None


def _describe(cell: object) -> str:
    if cell == "":
        return "the cell is empty"
    text = quote(cell) if isinstance(cell, str) else str(cell)
    return f"found {text}, which is not a number" if math.isnan(_number(cell)) else f"found {text}"
