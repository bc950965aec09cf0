"""Metrics of items made into one number and its standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError

__all__ = ["Score", "TaskScore", "summarise_metric"]


@dataclass(frozen=True)
class Score:
    """A metric of some items.

    Attributes
    ----------
    value : float
    standard_error : float or None
        Of drawing the items; None of one item.
    n : int
        Items.
    """

    value: float
    standard_error: float | None
    n: int


@dataclass(frozen=True)
class TaskScore:
    """What a model scored on a task.

    Attributes
    ----------
    task : str
    version, n_items, n_shots : int
    metrics : mapping of str to Score
    parts : mapping of str to mapping of str to Score
        Of each part of a task that has parts, such as subjects.
    sha256 : str
        Of the file of items.
    examples_from : str
        Where examples before an item come from: a file and its sha256, or the other items; empty without.
    example : str
        The prompt of the first item, exactly; its first answer where nothing stands before that.
    samples : tuple of mapping
        Of each item, in their order: ``item_index``, what the model was asked (``arguments``) and answered
        (``resps``), its metrics.
    seconds : float
    """

    task: str
    version: int
    n_items: int
    n_shots: int
    metrics: dict[str, Score]
    parts: dict[str, dict[str, Score]]
    sha256: str
    examples_from: str
    example: str
    samples: tuple[dict[str, Any], ...]
    seconds: float


def summarise_metric(aggregation: str, values: Sequence[Any]) -> Score:
    """One number of what items scored, as lm-eval has it, with its standard error.

    Parameters
    ----------
    aggregation : {"mean", "perplexity", "weighted_perplexity", "bits_per_byte"}
        A mean; the exponential of the mean loss of log-likelihoods; the same, and bits, of pairs of a
        log-likelihood and the words or bytes it is spread over.
    values : sequence of float, or of (float, int)
        Of each item.

    Returns
    -------
    Score
        Items are taken as independent. The error of a ratio, and of an exponential, is to first order.

    Raises
    ------
    InputError
        If there are no items, or the aggregation is unknown.

    Examples
    --------
    >>> summarise_metric("mean", [1.0, 0.0, 1.0, 1.0])
    Score(value=0.75, standard_error=0.25, n=4)
    """
    if not len(values):
        raise InputError("values is empty; give those of one item at least")
    if aggregation in ("mean", "perplexity"):
        each = np.array([float(value) for value in values])
        mean, error = float(each.mean()), _error(each)
        if aggregation == "mean":
            return Score(mean, error, len(each))
        value, scale = math.exp(-mean), math.exp(-mean)
    elif aggregation in ("weighted_perplexity", "bits_per_byte"):
        totals, weights = np.array(values, dtype=np.float64).T
        rate = float(totals.sum() / weights.sum())
        error = _error((totals - rate * weights) / weights.mean())
        if aggregation == "bits_per_byte":
            value, scale = -rate / math.log(2), 1 / math.log(2)
        else:
            value, scale = math.exp(-rate), math.exp(-rate)
    else:
        raise InputError(
            f"aggregation is {aggregation!r}; choose of mean, perplexity, weighted_perplexity, bits_per_byte"
        )
    return Score(value, None if error is None else scale * error, len(values))


def _error(each: npt.NDArray[np.float64]) -> float | None:
    return None if len(each) < 2 else float(each.std(ddof=1) / math.sqrt(len(each)))
