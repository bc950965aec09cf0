"""What a game was worth: the interval's score, what the allocation lost, and the table of a class.

Everything is counted in ln L, so that variants and years compare. A submission costs

    score = (ln high - ln low) + 20 * miss + 20 * regret,

where `miss` is how far the truth lies outside the interval and `regret` how far the loss of the submitted
size lies above the lowest one. The first two terms are the interval score at 90 % (Gneiting and Raftery 2007,
equation 43; 20 is 2/(1 - 0.9)), lowest in expectation for one's own 5 % and 95 % quantiles. The last takes
the same weight: to be a per cent off costs the same in either part. Lower is better.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from chinchilla_lib._format import format_flops
from chinchilla_lib.errors import InputError
from chinchilla_lib.game.game import LEVEL, Submission, replay
from chinchilla_lib.game.variants import Variant, find_variant, practice_truth
from chinchilla_lib.sweeps.table import SweepTable

__all__ = ["Row", "Score", "Truth", "interval_score", "leaderboard", "score", "write_leaderboard"]

_WEIGHT: Final = 2 / (1 - LEVEL)
_FEWEST: Final = 4
_SAME_BUDGET: Final = 0.05
_CUT: Final = 200


def interval_score(low: float, high: float, value: float, level: float = LEVEL) -> float:
    """Width of an interval, and a penalty for what it misses; lower is better.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    value : float
        What came.
    level : float
        Probability with which the interval claims to hold it, above 0 and below 1.

    Returns
    -------
    float
        In the unit of the ends (Gneiting and Raftery 2007, equation 43).

    Raises
    ------
    InputError
        If an argument is no finite number, the ends are out of order, or the level is none.

    Examples
    --------
    >>> round(interval_score(2.9, 3.1, 3.0), 9)
    0.2
    >>> round(interval_score(2.9, 3.1, 3.2), 9)  # outside by 0.1
    2.2
    """
    for name, number in (("low", low), ("high", high), ("value", value), ("level", level)):
        if not math.isfinite(number):
            raise InputError(f"{name} must be a finite number, found {number!r}")
    if low > high:
        raise InputError(f"low is {low:g}, above high, {high:g}; give the lower end first")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, found {level:g}")
    miss = max(low - value, value - high, 0.0)
    return high - low + 2 / (1 - level) * miss


@dataclass(frozen=True)
class Truth:
    """The runs at the far budget, and the parabola through their losses (section 3.2).

    Examples
    --------
    >>> truth = Truth.of("practice")
    >>> truth.n_sizes, round(truth.lowest, 2)
    (7, 2.92)
    """

    variant: Variant
    n_sizes: int
    n_runs: int
    n_opt: float
    """Parameters at the parabola's minimum."""
    lowest: float
    """Loss there, nats per token: what intervals are to hold."""
    curvature: float
    """Second derivative of ln L by ln N."""
    scatter: float
    """Standard deviation of the sizes' mean losses about the parabola, of ln L."""
    sizes: tuple[float, float]
    """Fewest and most parameters that were trained."""

    @classmethod
    def of(cls, variant: str, table: SweepTable | None = None) -> Self:
        """Fit the parabola.

        Parameters
        ----------
        variant : str
        table : SweepTable, optional
            The true runs; those at other budgets are left aside. By default the public ones of a game for
            practice.

        Raises
        ------
        InputError
            If fewer than four sizes were trained at the far budget, or their lowest loss is not between them.
        """
        found = find_variant(variant)
        table = practice_truth(variant) if table is None else table
        cost = np.array([found.cost(*run) for run in zip(table.n_params, table.n_tokens, strict=True)])
        there = np.abs(np.log(cost / found.far_budget)) <= _SAME_BUDGET
        sizes, label = np.unique(table.n_params[there], return_inverse=True)
        if len(sizes) < _FEWEST:
            raise InputError(
                f"{table.source}: {len(sizes)} sizes at the far budget of {variant}, "
                f"{format_flops(found.far_budget)} FLOPs; give {_FEWEST} or more"
            )
        x = np.log(sizes)
        y = np.bincount(label, weights=np.log(table.loss[there])) / np.bincount(label)
        middle = float(x.mean())
        bend, slope, level = np.polyfit(x - middle, y, 2)
        best = middle - slope / (2 * bend)
        if not (bend > 0 and x[0] < best < x[-1]):
            raise InputError(
                f"{table.source}: the lowest loss does not lie between the sizes trained, {sizes[0]:.0f} to "
                f"{sizes[-1]:.0f} parameters; train others"
            )
        missed = y - np.polyval([bend, slope, level], x - middle)
        return cls(
            variant=found,
            n_sizes=len(sizes),
            n_runs=int(there.sum()),
            n_opt=math.exp(best),
            lowest=math.exp(level - slope**2 / (4 * bend)),
            curvature=2 * float(bend),
            scatter=math.sqrt(float(missed @ missed) / (len(sizes) - 3)),
            sizes=(float(sizes[0]), float(sizes[-1])),
        )

    def regret(self, n_params: float) -> float:
        """ln L at a size above that of the best one, by the parabola; beyond the sizes trained it goes on.

        Parameters
        ----------
        n_params : float

        Examples
        --------
        >>> truth = Truth.of("practice")
        >>> truth.regret(truth.n_opt)
        0.0
        >>> 0.01 < truth.regret(2 * truth.n_opt) < 0.03
        True
        """
        return self.curvature / 2 * math.log(n_params / self.n_opt) ** 2


@dataclass(frozen=True)
class Score:
    """What a submission cost; lower is better."""

    total: float
    interval: float
    """Interval score of ln L."""
    regret: float
    """ln of the loss at the submitted size over the lowest."""
    covered: bool
    """Whether the interval holds the truth."""


def score(submission: Submission, truth: Truth) -> Score:
    """Score a submission.

    Parameters
    ----------
    submission : Submission
    truth : Truth

    Examples
    --------
    >>> truth = Truth.of("practice")
    >>> n_tokens = truth.variant.tokens_for(truth.n_opt, truth.variant.far_budget)
    >>> sure = Submission(truth.n_opt, n_tokens, truth.lowest, truth.lowest, 1)
    >>> score(sure, truth).total
    0.0
    """
    low, high, lowest = (math.log(loss) for loss in (submission.low, submission.high, truth.lowest))
    interval, regret = interval_score(low, high, lowest), truth.regret(submission.n_params)
    covered = submission.low <= truth.lowest <= submission.high
    return Score(interval + _WEIGHT * regret, interval, regret, covered)


@dataclass(frozen=True)
class Row:
    """A file of a class: its score, or why it has none."""

    file: str
    student: str = ""
    rank: int | None = None
    score: float | None = None
    interval: float | None = None
    regret: float | None = None
    covered: bool | None = None
    n_params: float | None = None
    n_tokens: float | None = None
    low: float | None = None
    high: float | None = None
    n_answers: int | None = None
    spent: float | None = None
    reason: str = ""
    """Empty for a row with a rank."""


def leaderboard(
    folder: str | Path, variant: str, truth: SweepTable | None = None, *, table: SweepTable | None = None
) -> tuple[Row, ...]:
    """Replay and score every file of a folder.

    A file that is no ledger, was changed, is of another variant, has no submission or does not replay gets a
    row that says so and no rank. So does each of several files of one student, whose pick would be the best
    of many games: the instructor keeps one.

    Parameters
    ----------
    folder : str or Path
        Searched with all folders below; names that begin with a dot are left aside.
    variant : str
    truth : SweepTable, optional
        The true runs; see :meth:`Truth.of`.
    table : SweepTable, optional
        Runs that answered in place of the recorded ones.

    Returns
    -------
    tuple of Row
        By rank, then those without.

    Raises
    ------
    InputError
        If the folder holds no file, or the truth does not serve.

    Examples
    --------
    >>> import tempfile
    >>> from chinchilla_lib.game.game import Game
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     game = Game("ada", "practice", Path(folder) / "ada.jsonl")
    ...     _ = game.submit(2e5, game.variant.tokens_for(2e5, 1e13), (2.8, 3.0))
    ...     [(row.rank, row.student, row.covered) for row in leaderboard(folder, "practice")]
    [(1, 'ada', True)]
    """
    known = Truth.of(variant, truth)
    root = Path(folder)
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise InputError(f"{folder}: no file there; give the folder with the students' ledgers")
    rows = [_row(path, _printable(str(path.relative_to(root))), known, table) for path in paths]
    counts = Counter(row.student for row in rows if not row.reason)
    rows = [
        replace(row, reason=f"{counts[row.student]} ledgers of this student hold; keep one of them")
        if not row.reason and counts[row.student] > 1
        else row
        for row in rows
    ]
    ranked = sorted((row for row in rows if not row.reason), key=lambda row: (row.score or 0.0, row.student))
    placed = [
        replace(row, rank=1 + sum((other.score or 0.0) < (row.score or 0.0) for other in ranked))
        for row in ranked
    ]
    return (*placed, *(row for row in rows if row.reason))


def _row(path: Path, file: str, truth: Truth, table: SweepTable | None) -> Row:
    try:
        found = replay(path, table=table)
    except InputError as error:
        return Row(file, reason=_cut(str(error).removeprefix(f"{path}: ")))
    row = Row(file, found.student, n_answers=found.n_answers, spent=found.spent)
    if found.variant != truth.variant.name:
        return replace(row, reason=f"a game of the variant {found.variant!r}, not {truth.variant.name!r}")
    if found.reasons:
        return replace(row, reason=_cut(found.reasons[0]))
    if found.submission is None:
        return replace(row, reason="nothing was submitted")
    given, worth = found.submission, score(found.submission, truth)
    return replace(
        row,
        score=worth.total,
        interval=worth.interval,
        regret=worth.regret,
        covered=worth.covered,
        n_params=given.n_params,
        n_tokens=given.n_tokens,
        low=given.low,
        high=given.high,
    )


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}..."


def _printable(name: str) -> str:
    """A file's name that fakes no line of a terminal and that UTF-8 can hold."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name)


def write_leaderboard(rows: Sequence[Row], path: str | Path) -> None:
    """Write rows as a table, by the file's name as CSV or JSON.

    Parameters
    ----------
    rows : sequence of Row
    path : str or Path
        Ends with ``.csv`` or ``.json``.

    Raises
    ------
    InputError
        If it ends otherwise, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_leaderboard([Row("ada.jsonl", "ada", rank=1)], Path(folder) / "board.csv")
    ...     (Path(folder) / "board.csv").read_text().splitlines()[1]
    'ada.jsonl,ada,1,,,,,,,,,,,'
    """
    path = Path(path)
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"path is {str(path)!r}; end it with .csv or .json")
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".json":
                json.dump([asdict(row) for row in rows], file, indent=1, allow_nan=False)
                file.write("\n")
                return
            writer = csv.writer(file)
            writer.writerow([field.name for field in fields(Row)])
            writer.writerows(_cells(asdict(row).values()) for row in rows)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _cells(values: Iterable[Any]) -> list[Any]:
    """Cells that no spreadsheet takes for a formula."""
    return [
        f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t" and value else value
        for value in values
    ]
