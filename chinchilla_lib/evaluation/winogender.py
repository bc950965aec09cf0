"""Winogender by group, with errors of groups and of their differences (section 4.2.7, Table 10).

The sentences of one occupation share its name and its other participant, and each comes in three genders. So
occupations are what is drawn here: errors are of sums over occupations, and differences are paired in them.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.scores import Score
from chinchilla_lib.evaluation.suite.bias import is_gotcha
from chinchilla_lib.reference.recorded import Recorded

__all__ = [
    "GROUPS",
    "Answer",
    "answers_of",
    "answers_table",
    "difference",
    "group_score",
    "recorded_answers",
]

GROUPS: Final[Mapping[str, tuple[str | None, bool | None]]] = {
    "all": (None, None),
    "male": ("male", None),
    "female": ("female", None),
    "neutral": ("neutral", None),
    "gotcha": (None, True),
    "not gotcha": (None, False),
    "male gotcha": ("male", True),
    "male not gotcha": ("male", False),
    "female gotcha": ("female", True),
    "female not gotcha": ("female", False),
}
"""Gender and gotcha of each group: those of Table 10, and both genders' traps together."""

_COLUMNS: Final = (
    "index",
    "occupation",
    "gender",
    "someone",
    "label",
    "log_likelihood_occupation",
    "log_likelihood_participant",
)


@dataclass(frozen=True)
class Answer:
    """What a model answered to a sentence.

    Attributes
    ----------
    index : int
        Of the sentence in its file.
    occupation, gender : str
    someone : bool
        Whether the participant is called ``someone`` and not by name.
    label : int
        0 where the pronoun refers to the occupation, 1 where to the participant.
    log_likelihoods : (float, float)
        Of the occupation and of the participant, in nats.
    """

    index: int
    occupation: str
    gender: str
    someone: bool
    label: int
    log_likelihoods: tuple[float, float]

    @property
    def right(self) -> bool:
        """Whether the right one is likelier."""
        return self.log_likelihoods[self.label] > self.log_likelihoods[1 - self.label]

    @property
    def says_occupation(self) -> bool:
        """Whether the occupation is likelier."""
        return self.log_likelihoods[0] > self.log_likelihoods[1]

    @property
    def gotcha(self) -> bool | None:
        """See :func:`~chinchilla_lib.evaluation.suite.bias.is_gotcha`."""
        return is_gotcha(self.occupation, self.gender, self.label)

    def is_in(self, group: str) -> bool:
        """Whether its sentence belongs to a group."""
        gender, gotcha = GROUPS[group]
        return gender in (None, self.gender) and gotcha in (None, self.gotcha)


def answers_of(items: Sequence[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]) -> list[Answer]:
    """Answers by the items of a report of ``chinchilla-lib evaluate --json``.

    Parameters
    ----------
    items : sequence of mapping
        Of the task.
    found : iterable of mapping
        ``index`` and ``log_likelihoods`` of each.
    """
    return [
        Answer(
            index=(i := int(one["index"])),
            occupation=items[i]["occupation"],
            gender=items[i]["gender"],
            someone=items[i]["participant"] == "someone",
            label=items[i]["label"],
            log_likelihoods=(one["log_likelihoods"][0], one["log_likelihoods"][1]),
        )
        for one in found
    ]


def answers_table(answers: Iterable[Answer]) -> str:
    """Answers as a table that `recorded_answers` reads; their sentences are not in it.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> answers = recorded_answers(load_recorded("winogender-smollm2"))
    >>> answers_table(answers[:2]).splitlines()[0]
    'index,occupation,gender,someone,label,log_likelihood_occupation,log_likelihood_participant'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in answers:
        likely = (f"{value:.4f}" for value in one.log_likelihoods)
        writer.writerow([one.index, one.occupation, one.gender, int(one.someone), one.label, *likely])
    return text.getvalue()


def recorded_answers(recorded: Recorded) -> list[Answer]:
    """Answers of a recorded evaluation.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> answers = recorded_answers(load_recorded("winogender-smollm2"))
    >>> len(answers)
    720
    """
    return [
        Answer(
            index=int(row["index"]),
            occupation=row["occupation"],
            gender=row["gender"],
            someone=row["someone"] == "1",
            label=int(row["label"]),
            log_likelihoods=(float(row[_COLUMNS[-2]]), float(row[_COLUMNS[-1]])),
        )
        for row in recorded.rows
    ]


def group_score(answers: Sequence[Answer], group: str) -> Score:
    """Share of right answers in a group of `GROUPS`, and its standard error.

    Raises
    ------
    InputError
        If there is no such group, or no answer of it.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> answers = recorded_answers(load_recorded("winogender-smollm2"))
    >>> [round(group_score(answers, group).value, 2) for group in ("gotcha", "not gotcha")]
    [0.5, 0.52]
    """
    right, inside = _values(answers, group)
    mean = float(right[inside].mean())
    return Score(mean, _error(answers, _pulls(right, inside)), int(inside.sum()))


def difference(answers: Sequence[Answer], first: str, second: str) -> Score:
    """By how much a group is answered better than another, and its standard error.

    Parameters
    ----------
    answers : sequence of Answer
    first, second : str
        Of `GROUPS`.

    Returns
    -------
    Score
        ``n`` counts the answers of both.

    Raises
    ------
    InputError
        If there is no such group, or no answer of it.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> answers = recorded_answers(load_recorded("winogender-smollm2"))
    >>> found = difference(answers, "not gotcha", "gotcha")
    >>> f"{found.value:.3f} +- {found.standard_error:.3f}, {found.n} answers"
    '0.017 +- 0.020, 480 answers'
    """
    right, one = _values(answers, first)
    _, other = _values(answers, second)
    value = float(right[one].mean() - right[other].mean())
    error = _error(answers, _pulls(right, one) - _pulls(right, other))
    return Score(value, error, int((one | other).sum()))


def _values(answers: Sequence[Answer], group: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    if group not in GROUPS:
        raise InputError(f"there is no group {group!r}; choose of {', '.join(GROUPS)}")
    inside = np.array([answer.is_in(group) for answer in answers], dtype=bool)
    if not inside.any():
        raise InputError(f"no answer is of group {group!r}")
    return np.array([float(answer.right) for answer in answers]), inside


def _pulls(right: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How far each answer pulls the mean of a group from where it is."""
    away = np.where(inside, right - right[inside].mean(), 0.0)
    return away / float(inside.sum())


def _error(answers: Sequence[Answer], pulls: npt.NDArray[np.float64]) -> float | None:
    """Of a sum over occupations, drawn independently."""
    names, which = np.unique([answer.occupation for answer in answers], return_inverse=True)
    n = len(names)
    if n < 2:
        return None
    by_occupation = np.bincount(which, weights=pulls, minlength=n)
    return math.sqrt(n / (n - 1) * float(by_occupation @ by_occupation))
