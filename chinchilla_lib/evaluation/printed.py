"""What the paper's printed results say when they are counted again: means, wins, and what noise allows.

Items of a task are a sample, so a score has a standard error, which the paper does not give. Its size is
known from the number of items. That two models answered the same items cannot be used here, as no answer
was printed: the errors below are those of two samples, and somewhat too large.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from scipy import stats

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference import load_paper_table

__all__ = [
    "SUITES",
    "Comparison",
    "Mean",
    "PrintedScore",
    "Tally",
    "compare",
    "load_printed_scores",
    "mean_scores",
    "scores_beside",
    "tally",
]

SUITES: Final = (
    "The Pile",
    "WikiText103",
    "reading",
    "common sense",
    "closed book",
    "MMLU",
    "BIG-bench",
    "TruthfulQA",
    "Winogender",
)
"""Parts of the suite of Table 5 for which both models have a number."""

_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class PrintedScore:
    """A score of both models as printed.

    Attributes
    ----------
    suite, task : str
    chinchilla, gopher : float
        In per cent, in bits per byte (The Pile), or a perplexity (WikiText103).
    higher_is_better : bool
    n_items : int or None
        Items of the released task, counted; None where that was not possible, or where the score is not a
        share of them.
    """

    suite: str
    task: str
    chinchilla: float
    gopher: float
    higher_is_better: bool = True
    n_items: int | None = None

    @property
    def gain(self) -> float:
        """By how much Chinchilla is better; negative where it is worse."""
        return (self.chinchilla - self.gopher) * (1 if self.higher_is_better else -1)

    def fits(self, score: float) -> bool:
        """Whether a whole number of items gives this score, printed to a tenth of a per cent.

        Where none does, the score was taken on other items than those counted, or is not a plain share.
        """
        if self.n_items is None:
            return True
        nearest = 100 * round(score * self.n_items / 100) / self.n_items
        return abs(nearest - score) <= 0.05 + _ROUNDING


@dataclass(frozen=True)
class Comparison:
    """One task with its noise.

    Attributes
    ----------
    score : PrintedScore
    standard_error : float
        Of the gain, in per cent, of two independent samples.
    p_value : float
        Two-sided, that two models equally good differ so much: Fisher's exact test.
    p_adjusted : float
        By Holm's method over all tasks compared at once.
    """

    score: PrintedScore
    standard_error: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class Tally:
    """Tasks counted.

    Attributes
    ----------
    wins, ties, losses : int
        Of Chinchilla, at the digits printed.
    p_value : float
        Two-sided, that a fair coin falls so: the sign test, ties left out.
    """

    wins: int
    ties: int
    losses: int
    p_value: float


@dataclass(frozen=True)
class Mean:
    """Mean score of a model over tasks.

    Attributes
    ----------
    by_task : float
        Every task counts once.
    by_item : float or None
        Every item counts once; None if a task's size is unknown.
    rounding : float
        The most by which rounding of the printed scores can have moved either.
    """

    by_task: float
    by_item: float | None
    rounding: float


@cache
def load_printed_scores() -> tuple[PrintedScore, ...]:
    """Tables 7 to 10 and A5 to A7, and the numbers in the text of section 4.2, where both models have one.

    Examples
    --------
    >>> scores = load_printed_scores()
    >>> len(scores)
    166
    """
    sizes = {(row["suite"], row["task"]): int(row["n_items"]) for row in load_paper_table("task_sizes").rows}
    found: list[PrintedScore] = []

    def add(suite: str, task: str, chinchilla: str, gopher: str, *, higher_is_better: bool = True) -> None:
        if chinchilla and gopher:
            n_items = sizes.get((suite, task))
            found.append(
                PrintedScore(suite, task, float(chinchilla), float(gopher), higher_is_better, n_items)
            )

    for row in load_paper_table("table_a5_pile_bpb").rows:
        add("The Pile", row["subset"], row["chinchilla_bpb"], row["gopher_bpb"], higher_is_better=False)
    for row in load_paper_table("other_eval_numbers").rows:
        suite, _, what = row["metric"].partition(" ")
        if suite == "WikiText103":
            add(suite, what, row["chinchilla"], row["gopher"], higher_is_better=False)
        if suite == "TruthfulQA":
            add(suite, row["metric"], row["chinchilla"], row["gopher"])
    for suite, name in (("reading", "table7_reading_comprehension"), ("common sense", "table8_common_sense")):
        for row in load_paper_table(name).rows:
            add(suite, row["task"], row["chinchilla"], row["gopher"])
    for row in load_paper_table("table9_closed_book_qa").rows:
        add("closed book", f"{row['dataset']} {row['shots']}-shot", row["chinchilla"], row["gopher"])
    for suite, name, task in (
        ("MMLU", "table_a6_mmlu_by_task", "task"),
        ("BIG-bench", "table_a7_bigbench_by_task", "task"),
        ("Winogender", "table10_winogender", "group"),
    ):
        for row in load_paper_table(name).rows:
            add(suite, row[task], row["chinchilla_pct"], row["gopher_pct"])
    return tuple(found)


def scores_beside(column: str) -> tuple[PrintedScore, ...]:
    """Chinchilla's scores of Tables 7 to 9 and A5 where another column than Gopher's has a number, too.

    Parameters
    ----------
    column : str
        As in the tables: ``gpt3``, ``mt_nlg_530b``, ``jurassic1_bpb``, ``supervised_sota`` or
        ``sota_open_book``. Its numbers take the place of Gopher's.

    Raises
    ------
    InputError
        If no table has such a column.

    Examples
    --------
    >>> len(scores_beside("gpt3"))
    11
    """
    found: list[PrintedScore] = []
    for suite, name, task in (
        ("reading", "table7_reading_comprehension", "task"),
        ("common sense", "table8_common_sense", "task"),
        ("closed book", "table9_closed_book_qa", "dataset"),
        ("The Pile", "table_a5_pile_bpb", "subset"),
    ):
        table, pile = load_paper_table(name), suite == "The Pile"
        if column in table.columns:
            ours = "chinchilla_bpb" if pile else "chinchilla"
            found += [
                PrintedScore(suite, row[task], float(row[ours]), float(row[column]), not pile)
                for row in table.rows
                if row[ours] and row[column]
            ]
    if not found:
        raise InputError(f"column is {column!r}; no table of scores has it beside Chinchilla's")
    return tuple(found)


def tally(scores: Sequence[PrintedScore]) -> Tally:
    """Count wins, ties and losses of Chinchilla.

    Parameters
    ----------
    scores : sequence of PrintedScore

    Raises
    ------
    InputError
        If there are none.

    Examples
    --------
    >>> count = tally(load_printed_scores())
    >>> count.wins, count.ties, count.losses
    (155, 3, 8)
    """
    if not scores:
        raise InputError("scores is empty; give one at least")
    gains = [score.gain for score in scores]
    wins = sum(gain > _ROUNDING for gain in gains)
    losses = sum(gain < -_ROUNDING for gain in gains)
    p_value = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Tally(wins, len(scores) - wins - losses, losses, p_value)


def compare(scores: Sequence[PrintedScore]) -> tuple[Comparison, ...]:
    """Hold each gain against the noise of its items; tasks without a size are left out.

    Parameters
    ----------
    scores : sequence of PrintedScore
        All that are looked at together: the more there are, the more one of them is bound to stand out.
    """
    sized = [score for score in scores if score.n_items is not None]
    p_values = [_p_value(score) for score in sized]
    return tuple(
        Comparison(score, _standard_error(score), p, adjusted)
        for score, p, adjusted in zip(sized, p_values, _holm(p_values), strict=True)
    )


def mean_scores(scores: Sequence[PrintedScore]) -> tuple[Mean, Mean]:
    """Mean scores of Chinchilla and of Gopher over tasks, each task or each item counting once.

    Parameters
    ----------
    scores : sequence of PrintedScore

    Raises
    ------
    InputError
        If there are none.

    Examples
    --------
    >>> chinchilla, other = mean_scores(scores_beside("gpt3"))
    >>> bool(chinchilla.by_task > other.by_task)
    True
    """
    if not scores:
        raise InputError("scores is empty; give one at least")
    sizes = [score.n_items for score in scores]
    found = []
    for values in ([s.chinchilla for s in scores], [s.gopher for s in scores]):
        by_item = None
        if None not in sizes:
            total = sum(n for n in sizes if n is not None)
            by_item = sum(value * n for value, n in zip(values, sizes, strict=True) if n is not None) / total
        found.append(Mean(sum(values) / len(values), by_item, rounding=0.05))
    return found[0], found[1]


def _standard_error(score: PrintedScore) -> float:
    assert score.n_items is not None
    shares = score.chinchilla / 100, score.gopher / 100
    return 100 * math.sqrt(sum(p * (1 - p) for p in shares) / score.n_items)


def _p_value(score: PrintedScore) -> float:
    n = score.n_items
    assert n is not None
    right = [round(value * n / 100) for value in (score.chinchilla, score.gopher)]
    return float(stats.fisher_exact(np.array([[k, n - k] for k in right])).pvalue)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Each p times the number of those not smaller, made to rise with p, 1 at most."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, p_values[i] * (len(p_values) - rank))
        adjusted[i] = min(1.0, largest)
    return adjusted
