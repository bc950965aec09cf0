"""Published tables, shipped as CSV in ``reference/paper`` and read by name.

The models of Tables A9 and A4 keep their printed columns only: sizes and ratios are
recomputed by `chinchilla_lib.flops`. Units: parameters and tokens are counts unless a
column says millions, FLOPs count a multiply-accumulate as 2.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.errors import InputError

__all__ = ["CONFIDENCE", "PAPER_TABLES", "PaperTable", "load_paper_table", "load_shapes"]

_HOFFMANN: Final = "Hoffmann et al. 2022, arXiv 2203.15556v1"

PAPER_TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "a9_known_transcription_issues": f"{_HOFFMANN}, Table A9, and copies of it",
        "a9_model_configs": f"{_HOFFMANN}, Table A9",
        "accelerators": "peak FLOP/s and memory of one chip, as its maker states them",
        "approach3_fits": "parametric laws: Hoffmann et al. 2022 and later fits, each with its source",
        "approach3_protocol": f"{_HOFFMANN}, sections 3.1 to 3.3, D.1 and D.2",
        "besiroglu_findings": "Besiroglu et al. 2024, arXiv 2404.10102, and its notebook",
        "flop_accounting": f"{_HOFFMANN}, Appendix F",
        "flop_budget_checks": f"{_HOFFMANN}, Figure 2, Table 3 and Appendix F",
        "internal_inconsistencies": f"{_HOFFMANN}: statements that disagree",
        "kaplan2020_facts": "Kaplan et al. 2020, arXiv 2001.08361",
        "later_work": "later work on compute-optimal training, one result a row",
        "other_eval_numbers": f"{_HOFFMANN}, sections 4.2.1, 4.2.4, 4.2.5 and 4.2.7",
        "pearce_song2024": "Pearce and Song 2024, arXiv 2406.12907",
        "popular_claims": "claims of four public summaries (A to D) of the paper, checked against it",
        "porian2024_other": "Porian et al. 2024, arXiv 2406.19146",
        "porian2024_steps": "Porian et al. 2024, arXiv 2406.19146: N_opt's exponent after each correction",
        "projection_text_vs_table": f"{_HOFFMANN}, section 3.4 beside Tables 3 and A3",
        "rounding_sensitivity_checks": "computed from approach3_fits: what rounding alpha and beta changes",
        "sardana2023_examples": "Sardana et al. 2023, arXiv 2401.00448: sizes that count serving",
        "table1_current_llms": f"{_HOFFMANN}, Table 1",
        "table2_exponents": f"{_HOFFMANN}, Table 2",
        "table3_approach1_projection": f"{_HOFFMANN}, Table 3",
        "table4_gopher_chinchilla": f"{_HOFFMANN}, Table 4",
        "table5_eval_suite": f"{_HOFFMANN}, Table 5",
        "table6_mmlu": f"{_HOFFMANN}, Table 6",
        "table7_reading_comprehension": f"{_HOFFMANN}, Table 7",
        "table8_common_sense": f"{_HOFFMANN}, Table 8",
        "table9_closed_book_qa": f"{_HOFFMANN}, Table 9",
        "table10_winogender": f"{_HOFFMANN}, Table 10",
        "table_a1_massivetext": f"{_HOFFMANN}, Table A1",
        "table_a2_other_datasets": f"{_HOFFMANN}, Table A2",
        "table_a3_approach2_3_projection": f"{_HOFFMANN}, Table A3",
        "table_a4_flop_ratio": f"{_HOFFMANN}, Table A4",
        "table_a5_pile_bpb": f"{_HOFFMANN}, Table A5",
        "table_a6_mmlu_by_task": f"{_HOFFMANN}, Table A6",
        "table_a7_bigbench_by_task": f"{_HOFFMANN}, Table A7",
        "task_sizes": "items of each task, counted in the released files; the paper does not print them",
    }
)
"""Where each table was published, by its name here."""

CONFIDENCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "verified": "the same value in at least two transcriptions of the source",
        "one source": "read in one transcription only",
        "derived": "computed from verified numbers by the rule in its row",
        "unverified": "remembered, not found in a transcription; not to be printed",
    }
)
"""What the ``confidence`` of a row means."""


@dataclass(frozen=True)
class PaperTable:
    """A published table; every cell is the text of its CSV file.

    Printing it leaves unverified rows out and says how many.
    """

    name: str
    source: str
    """Publication and table number."""
    columns: tuple[str, ...]
    """In the order of the file; the last is ``confidence``."""
    rows: tuple[Mapping[str, str], ...]
    """Read-only mappings from column to cell, unverified rows included."""

    def column(self, name: str) -> tuple[str, ...]:
        """All cells of a column as text.

        Raises
        ------
        InputError
            If there is no such column.
        """
        if name not in self.columns:
            raise InputError(f"{self.name} has no column {name!r}; it has {', '.join(self.columns)}")
        return tuple(row[name] for row in self.rows)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """A column as numbers, shape (rows,); an empty cell is NaN.

        Raises
        ------
        InputError
            If there is no such column, or a cell is not a number.
        """
        cells = self.column(name)
        try:
            return np.array([float(cell or "nan") for cell in cells])
        except ValueError as error:
            raise InputError(f"column {name!r} of {self.name} is not numeric: {error}") from error

    def without_unverified(self) -> "PaperTable":
        """The rows that may be printed."""
        return replace(self, rows=tuple(row for row in self.rows if row["confidence"] != "unverified"))

    def to_text(self, *, include_unverified: bool = False) -> str:
        """The table in aligned columns under its source."""
        shown = self if include_unverified else self.without_unverified()
        lines = [list(self.columns), *([row[column] for column in self.columns] for row in shown.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [self.source]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            text.append("  ".join(cells).rstrip())
        if left_out := len(self.rows) - len(shown.rows):
            text.append(f"({left_out} unverified left out)")
        return "\n".join(text)

    def __str__(self) -> str:
        return self.to_text()


def load_paper_table(name: str) -> PaperTable:
    """Read a shipped table.

    Parameters
    ----------
    name : str
        A key of `PAPER_TABLES`.

    Raises
    ------
    InputError
        If the name is unknown.

    Examples
    --------
    >>> load_paper_table("table_a4_flop_ratio").numbers("flops_over_six_nd").tolist()
    [1.03, 1.1, 1.08, 1.04, 1.03, 0.99]
    """
    if name not in PAPER_TABLES:
        raise InputError(f"there is no table {name!r}; choose one of {', '.join(PAPER_TABLES)}")
    path = files(__package__).joinpath("paper", f"{name}.csv")
    reader = csv.DictReader(path.read_text(encoding="utf-8").splitlines(), strict=True)
    rows = tuple(MappingProxyType(row) for row in reader)
    columns = tuple(reader.fieldnames or ())
    return PaperTable(name=name, source=PAPER_TABLES[name], columns=columns, rows=rows)


def load_shapes(name: str) -> tuple[TransformerShape, ...]:
    """The models of a table that prints their dimensions, in its order.

    Parameters
    ----------
    name : str
        ``a9_model_configs`` (50 models) or ``table_a4_flop_ratio`` (6 of them).

    Returns
    -------
    tuple of TransformerShape
        Of the gopher family, with the vocabulary of Table A8 (32,000) and Gopher's
        sequence length (2,048), which the paper does not print; it reproduces Table A4.

    Raises
    ------
    InputError
        If the table is unknown or does not print the dimensions.

    Examples
    --------
    >>> from chinchilla_lib.architecture import count_params
    >>> count_params(load_shapes("a9_model_configs")[-1]).total
    16183485440
    """
    table = load_paper_table(name)
    printed = ("n_layers", "d_model", "n_heads", "kv_size", "ffw_size")
    dimensions = [table.numbers(column).astype(int).tolist() for column in printed]
    return tuple(
        TransformerShape(
            family="gopher",
            n_layers=n_layers,
            d_model=d_model,
            n_heads=n_heads,
            kv_size=kv_size,
            ffw_size=ffw_size,
            vocab_size=32000,
            seq_len=2048,
        )
        for n_layers, d_model, n_heads, kv_size, ffw_size in zip(*dimensions, strict=True)
    )
