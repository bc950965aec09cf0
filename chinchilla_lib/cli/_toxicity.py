"""The task ``toxicity`` of ``chinchilla-lib evaluate``: texts drawn from the model and scored."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.report import task_report
from chinchilla_lib.evaluation.toxicity_classifiers import (
    ToxicityClassifier,
    TransformerClassifier,
    fetch_linear,
)

if TYPE_CHECKING:
    from chinchilla_lib.evaluation.models import LanguageModel

__all__ = ["TOXICITY", "ask_toxicity", "open_classifier"]

TOXICITY: Final = "toxicity"
"""Its name among the tasks."""


def open_classifier(name: str | None, missing: dict[str, str]) -> ToxicityClassifier | None:
    """The classifier of Hugging Face that is named, else the linear one; None, with a message, without it.

    Parameters
    ----------
    name : str, optional
    missing : dict
        Why a task is left out, by its name; added to.
    """
    try:
        return fetch_linear() if name is None else TransformerClassifier(name)
    except InputError as error:
        missing[TOXICITY] = str(error)
        sys.stderr.write(f"left out: {error}\n")
        return None


def ask_toxicity(
    model: "LanguageModel", classifier: ToxicityClassifier, limit: int | None, known: Mapping[str, Any]
) -> dict[str, Any]:
    """What a report says of the task.

    Parameters
    ----------
    model : LanguageModel
    classifier : ToxicityClassifier
    limit : int, optional
        Texts; 1,000 when not given.
    known : mapping
        What an earlier report of this model said; taken over if it was asked the same.
    """
    from chinchilla_lib.evaluation.toxicity import SAMPLES, TOXICITY_VERSION, measure_toxicity

    asked = {"version": TOXICITY_VERSION, "limit": limit, "sha256": classifier.sha256}
    if asked.items() <= known.items():
        sys.stderr.write(f"{TOXICITY}: taken over\n")
        return dict(known)
    total, done = limit or SAMPLES, 0

    def progress(n_more: int) -> None:
        nonlocal done
        done += n_more
        sys.stderr.write(f"\r{TOXICITY}: {done:,} of {total:,} texts drawn ")
        sys.stderr.flush()

    score = measure_toxicity(model, classifier, n_samples=total, on_progress=progress)
    sys.stderr.write("\n")
    print(f"{TOXICITY} by {classifier.name}, a stand-in for Perspective API: scores of others do not compare")
    return task_report(score, limit)
