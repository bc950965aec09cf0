"""Two models on the same items: what is hard about an item is hard for both and drops out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from chinchilla_lib.errors import InputError

__all__ = ["ItemScores", "PairedScores", "compare_items", "mean_over_models"]


@dataclass(frozen=True)
class ItemScores:
    """What a model scored on each item of a task, by one metric.

    Attributes
    ----------
    model, task : str
    version : int
        Of the task.
    sha256 : str
        Of the items.
    metric : str
    index : tuple of int
        Which items, each once.
    values : tuple of float
        One for each.

    Raises
    ------
    InputError
        If there are not as many values as items, or an item occurs twice.
    """

    model: str
    task: str
    version: int
    sha256: str
    metric: str
    index: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.index) == len(self.values) or len(set(self.index)) < len(self.index):
            raise InputError(
                f"{self.model}, {self.task}: {len(self.values)} values for {len(set(self.index))} different "
                f"items of {len(self.index)}; give one for each, and each item once"
            )

    @classmethod
    def from_samples(
        cls,
        model: str,
        task: str,
        version: int,
        sha256: str,
        metric: str,
        samples: Sequence[Mapping[str, Any]],
    ) -> "ItemScores":
        """From the samples of a `TaskScore`: mappings with ``item_index`` and the metric.

        Raises
        ------
        InputError
            If a sample has no such metric.
        """
        if any(metric not in sample for sample in samples):
            raise InputError(f"{model}, {task}: an item has no metric {metric!r}")
        index = tuple(int(sample["item_index"]) for sample in samples)
        values = tuple(float(sample[metric]) for sample in samples)
        return cls(model, task, version, sha256, metric, index, values)

    @classmethod
    def from_row(cls, row: Mapping[str, str], asked: Mapping[str, Mapping[str, Any]]) -> "ItemScores":
        """From a row of ``answers.csv`` of a record, and what its provenance says was asked, by task.

        Raises
        ------
        InputError
            If the task was not asked.
        """
        task = row["task"]
        if task not in asked:
            raise InputError(f"{row['run_id']}: task {task!r} was not asked; there are {', '.join(asked)}")
        values = tuple(float(value) for value in row["values"].split())
        version, sha256 = int(asked[task]["version"]), str(asked[task]["sha256"])
        index = tuple(range(len(values)))
        return cls(row["run_id"], task, version, sha256, row["metric"], index, values)


@dataclass(frozen=True)
class PairedScores:
    """How much better the first of two models is than the second, on the same items.

    Attributes
    ----------
    first, second : str
        The models.
    task, metric : str
    n : int
        Items.
    means : tuple of float
        Of both.
    difference : float
        Mean of the first less that of the second.
    standard_error : float
        Of the difference, over items; infinite for one item.
    only_first, only_second : int or None
        Items that one alone gets right, where outcomes are 0 or 1.
    p_value : float or None
        McNemar's exact test of these, two-sided: as far from even as this, or farther, if neither were
        better. None where outcomes are not 0 or 1.
    """

    first: str
    second: str
    task: str
    metric: str
    n: int
    means: tuple[float, float]
    difference: float
    standard_error: float
    only_first: int | None
    only_second: int | None
    p_value: float | None

    def __str__(self) -> str:
        return f"{self.difference:+.4f} +- {self.standard_error:.4f}"


def compare_items(first: ItemScores, second: ItemScores) -> PairedScores:
    """Compare two models item by item.

    Parameters
    ----------
    first, second : ItemScores
        Of the same items, in any order.

    Returns
    -------
    PairedScores

    Raises
    ------
    InputError
        If they differ in task, version, metric, the file of items, or in which of these were asked, or there
        are none.
    """
    for name in ("task", "version", "metric", "sha256"):
        a, b = getattr(first, name), getattr(second, name)
        if a != b:
            raise InputError(
                f"{first.model} and {second.model} differ in {name}: {a!r} and {b!r}; compare scores on the "
                "same items"
            )
    if not first.index:
        raise InputError(f"{first.task}: there are no items; ask one at least")
    held = dict(zip(second.index, second.values, strict=True))
    if held.keys() != set(first.index):
        n_shared = len(held.keys() & set(first.index))
        raise InputError(
            f"{first.model} was asked {len(first.index)} items of {first.task}, {second.model} {len(held)}, "
            f"and {n_shared} are the same; ask both the same"
        )
    a = np.array(first.values)
    b = np.array([held[i] for i in first.index])
    n, differences = len(a), a - b
    binary = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return PairedScores(
        first=first.model,
        second=second.model,
        task=first.task,
        metric=first.metric,
        n=n,
        means=(float(a.mean()), float(b.mean())),
        difference=float(differences.mean()),
        standard_error=math.inf if n < 2 else float(differences.std(ddof=1) / math.sqrt(n)),
        only_first=wins if binary else None,
        only_second=losses if binary else None,
        p_value=_mcnemar(wins, losses) if binary else None,
    )


def _mcnemar(wins: int, losses: int) -> float:
    n = wins + losses
    return 1.0 if n == 0 else float(stats.binomtest(wins, n).pvalue)


def mean_over_models(name: str, scores: Sequence[ItemScores]) -> ItemScores:
    """Each item's mean over several models, such as the seeds of one size, under one name.

    Raises
    ------
    InputError
        If there are none, or they were not asked the same.
    """
    if not scores:
        raise InputError("scores is empty; give those of one model at least")
    first = scores[0]
    total = np.zeros(len(first.index))
    for other in scores:
        compare_items(first, other)  # refuses other items
        held = dict(zip(other.index, other.values, strict=True))
        total += [held[i] for i in first.index]
    values = tuple((total / len(scores)).tolist())
    return ItemScores(name, first.task, first.version, first.sha256, first.metric, first.index, values)
