import json
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.suite.mmlu import MMLU, subjects
from chinchilla_lib.evaluation.tasks import load_task
from chinchilla_lib.reference import load_paper_table
from tests.evaluation.suite.case import Case

ITEM: dict[str, Any] = {
    "subject": "college_biology",
    "question": "What barks?\n",
    "choices": ["a dog", "a cat", "a hen", "a bee"],
    "label": 0,
}
HEAD = "The following are multiple choice questions (with answers) about college biology.\n\n"
ASKED = HEAD + "What barks?\nA. a dog\nB. a cat\nC. a hen\nD. a bee\nAnswer:"
CASES = {
    "mmlu": Case(
        ITEM,
        [(ASKED, f" {letter}") for letter in "ABCD"],
        0,
        row={**ITEM, "split": "test"},
        hub_row={**{key: ITEM[key] for key in ("question", "subject", "choices")}, "answer": 0},
    )
}


def test_subjects_are_those_of_the_papers_table() -> None:
    printed = set(load_paper_table("table_a6_mmlu_by_task").column("task"))
    assert len(subjects()) == len(printed) == 57
    assert printed - subjects() == {"high_school_gov_and_politics"}
    assert subjects() - printed == {"high_school_government_and_politics"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": [*ITEM["choices"], "a cow"]}, "field 'choices': found .*; it must be a list of four"),
        ({"choices": ITEM["choices"][:3]}, "field 'choices'"),
        ({"choices": [*ITEM["choices"][:3], " "]}, "field 'choices'"),
        ({"subject": "alchemy"}, "field 'subject': found 'alchemy'; it must be a subject of MMLU"),
        ({"label": 4}, "field 'label': found 4; there are 4 answers"),
    ],
)
def test_a_row_that_is_torn_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mmlu_test.jsonl"
    path.write_text(json.dumps(ITEM) + "\n" + json.dumps({**ITEM, **change}) + "\n")
    with pytest.raises(InputError, match=f"line 2, {message}"):
        load_task(MMLU[0], path, n_shots=0)
