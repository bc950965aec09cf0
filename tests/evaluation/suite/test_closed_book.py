import pytest

from chinchilla_lib.evaluation.suite.closed_book import CLOSED_BOOK, is_exact_match, normalise_answer
from tests.evaluation.suite.case import Case

TRIVIA = Case(
    {"question": "Which animal barks?", "answer": ["Dog", "Canis"]},
    [("Question: Which animal barks?\nAnswer:", "")],
    hub_row={
        "question": "Which animal barks?",
        "question_id": "tc_1",
        "answer": {
            "aliases": ["Canis", "", "Dog"],
            "normalized_aliases": ["canis", "dog"],
            "value": "Dog",
        },
    },
)
CASES = {
    "natural_questions": Case(
        {"question": "which animal barks", "answer": ["the dog"]},
        [("Answer these questions:\n\nQ: which animal barks?\nA:", "")],
    ),
    "triviaqa_unfiltered": TRIVIA,
    "triviaqa_filtered": TRIVIA,
}


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        (" The Dog.", ["dog"], True),
        ("dogs", ["dog"], False),
        ("a dog and a cat", ["dog"], False),
        ("Luna", ["Moon", "luna"], True),
        ("Washington, D.C.", ["Washington DC"], True),
        ("rock 'n' roll", ["Rock ’n’ Roll"], True),
        ("1996-1997", ["1996–1997"], True),
        ("Beyonce\u0301", ["Beyonc\u00e9"], True),  # an accent by itself, and with its letter
        ("Beyonce", ["Beyonc\u00e9"], False),
        ("ΟΔΥΣΣΕΥΣ", ["Οδυσσευς"], True),
        ("日本", ["日本。"], True),
        ("theatre", ["atre"], False),  # an article is a word
        ("A+", ["A+"], True),
        ("A+", ["A", "B+"], False),
        ("*", ["*"], True),
        ("", ["*"], False),
        ("", ["the"], False),
        (" \u3000 ", [")"], False),
        (")", ["---"], False),
        ("The The", ["the the"], True),
    ],
)
def test_exact_match(answer: str, accepted: list[str], right: bool) -> None:
    assert is_exact_match(answer, accepted) is right


def test_an_answer_set_aside_once_stays_as_it_is() -> None:
    for text in ("The “Great” Gatsby.", "A+", "an  Answer", "x", "The The"):
        assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


@pytest.mark.parametrize("question", ["who barks", "who barks?", " who barks ?? "])
def test_a_question_has_one_mark(question: str) -> None:
    for task in CLOSED_BOOK:
        assert task.config["doc_to_text"]({"question": question}).count("who barks?") == 1


def test_braces_in_a_question_are_kept() -> None:
    assert "what is {0}{x}?" in CLOSED_BOOK[0].config["doc_to_text"]({"question": "what is {0}{x}"})


def test_an_answer_without_any_name_is_refused() -> None:
    good = CLOSED_BOOK[0].fields["answer"][1]
    assert good(["a", "b"])
    assert not any(good(value) for value in ([], [""], ["a", " "], "a", None, [1]))
