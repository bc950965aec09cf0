"""Questions without a text to look them up in: Natural Questions, TriviaQA (section 4.2.6, Table 9).

The model writes until the end of the line, and its answer is right if it is one of those accepted, word for
word, once case, articles, punctuation and spaces are set aside, as SQuAD has it (Rajpurkar et al. 2016). Here
punctuation is that of Unicode, and an answer of nothing else, such as A+, is compared as it is written; an
empty answer is never right.

Prompts are lm-eval's, but for two things: lm-eval also stops at a full stop and a comma, which cuts names,
and puts a second question mark behind a question that has one. Examples are drawn from the training part; for
Natural Questions, from the other questions where that part is not to be had, which the score then says.

The paper scores TriviaQA unfiltered on its test part, whose answers were never published; the development
part stands in for it. Which filtered questions it took it does not say: here those that Wikipedia answers,
each once, where lm-eval counts many twice, with pages of the web and of Wikipedia.
"""

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from chinchilla_lib.evaluation.sources import FileSource, HubData, Item
from chinchilla_lib.evaluation.tasks import TEXT, BenchmarkTask

__all__ = ["CLOSED_BOOK", "is_exact_match", "normalise_answer"]

_SECTION: Final = "4.2.6, Table 9"
_SHOTS: Final = (0, 5, 64)


def normalise_answer(text: str) -> str:
    """An answer without case, articles, punctuation and needless spaces.

    Examples
    --------
    >>> normalise_answer(" The “Great” Gatsby."), normalise_answer("A+")
    ('great gatsby', 'a+')
    """
    text = " ".join(unicodedata.normalize("NFC", text).lower().split())
    kept = "".join(c for c in text if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split()) or text


def is_exact_match(answer: str, accepted: Iterable[str]) -> bool:
    """Whether an answer is one of those accepted.

    Examples
    --------
    >>> is_exact_match("the moon!", ["Moon", "Luna"]), is_exact_match("", ["..."])
    (True, False)
    """
    found = normalise_answer(answer)
    return bool(found) and found in {normalise_answer(other) for other in accepted}


def _score(item: Item, results: Sequence[str]) -> dict[str, float]:
    return {"exact_match": float(is_exact_match(results[0], item["answer"]))}


def _asked(item: Item) -> str:
    return str(item["question"]).strip().rstrip("?").rstrip() + "?"


def _answers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, str) and x.strip() for x in value)


def _natural_question(row: Mapping[str, Any]) -> Iterable[Item]:
    yield {"question": row["question"], "answer": list(row["answer"])}


def _trivia(row: Mapping[str, Any]) -> Iterable[Item]:
    found = row["answer"]
    names = [name for name in (found["value"], *found["aliases"]) if name.strip()]
    yield {"question": row["question"], "answer": list(dict.fromkeys(names))}


def _trivia_source(kind: str, split: str, part: str, n_items: int) -> FileSource:
    """A file of items as the hub's become, as no other form of them is a list of rows."""
    subset = {"filtered": "rc.wikipedia.nocontext", "unfiltered": "unfiltered.nocontext"}[kind]
    return FileSource(
        f"triviaqa_{kind}_{part}.jsonl",
        HubData("mandarjoshi/trivia_qa", split, subset, _trivia, n_items),
        _natural_question,
    )


def _natural_source(split: str, part: str, n_items: int) -> FileSource:
    return FileSource(
        f"NQ-open.{part}.jsonl",
        HubData("google-research-datasets/nq_open", split, None, _natural_question, n_items),
        _natural_question,
    )


_FIELDS: Final = {"question": TEXT, "answer": ("a list of one text or more, none empty", _answers)}


def _config(prompt: str, **more: str) -> dict[str, Any]:
    return {
        "output_type": "generate_until",
        "doc_to_text": lambda item: prompt.format(_asked(item)),
        "doc_to_target": lambda item: item["answer"][0],
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 32, "do_sample": False},
        "process_results": _score,
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        **more,
    }


CLOSED_BOOK: Final = (
    BenchmarkTask(
        "natural_questions",
        _SECTION,
        _natural_source("validation", "dev", 3610),
        "questions with their answers",
        _FIELDS,
        _config("Q: {}\nA:", description="Answer these questions:\n\n", fewshot_delimiter="\n"),
        shots=_SHOTS,
        examples=_natural_source("train", "train", 87925),
        others_will_do=True,
    ),
    BenchmarkTask(
        "triviaqa_unfiltered",
        _SECTION,
        _trivia_source("unfiltered", "validation", "dev", 11313),
        "questions with their answers",
        _FIELDS,
        _config("Question: {}\nAnswer:"),
        shots=_SHOTS,
        examples=_trivia_source("unfiltered", "train", "train", 87622),
    ),
    BenchmarkTask(
        "triviaqa_filtered",
        _SECTION,
        _trivia_source("filtered", "validation", "dev", 7993),
        "questions with their answers",
        _FIELDS,
        _config("Question: {}\nAnswer:"),
        shots=_SHOTS,
        examples=_trivia_source("filtered", "train", "train", 61888),
    ),
)
"""Greedy answers of 32 tokens at most."""
