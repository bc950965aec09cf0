"""Reading comprehension: LAMBADA and RACE (section 4.2.3, Table 7).

RACE (Lai et al. 2017) is examinations of middle and high schools. Each question is asked by itself behind its
article, and the likeliest of its four answers is taken; lm-eval asks the last of an article alone, behind the
others with their answers. The paper says that it gives a few examples, and that its format is not that of
others; it prints neither. Three examples, drawn from the development part, fit into 2,048 tokens for most
articles.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chinchilla_lib.evaluation.sources import FileSource, HubData, Item
from chinchilla_lib.evaluation.tasks import ACCURACY, INDEX, TEXT, TEXTS, BenchmarkTask, multiple_choice

__all__ = ["READING"]

_SECTION: Final = "4.2.3, Table 7"


def _race_item(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {
        "article": row["article"],
        "question": row["question"],
        "choices": list(row["options"]),
        "label": ("A", "B", "C", "D").index(row["answer"]),
    }


def _race_source(school: str, split: str, n_items: int) -> FileSource:
    part = {"validation": "dev"}.get(split, split)
    return FileSource(
        f"race_{school}_{part}.jsonl",
        HubData("ehovy/race", split, school, _race_item, n_items),
        _race_item,
    )


def _race(name: str, school: str, n_test: int, n_dev: int) -> BenchmarkTask:
    return BenchmarkTask(
        name,
        _SECTION,
        _race_source(school, "test", n_test),
        "questions on articles",
        {
            "article": TEXT,
            "question": TEXT,
            "choices": ("a list of four texts", lambda x: TEXTS[1](x) and len(x) == 4),
            "label": INDEX,
        },
        multiple_choice("Article: {{article}}\n\nQuestion: {{question}}\nAnswer:", "choices"),
        shots=(3, 0),
        examples=_race_source(school, "validation", n_dev),
    )


READING: Final = (
    BenchmarkTask(
        "lambada",
        _SECTION,
        FileSource(
            "lambada_openai_test.jsonl", HubData("EleutherAI/lambada_openai", "test", "default", n_items=5153)
        ),
        "passages",
        {"text": ("a text of two words or more", lambda x: isinstance(x, str) and " " in x.strip())},
        {
            "output_type": "loglikelihood",
            "doc_to_text": lambda item: item["text"].rpartition(" ")[0],
            "doc_to_target": lambda item: " " + item["text"].rpartition(" ")[2],
            "metric_list": [
                {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
                dict(ACCURACY),
            ],
        },
    ),
    _race("race_m", "middle", 1436, 1436),
    _race("race_h", "high", 3498, 3451),
)
