"""Scores of a model that can be had, beside what the paper prints for its two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chinchilla_lib.evaluation.printed import load_printed_scores
from chinchilla_lib.reference import load_paper_table

__all__ = ["BesidePaper", "set_beside_paper"]

_METRIC: Final = {"hellaswag": "acc_norm", "piqa": "acc_norm", "social_iqa": "acc"}
"""Where a choice is scored in two ways: the one that is usual for the task. The paper does not say."""

_PRINTED: Final = {
    "lambada": "LAMBADA",
    "race_m": "RACE-m",
    "race_h": "RACE-h",
    "hellaswag": "HellaSwag",
    "piqa": "PIQA",
    "winogrande": "Winogrande",
    "social_iqa": "SIQA",
    "boolq": "BoolQ",
    "truthfulqa": "TruthfulQA {}-shot",
    "natural_questions": "Natural Questions {}-shot",
    "triviaqa_unfiltered": "TriviaQA unfiltered {}-shot",
    "triviaqa_filtered": "TriviaQA filtered {}-shot",
    "winogender": "all",
}


@dataclass(frozen=True)
class BesidePaper:
    """A share of right answers, and what the paper's models reached on the same task.

    Attributes
    ----------
    task, metric : str
    n, n_shots : int
        Items; examples before each.
    value, standard_error : float
        Shares; the error is None of one item.
    chance : float or None
        What guessing gives; None where answers are written, not chosen.
    chinchilla, gopher : float or None
        Shares as printed, on all items of the task; None where the paper prints none.
    """

    task: str
    metric: str
    n: int
    n_shots: int
    value: float
    standard_error: float | None
    chance: float | None
    chinchilla: float | None
    gopher: float | None


def set_beside_paper(rows: Iterable[Mapping[str, str]]) -> list[BesidePaper]:
    """Shares of right answers of a recorded evaluation, beside the paper's.

    Parameters
    ----------
    rows : iterable of mapping
        Of the table that ``chinchilla-lib evaluate --record`` writes.

    Returns
    -------
    list of BesidePaper
        One for each task that has such a share; parts of tasks are left out.

    Examples
    --------
    >>> from chinchilla_lib.reference.recorded import load_recorded
    >>> beside = set_beside_paper(load_recorded("evaluate-smollm2").rows)
    >>> len(beside)
    13
    """
    whole = [row for row in rows if not row["part"]]
    found = []
    for task, n_shots in dict.fromkeys((row["task"], int(row["n_shots"])) for row in whole):
        metrics = {
            row["metric"]: row for row in whole if (row["task"], int(row["n_shots"])) == (task, n_shots)
        }
        wanted = _METRIC.get(task, "acc" if "acc" in metrics else "exact_match")
        if (row := metrics.get(wanted)) is None:
            continue
        chinchilla, gopher = _printed(task, n_shots)
        found.append(
            BesidePaper(
                task=task,
                metric=wanted,
                n=int(row["n"]),
                n_shots=n_shots,
                value=float(row["value"]),
                standard_error=float(row["standard_error"]) if row["standard_error"] else None,
                chance=float(row["chance"]) if row["chance"] else None,
                chinchilla=chinchilla,
                gopher=gopher,
            )
        )
    return found


def _printed(task: str, n_shots: int) -> tuple[float | None, float | None]:
    if task == "mmlu" and n_shots == 5:
        mean = {row["who"]: float(row["accuracy_pct"]) / 100 for row in load_paper_table("table6_mmlu").rows}
        return mean["Chinchilla 5-shot"], mean["Gopher 5-shot"]
    if task == "bigbench":
        rows = {row["metric"]: row for row in load_paper_table("other_eval_numbers").rows}
        row = rows["BIG-bench mean of 62 tasks"]
        return float(row["chinchilla"]) / 100, float(row["gopher"]) / 100
    name = _PRINTED.get(task, "").format(n_shots)
    for score in load_printed_scores():
        if score.task == name:
            return score.chinchilla / 100, score.gopher / 100
    return None, None
