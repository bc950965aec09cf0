from chinchilla_lib.evaluation.suite.common_sense import COMMON_SENSE
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
}


def test_marks_of_articles_are_taken_out() -> None:
    row = CASES["hellaswag"].hub_row | {"ctx_b": "[substeps] it [title] Rest  more"}
    (item,) = COMMON_SENSE[0].source.hub.to_items(row)  # type: ignore[attr-defined]
    assert item["ctx"] == "Rest: A dog turns. it. rest more"
