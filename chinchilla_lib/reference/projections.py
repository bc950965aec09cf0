"""The paper's projections (Tables 3 and A3) made again, and how far each printed cell is from that.

Each table gives, for round numbers of parameters, the budget at which that size is optimal, and the tokens
that go with it. The rows of one approach lie on a line in log-log coordinates; it is found as the median line
(Theil-Sen), which a row with a slip does not move.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from chinchilla_lib._format import format_count, format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss, PowerLaw
from chinchilla_lib.reference.tables import load_paper_table

__all__ = [
    "Approach",
    "ApproachLine",
    "Difference",
    "approach_line",
    "compare_exponents",
    "compare_projection",
    "compare_six_nd",
    "differences_text",
]

FloatArray = npt.NDArray[np.float64]
Approach = Literal["1", "2", "3"]

_SLACK: Final = 0.01  # of the regenerated value, beside the rounding of the printed one

_SLIPS: Final[Mapping[tuple[str, float, str], str]] = MappingProxyType(
    {
        ("3", 1.75e11, "flops"): "misprint: 1.26e25 is meant (6ND, and the rows around it)",
        ("3", 2.8e11, "n_tokens"): "misprint: the row's own FLOPs give 21.0T",
        ("1", 6.7e10, "flops"): "the row belongs to 67.9B by the line",
        ("1", 6.7e10, "n_tokens"): "6ND of the row is 6.03e23; 5.76e23 gives 1.43T",
        ("2", 6.7e10, "flops"): "the row belongs to 69.4B by the line",
        ("2", 6.7e10, "n_tokens"): "the row belongs to 69.4B by the line",
        ("3", 6.7e10, "flops"): "the row belongs to 69.9B by the line",
        ("3", 6.7e10, "n_tokens"): "the row belongs to 69.9B by the line",
        ("1", 6.7e10, "six_nd"): "5.76e23 gives 1.43T tokens, 1.5T are printed",
        ("3", 6.7e10, "six_nd"): "1.71e24 and 4.1T go with 69.5B",
        ("3", 1.75e11, "six_nd"): "misprint: 1.26e25 is meant",
        ("3", 2.8e11, "six_nd"): "misprint: 3.52e25 gives 21.0T tokens, 20.1T are printed",
    }
)


@dataclass(frozen=True)
class Difference:
    """A printed number beside the same number made again."""

    table: str
    """Table of the paper."""
    row: str
    """Row, by approach and size."""
    quantity: str
    """``flops``, ``n_tokens``, ``a`` or ``b``."""
    printed: float
    """FLOPs, tokens or an exponent, as printed."""
    regenerated: float
    """The same, made again."""
    rule: str
    """How it was made again."""
    rounding: float
    """Half a unit of the last printed digit, in the unit of the number."""
    slack: float = 0.0
    """Share of the regenerated value that the rule leaves open."""
    remark: str = ""
    """The slip, where one is known."""

    @property
    def ratio(self) -> float:
        """Regenerated over printed."""
        return self.regenerated / self.printed

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than the rounding of print and the slack of the rule."""
        return abs(self.regenerated - self.printed) <= self.rounding + self.slack * abs(self.regenerated)


@dataclass(frozen=True)
class ApproachLine:
    """The frontier that an approach's own rows imply."""

    approach: str
    """``"1"``, ``"2"`` or ``"3"``."""
    n_opt: PowerLaw
    """Optimal parameters against FLOPs; its exponent is a."""
    d_opt: PowerLaw
    """Optimal tokens against FLOPs, 6ND; its exponent is b = 1 - a."""


def approach_line(approach: Approach) -> ApproachLine:
    """The median line through the rows of an approach, in log-log coordinates.

    Parameters
    ----------
    approach : {"1", "2", "3"}
        Rows of Table 3 (1) or Table A3 (2 and 3), with the misprinted 175B budget corrected.

    Raises
    ------
    InputError
        If there is no such approach.

    Examples
    --------
    >>> [round(approach_line(approach).n_opt.exponent, 4) for approach in ("1", "2", "3")]
    [0.4981, 0.49, 0.4586]
    """
    rows = _rows(approach)
    log_c, log_n = np.log(rows.flops), np.log(rows.n_params)
    first, second = np.triu_indices(len(log_c), 1)
    slope = float(np.median((log_n[second] - log_n[first]) / (log_c[second] - log_c[first])))
    level = float(np.median(log_n - slope * log_c))
    return ApproachLine(
        approach, PowerLaw.from_log(level, slope), PowerLaw.from_log(-level - math.log(6), 1 - slope)
    )


def compare_projection(approach: Approach, law: ParametricLoss | None = None) -> tuple[Difference, ...]:
    """FLOPs and tokens of an approach's rows as printed, and made again from the size of the row.

    Parameters
    ----------
    approach : {"1", "2", "3"}
    law : ParametricLoss, optional
        Make them again from the frontier of this law; by default from the line through the rows.

    Raises
    ------
    InputError
        If there is no such approach.

    Examples
    --------
    >>> [d.row for d in compare_projection("2") if not d.agrees]
    ['Approach 2, 67B', 'Approach 2, 67B']
    """
    rows = _rows(approach)
    n_opt = approach_line(approach).n_opt if law is None else law.n_opt_law
    flops = np.exp((np.log(rows.n_params) - math.log(n_opt.coefficient)) / n_opt.exponent)
    rule = "line through the rows" if law is None else "law"
    found = []
    for position, (size, again) in enumerate(zip(rows.n_params.tolist(), flops.tolist(), strict=True)):
        pairs = (
            ("flops", float(rows.flops_printed[position]), again),
            ("n_tokens", float(rows.n_tokens[position]), again / (6 * size)),
        )
        found += [
            Difference(
                table=rows.table,
                row=_row(approach, size),
                quantity=quantity,
                printed=printed,
                regenerated=regenerated,
                rule=rule,
                rounding=_rounding(quantity, printed),
                slack=_SLACK if law is None else 0.0,
                remark=_SLIPS.get((approach, size, quantity), ""),
            )
            for quantity, printed, regenerated in pairs
        ]
    return tuple(found)


def compare_six_nd(approach: Approach) -> tuple[Difference, ...]:
    """Printed FLOPs of an approach's rows beside 6ND of their printed sizes and tokens.

    Raises
    ------
    InputError
        If there is no such approach.

    Examples
    --------
    >>> [difference.row for difference in compare_six_nd("1") if not difference.agrees]
    ['Approach 1, 67B']
    """
    rows = _rows(approach)
    found = []
    for position, size in enumerate(rows.n_params.tolist()):
        n_tokens, printed = float(rows.n_tokens[position]), float(rows.flops_printed[position])
        found.append(
            Difference(
                table=rows.table,
                row=_row(approach, size),
                quantity="flops",
                printed=printed,
                regenerated=6 * size * n_tokens,
                rule="6ND",
                rounding=_rounding("flops", printed) + 6 * size * _rounding("n_tokens", n_tokens),
                remark=_SLIPS.get((approach, size, "six_nd"), ""),
            )
        )
    return tuple(found)


def compare_exponents() -> tuple[Difference, ...]:
    """Exponents of Table 2 beside those of the lines through the projections.

    Examples
    --------
    >>> print(differences_text(compare_exponents()))
      table    row                quantity     printed     again   ratio  remark
      Table 2  Approach 1         a             0.5000    0.4981   0.996
      Table 2  Approach 1         b             0.5000    0.5019   1.004
      Table 2  Approach 2         a             0.4900    0.4900   1.000
      Table 2  Approach 2         b             0.5100    0.5100   1.000
      Table 2  Approach 3         a             0.4600    0.4586   0.997
      Table 2  Approach 3         b             0.5400    0.5414   1.003
    """
    table = load_paper_table("table2_exponents")
    found = []
    for row in table.rows:
        if (approach := row["approach"]) in get_args(Approach):
            line = approach_line(approach)  # type: ignore[arg-type]  # just checked
            found += [
                Difference(
                    table="Table 2",
                    row=f"Approach {approach}",
                    quantity=name,
                    printed=float(row[name]),
                    regenerated=exponent,
                    rule="line through the rows",
                    rounding=0.005,
                )
                for name, exponent in (("a", line.n_opt.exponent), ("b", line.d_opt.exponent))
            ]
    return tuple(found)


def differences_text(differences: tuple[Difference, ...]) -> str:
    """Differences in aligned columns, one a line; those beyond rounding are marked.

    Examples
    --------
    >>> print(differences_text(compare_exponents()[:2]))
      table    row                quantity     printed     again   ratio  remark
      Table 2  Approach 1         a             0.5000    0.4981   0.996
      Table 2  Approach 1         b             0.5000    0.5019   1.004
    """
    lines = [f"{'':2}{'table':9}{'row':19}{'quantity':10}{'printed':>10}{'again':>10}{'ratio':>8}  remark"]
    for d in differences:
        numbers = f"{_written(d, d.printed):>10}{_written(d, d.regenerated):>10}{d.ratio:8.3f}"
        mark = " " if d.agrees else "*"
        lines.append(f"{mark:2}{d.table:9}{d.row:19}{d.quantity:10}{numbers}  {d.remark}".rstrip())
    return "\n".join(lines)


def _written(difference: Difference, value: float) -> str:
    if difference.quantity == "flops":
        return format_flops(value)
    return format_count(value, 4) if difference.quantity == "n_tokens" else f"{value:.4f}"


@dataclass(frozen=True, eq=False)
class _Rows:
    table: str
    n_params: FloatArray
    n_tokens: FloatArray
    flops: FloatArray
    flops_printed: FloatArray


def _rows(approach: str) -> _Rows:
    if approach not in get_args(Approach):
        raise InputError(f"approach must be one of {', '.join(get_args(Approach))}, found {approach!r}")
    if approach == "1":
        table = load_paper_table("table3_approach1_projection")
        flops = table.numbers("flops")
        return _Rows("Table 3", table.numbers("n_params"), table.numbers("n_tokens"), flops, flops)
    table = load_paper_table("table_a3_approach2_3_projection")
    here = np.array(table.column("approach")) == approach
    names = ("n_params", "n_tokens", "flops_corrected", "flops_printed")
    return _Rows("Table A3", *(table.numbers(name)[here] for name in names))


def _row(approach: str, n_params: float) -> str:
    return f"Approach {approach}, {format_count(n_params)}"


def _rounding(quantity: str, printed: float) -> float:
    """Half a unit of the last digit: three digits of FLOPs, a tenth of a billion or of a trillion tokens."""
    if quantity == "flops":
        return 0.005 * 10.0 ** math.floor(math.log10(printed))
    return 0.05 * (1e9 if printed < 1e12 else 1e12)
