"""Common sense: HellaSwag, PIQA, WinoGrande, Social IQa, BoolQ (section 4.2.5, Table 8).

BoolQ is asked behind its passage, as in lm-eval. Without the passage it is another task, of what a model
knows, and has another name here; the paper has no score for it.
"""

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


def _boolq(row: Mapping[str, Any]) -> Iterable[Item]:
    """The label of the test part, -1, is no index, and is refused."""
    yield {"passage": row["passage"], "question": _open(row["question"]), "label": int(row["label"])}


def _boolq_no_passage(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {"question": _open(row["question"]), "label": int(row["label"])}


def _open(question: str) -> str:
    """Without its question mark, which the prompt has; the hub's has none."""
    return question.strip().rstrip("?").rstrip()


def _halves(item: Item) -> tuple[str, str]:
    before, _, after = item["sentence"].partition("_")
    return before, after.strip()


def _boolq_config(before: str) -> dict[str, Any]:
    return {
        **multiple_choice(before + "Question: {{question}}?\nAnswer:", ["no", "yes"]),
        "metric_list": [dict(ACCURACY)],
    }


_NO_OR_YES: Final = "0 for no or 1 for yes", lambda x: INDEX[1](x) and x < 2

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
    BenchmarkTask(
        "boolq",
        _SECTION,
        FileSource("boolq_val.jsonl", HubData("aps/super_glue", "validation", "boolq", _boolq, 3270), _boolq),
        "passages with a question of yes or no",
        {"passage": TEXT, "question": TEXT, "label": _NO_OR_YES},
        _boolq_config("{{passage}}\n"),
    ),
    BenchmarkTask(
        "boolq_no_passage",
        "none; beside 4.2.5",
        FileSource(
            "boolq_val_nopassage.jsonl",
            HubData("aps/super_glue", "validation", "boolq", _boolq_no_passage, 3270),
            _boolq_no_passage,
        ),
        "questions of yes or no",
        {"question": TEXT, "label": _NO_OR_YES},
        _boolq_config(""),
    ),
)
"""Zero examples before each, as in the paper."""
