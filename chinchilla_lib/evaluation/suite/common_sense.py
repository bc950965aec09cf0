"""Common sense: HellaSwag, PIQA, WinoGrande, Social IQa (section 4.2.5, Table 8)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from chinchilla_lib.evaluation.sources import FileSource, HubData, Item
from chinchilla_lib.evaluation.tasks import (
    ACCURACY,
    INDEX,
    TEXT,
    TEXTS,
    BenchmarkTask,
    multiple_choice,
)

__all__ = ["COMMON_SENSE"]

_SECTION: Final = "4.2.5, Table 8"


def _hellaswag(row: Mapping[str, Any]) -> Iterable[Item]:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    yield {
        "ctx": _cleaned(context),
        "endings": [_cleaned(ending) for ending in row["endings"]],
        "label": int(row["label"]),
    }


def _cleaned(text: str) -> str:
    """Without the marks of WikiHow articles, as lm-eval has it."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def _winogrande(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {
        **{key: row[key] for key in ("sentence", "option1", "option2")},
        "label": int(row["answer"]) - 1,
    }


def _social_iqa(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {
        "question": f"{row['context']} {row['question']}",
        "choices": [row["answerA"], row["answerB"], row["answerC"]],
        "label": int(row["label"]) - 1,
    }


def _halves(item: Item) -> tuple[str, str]:
    before, _, after = item["sentence"].partition("_")
    return before, after.strip()


COMMON_SENSE: Final = (
    BenchmarkTask(
        "hellaswag",
        _SECTION,
        FileSource(
            "hellaswag_val.jsonl",
            HubData("Rowan/hellaswag", "validation", to_items=_hellaswag, n_items=10042),
        ),
        "beginnings with four ends",
        {"ctx": TEXT, "endings": TEXTS, "label": INDEX},
        multiple_choice("{{ctx}}", "{{endings}}"),
    ),
    BenchmarkTask(
        "piqa",
        _SECTION,
        FileSource("piqa_valid.jsonl", HubData("baber/piqa", "validation", n_items=1838)),
        "goals with two solutions",
        {"goal": TEXT, "sol1": TEXT, "sol2": TEXT, "label": INDEX},
        multiple_choice("Question: {{goal}}\nAnswer:", "{{[sol1, sol2]}}"),
    ),
    BenchmarkTask(
        "winogrande",
        _SECTION,
        FileSource(
            "winogrande_xl_val.jsonl",
            HubData("allenai/winogrande", "validation", "winogrande_xl", _winogrande, 1267),
        ),
        "sentences with a gap and two candidates",
        {
            "sentence": ("a text with one gap, _", lambda x: isinstance(x, str) and x.count("_") == 1),
            "option1": TEXT,
            "option2": TEXT,
            "label": INDEX,
        },
        {
            # The sentence up to each candidate is the context, what follows is scored: partial evaluation.
            "output_type": "multiple_choice",
            "doc_to_text": lambda item: item["label"],
            "doc_to_choice": lambda item: [_halves(item)[0] + item[f"option{k}"] for k in (1, 2)],
            "doc_to_target": lambda item: _halves(item)[1],
            "metric_list": [dict(ACCURACY)],
        },
    ),
    BenchmarkTask(
        "social_iqa",
        _SECTION,
        FileSource(
            "social_iqa_val.jsonl",
            HubData("lighteval/siqa", "validation", to_items=_social_iqa, n_items=1954),
        ),
        "questions with three answers",
        {"question": TEXT, "choices": TEXTS, "label": INDEX},
        multiple_choice("Question: {{question}}\nAnswer:", "{{choices}}"),
    ),
)
"""Zero examples before each, as in the paper."""
