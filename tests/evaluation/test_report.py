import json
from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.report import compare_reports, read_report, score_rows, task_report
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


def make_report(model: str, values: list[object], **change: object) -> dict[str, object]:
    samples = tuple(
        {"item_index": i, "resps": [[(-1.5, True)], [(-2.0, False)]], "acc": value}
        for i, value in enumerate(values)
    )
    found = task_report(TaskScore(**{**vars(SCORE), "samples": samples}), None)
    return {"model": model, "tasks": {"barks": {**found, **change}}}


def test_two_reports_are_compared_item_by_item() -> None:
    first, second = make_report("a", [1.0, 1.0, 0.0, 1.0]), make_report("b", [1.0, 0.0, 0.0, 0.0])
    (found,) = compare_reports(first, second)
    assert (found.first, found.second, found.task, found.metric, found.n) == ("a", "b", "barks", "acc", 4)
    assert (found.difference, found.only_first, found.only_second) == (0.5, 2, 0)
    # Nats for each byte of an item: -6/4 and -6/2 of one model, -3/4 and -3/2 of the other.
    first, second = make_report("a", [[-6, 4], [-6, 2]]), make_report("b", [[-3, 4], [-3, 2]])
    (found,) = compare_reports(first, second)
    assert found.means == (-2.25, -1.125)
    assert found.p_value is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_shots": 2}, "barks: n_shots is 1 and 2; ask both alike"),
        ({"examples_from": "elsewhere"}, "barks: examples_from is '.*' and 'elsewhere'"),
        ({"sha256": "1" * 64}, "a and b differ in sha256"),
        ({"version": 3}, "a and b differ in version: 2 and 3"),
    ],
)
def test_reports_on_other_items_are_not_compared(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_reports(make_report("a", [1.0, 0.0]), make_report("b", [1.0, 0.0], **change))
    with pytest.raises(InputError, match="a and b share no task"):
        compare_reports(make_report("a", [1.0]), {"model": "b", "tasks": {}})
    with pytest.raises(InputError, match="1 are the same; ask both the same"):
        compare_reports(make_report("a", [1.0, 0.0]), make_report("b", [1.0]))
