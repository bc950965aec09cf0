import json
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.report import read_report, score_rows, task_report
from chinchilla_lib.evaluation.scores import Score, TaskScore

SCORE = TaskScore(
    task="barks",
    version=2,
    n_items=2,
    n_shots=1,
    metrics={"acc": Score(0.5, 0.5, 2)},
    parts={"dogs": {"acc": Score(1.0, None, 1)}, "cats": {"acc": Score(0.0, None, 1)}},
    sha256="0" * 64,
    examples_from="the other items",
    example="one\n\ntwo?",
    samples=(
        {"item_index": 0, "resps": [[(-1.5, True)], [(-2.0, False)]], "acc": 1.0},
        {"item_index": 3, "resps": [[(-2.5, True)], [(-2.0, False)]], "acc": 0.0},
    ),
    seconds=1.234,
)


def test_answers_of_each_kind_are_kept() -> None:
    report = task_report(SCORE, limit=2)
    assert report["items"][1] == {"index": 3, "log_likelihoods": [-2.5, -2.0], "metrics": {"acc": 0.0}}
    assert report["chance"] == 0.5
    assert report["parts"]["dogs"] == {"acc": {"value": 1.0, "standard_error": None, "n": 1}}
    texts = task_report(
        TaskScore(**{**vars(SCORE), "samples": ({"item_index": 0, "resps": [["a dog"]], "acc": 1.0},)}), None
    )
    assert texts["chance"] is None
    assert texts["items"] == [{"index": 0, "texts": ["a dog"], "metrics": {"acc": 1.0}}]
    rolling = task_report(
        TaskScore(**{**vars(SCORE), "samples": ({"item_index": 0, "resps": [[-7.5]], "acc": 1.0},)}), None
    )
    assert rolling["items"][0]["log_likelihoods"] == [-7.5]


def test_rows_say_what_makes_a_score_mean_something() -> None:
    report = {"model": "tiny", "tasks": {"barks": task_report(SCORE, limit=2)}}
    whole, dogs, cats = score_rows(json.loads(json.dumps(report)))
    assert (whole["part"], dogs["part"], cats["part"]) == ("", "dogs", "cats")
    assert (whole["value"], whole["standard_error"], whole["n"], whole["n_shots"]) == (0.5, 0.5, 2, 1)
    assert whole["version"] == 2
    assert len(whole["sha256"]) == 64
    assert "\n" not in whole["example_prompt"]
    assert json.loads(whole["example_prompt"]) == SCORE.example


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tasks": []}', '{"tasks": {}}', "\x00"])
def test_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"report.json: not a report of an evaluation"):
        read_report(path)
    with pytest.raises(InputError, match=r"gone.json: there is no such file"):
        read_report(tmp_path / "gone.json")
