"""MMLU (Hendrycks et al. 2020; section 4.2.2, Tables 6 and A6): questions of 57 subjects, answered by letter.

The prompt is lm-eval's: a line that names the subject, the five examples of its development part in order,
and the question with its answers behind A, B, C and D, of which the likeliest letter is taken. Scores come
for each subject and for all questions together; the mean of subjects that the paper prints is of the former.

Every question has four answers. A row with more or fewer is one torn at a comma, and is refused.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from chinchilla_lib.evaluation.sources import FileSource, HubData, Item
from chinchilla_lib.evaluation.tasks import ACCURACY, INDEX, TEXT, TEXTS, BenchmarkTask
from chinchilla_lib.reference import load_paper_table

__all__ = ["MMLU", "subjects"]

_LETTERS: Final = ("A", "B", "C", "D")


@cache
def subjects() -> frozenset[str]:
    """Names of the subjects in the data; the paper's Table A6 shortens one of them."""
    printed = load_paper_table("table_a6_mmlu_by_task").rows
    return frozenset(row["task"].replace("gov_and", "government_and") for row in printed)


def _from_hub(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {**{key: row[key] for key in ("subject", "question", "choices")}, "label": int(row["answer"])}


def _from_file(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {key: row[key] for key in ("subject", "question", "choices", "label")}


def _prompt(item: Item) -> str:
    answers = "".join(
        f"{letter}. {choice}\n" for letter, choice in zip(_LETTERS, item["choices"], strict=True)
    )
    return f"{item['question'].strip()}\n{answers}Answer:"


def _source(split: str, n_items: int) -> FileSource:
    return FileSource(
        f"mmlu_{split}.jsonl", HubData("cais/mmlu", split, "all", _from_hub, n_items), _from_file
    )


MMLU: Final = (
    BenchmarkTask(
        "mmlu",
        "4.2.2, Tables 6 and A6",
        _source("test", 14042),
        "questions with four answers",
        {
            "subject": ("a subject of MMLU", lambda x: isinstance(x, str) and x in subjects()),
            "question": TEXT,
            "choices": ("a list of four texts", lambda x: TEXTS[1](x) and len(x) == len(_LETTERS)),
            "label": INDEX,
        },
        {
            "output_type": "multiple_choice",
            "description": "The following are multiple choice questions (with answers) about "
            "{{subject | replace('_', ' ')}}.\n\n",
            "doc_to_text": _prompt,
            "doc_to_choice": list(_LETTERS),
            "doc_to_target": "label",
            "metric_list": [dict(ACCURACY)],
        },
        shots=(5, 0),
        examples=_source("dev", 285),
        examples_in_order=True,
        group="subject",
    ),
)
