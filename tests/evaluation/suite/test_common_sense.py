import json
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.suite.common_sense import COMMON_SENSE
from chinchilla_lib.evaluation.tasks import load_task
from tests.evaluation.suite.case import Case

ENDS = ["sits.", "flies.", "reads."]
CASES = {
    "hellaswag": Case(
        {"ctx": "Rest: A dog turns. It", "endings": ENDS, "label": 0},
        [("Rest: A dog turns. It", f" {end}") for end in ENDS],
        0,
        hub_row={
            "activity_label": "Rest",
            "ctx_a": "A dog turns.",
            "ctx_b": "it",
            "endings": ["sits.[step]", *ENDS[1:]],
            "label": "0",
        },
    ),
    "piqa": Case(
        {"goal": "Cut bread.", "sol1": "Use a knife.", "sol2": "Use a spoon.", "label": 0},
        [("Question: Cut bread.\nAnswer:", f" Use a {tool}.") for tool in ("knife", "spoon")],
        0,
    ),
    "winogrande": Case(
        {"sentence": "The dog saw the cat and _ ran.", "option1": "dog", "option2": "cat", "label": 1},
        [(f"The dog saw the cat and {animal}", " ran.") for animal in ("dog", "cat")],
        1,
        hub_row={
            "sentence": "The dog saw the cat and _ ran.",
            "option1": "dog",
            "option2": "cat",
            "answer": "2",
        },
    ),
    "social_iqa": Case(
        {"question": "Ann cried. Why?", "choices": ["sad", "rich", "tall"], "label": 0},
        [("Question: Ann cried. Why?\nAnswer:", f" {answer}") for answer in ("sad", "rich", "tall")],
        0,
        hub_row={
            "context": "Ann cried.",
            "question": "Why?",
            "answerA": "sad",
            "answerB": "rich",
            "answerC": "tall",
            "label": "1",
        },
    ),
    "boolq": Case(
        {"passage": "Dogs -- A dog barks.", "question": "do dogs bark", "label": 1},
        [("Dogs -- A dog barks.\nQuestion: do dogs bark?\nAnswer:", f" {word}") for word in ("no", "yes")],
        1,
        row={"passage": "Dogs -- A dog barks.", "question": "do dogs bark?", "label": True},
        hub_row={"passage": "Dogs -- A dog barks.", "question": "do dogs bark", "idx": 7, "label": 1},
    ),
    "boolq_no_passage": Case(
        {"question": "do dogs bark", "label": 1},
        [("Question: do dogs bark?\nAnswer:", f" {word}") for word in ("no", "yes")],
        1,
        row={"question": "do dogs bark?", "label": True},
        hub_row={"passage": "Dogs -- A dog barks.", "question": "do dogs bark", "idx": 7, "label": 1},
    ),
}


def test_questions_without_passages_are_not_boolq(tmp_path: Path) -> None:
    with_passage, without = COMMON_SENSE[-2:]
    path = tmp_path / "boolq_val_nopassage.jsonl"
    path.write_text(json.dumps(CASES["boolq_no_passage"].row) + "\n")
    assert len(load_task(without, path).items) == 1
    with pytest.raises(InputError, match="line 1: it lacks 'passage'"):
        load_task(with_passage, path)
    path.write_text(json.dumps({**CASES["boolq"].row, "passage": " "}) + "\n")
    with pytest.raises(InputError, match="line 1, field 'passage': found ' '"):
        load_task(with_passage, path)
    path.write_text(json.dumps({**CASES["boolq"].row, "label": 2}) + "\n")
    with pytest.raises(InputError, match="field 'label': found '2'; it must be 0 for no or 1 for yes"):
        load_task(with_passage, path)


def test_marks_of_articles_are_taken_out() -> None:
    row = CASES["hellaswag"].hub_row | {"ctx_b": "[substeps] it [title] Rest  more"}
    (item,) = COMMON_SENSE[0].source.hub.to_items(row)  # type: ignore[attr-defined]
    assert item["ctx"] == "Rest: A dog turns. it. rest more"
