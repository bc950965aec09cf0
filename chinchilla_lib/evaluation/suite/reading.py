"""Reading comprehension: LAMBADA (section 4.2.3, Table 7)."""

from typing import Final

from chinchilla_lib.evaluation.sources import FileSource, HubData
from chinchilla_lib.evaluation.tasks import ACCURACY, BenchmarkTask

__all__ = ["READING"]

READING: Final = (
    BenchmarkTask(
        "lambada",
        "4.2.3, Table 7",
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
)
