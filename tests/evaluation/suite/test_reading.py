import pytest

from chinchilla_lib.evaluation.suite.reading import READING
from tests.evaluation.suite.case import Case

ANSWERS = ["A dog.", "A cat.", "A hen.", "A bee."]
RACE = Case(
    {"article": "A cat sat.", "question": "What sat?", "choices": ANSWERS, "label": 1},
    [("Article: A cat sat.\n\nQuestion: What sat?\nAnswer:", f" {answer}") for answer in ANSWERS],
    1,
    hub_row={
        "example_id": "middle1.txt",
        "article": "A cat sat.",
        "question": "What sat?",
        "options": ANSWERS,
        "answer": "B",
    },
)
CASES = {
    "lambada": Case({"text": "the dog sees the cat"}, [("the dog sees the", " cat")]),
    "race_m": RACE,
    "race_h": RACE,
}


@pytest.mark.parametrize("change", [{"answer": "E"}, {"answer": ""}, {"answer": 1}])
def test_a_letter_that_is_none_of_four_is_refused(change: dict[str, object]) -> None:
    to_items = READING[1].source.to_items  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="not in tuple"):
        list(to_items({**RACE.hub_row, **change}))


def test_examples_are_never_of_the_part_that_is_asked() -> None:
    for task in READING[1:]:
        assert task.examples is not None
        assert task.source.hub.split == "test"  # type: ignore[attr-defined]
        assert task.examples.hub.split == "validation"  # type: ignore[attr-defined]
        assert task.examples.file != task.source.file  # type: ignore[attr-defined]
