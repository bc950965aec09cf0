"""What an experiment is: a claim, runs on corpora, and a rule that was written down before they were done.

Some experiments foretell: what they say beforehand is computed from their first runs and kept, and only
then the runs are planned that can prove it wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps.plan import SweepPlan

__all__ = ["OUTCOMES", "Experiment", "Forecast", "Part", "Results", "Row", "Verdict"]

Row = Mapping[str, str | int | float]
"""A row of ``runs.csv``, or of :meth:`Experiment.row`."""

Results = Mapping[str, Sequence[Row]]
"""Runs of an experiment by the name of their part."""

Forecast = Mapping[str, Any]
"""What an experiment says beforehand, as JSON."""

OUTCOMES: Final = ("holds", "does not hold", "cannot tell")
"""What a verdict may say of the claim, at our scale."""


@dataclass(frozen=True)
class Verdict:
    """What came out, by the experiment's rule.

    Attributes
    ----------
    outcome : str
        One of `OUTCOMES`.
    text : str
        The reason, with numbers.
    numbers : mapping of str to float
        Those the rule was applied to.
    """

    outcome: str
    text: str
    numbers: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise InputError(f"outcome is {self.outcome!r}; give one of {', '.join(OUTCOMES)}")

    def __str__(self) -> str:
        return f"{self.outcome}: {self.text}"


@dataclass(frozen=True)
class Part:
    """Runs on one corpus.

    Attributes
    ----------
    name : str
    corpus : str
        Name of the corpus.
    vocab_size : int
    plan : callable
        From the identity of the token shards to the plan.
    keeps_models : bool
        Whether the trained weights are kept.
    """

    name: str
    corpus: str
    vocab_size: int
    plan: Callable[[str], SweepPlan]
    keeps_models: bool = False


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A claim and what is done about it.

    Attributes
    ----------
    name, title : str
    section : str
        Where the paper makes the claim.
    claim : str
        In our words.
    rule : str
        When the claim is said to hold; fixed before the runs.
    parts : mapping of str to tuple of Part
        By tier: how much is done, named after the machine and its minutes (``cpu-20``: 20 minutes on two
        cores).
    judge : callable
        From results, and the forecast where there is one, to the verdict.
    foretell : mapping of str to callable, or None
        By tier, from the results of the parts to what is said beforehand of those of `later`.
    later : callable or None
        From tier and forecast to the parts that are done after it.
    columns : callable or None
        From a record to further columns of its row, where the judge needs them.
    tasks : mapping of str to (int or None), or None
        What the models that are kept are asked, and how many items of each, None for all. Their scores are
        further columns: ``TASK METRIC``, with ``se`` and ``n`` behind it for error and items.
    """

    name: str
    title: str
    section: str
    claim: str
    rule: str
    parts: Mapping[str, tuple[Part, ...]]
    judge: Callable[[Results, Forecast | None], Verdict]
    foretell: Mapping[str, Callable[[Results], Forecast]] | None = None
    later: Callable[[str, Forecast], tuple[Part, ...]] | None = None
    columns: Callable[[RunRecord], Row] | None = None
    tasks: Mapping[str, int | None] | None = None

    def row(self, record: RunRecord) -> dict[str, str | int | float]:
        """The row of a run, as it is judged and recorded."""
        return record.to_row() | dict(self.columns(record) if self.columns else {})

    def parts_of(self, tier: str, forecast: Forecast | None = None) -> tuple[Part, ...]:
        """Parts of a tier, with the later ones where their forecast is there.

        Raises
        ------
        InputError
            If the experiment has no such tier.
        """
        if tier not in self.parts:
            raise InputError(f"experiment {self.name} has no tier {tier!r}; it has {', '.join(self.parts)}")
        later = () if forecast is None or self.later is None else self.later(tier, forecast)
        return (*self.parts[tier], *later)
