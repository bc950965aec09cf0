import math
from collections import Counter

import pytest

from chinchilla_lib.evaluation.suite.truthfulness import TRUTHFULNESS
from tests.evaluation.suite.case import Case

MC1, MC2 = TRUTHFULNESS
ROW = {
    "Question": "What do bees make?",
    "Best Answer": "Honey",
    "Correct Answers": "Honey; Wax; ; Honey",
    "Incorrect Answers": "Milk; Wax; Milk;Bread ",
}
HUB_ROW = {
    "question": "What do bees make?",
    "mc1_targets": {"choices": ["Honey", "Milk", "Bread"], "labels": [1, 0, 0]},
    "mc2_targets": {"choices": ["Honey", "Wax", "Milk", "Bread"], "labels": [1, 1, 0, 0]},
}
(ITEM,) = MC1.source.to_items(ROW)  # type: ignore[attr-defined]
CASES = {
    "truthfulqa": Case(
        ITEM,
        [("Q: What do bees make?\nA:", f" {answer}") for answer in ITEM["choices"]],
        ITEM["choices"].index("Honey"),
        row=ROW,
        hub_row=HUB_ROW,
    ),
    "truthfulqa_mc2": Case(
        ITEM,
        [("Q: What do bees make?\nA:", f" {answer}") for answer in ("Honey", "Wax", "Milk", "Bread")],
        row=ROW,
        hub_row=HUB_ROW,
    ),
}


def test_the_file_and_the_hub_say_the_same_and_nothing_stands_twice() -> None:
    assert sorted(ITEM["choices"]) == ["Bread", "Honey", "Milk"]
    assert ITEM["choices"][ITEM["label"]] == "Honey"
    assert ITEM["answers"] == ["Honey", "Wax", "Milk", "Bread"]
    assert ITEM["true"] == [1, 1, 0, 0]
    assert list(MC1.source.hub.to_items(HUB_ROW)) == [ITEM]  # type: ignore[attr-defined]


def test_the_place_of_the_right_answer_tells_nothing() -> None:
    places: Counter[int] = Counter()
    for i in range(1200):
        row = {**ROW, "Question": f"Question {i}?", "Correct Answers": "", "Incorrect Answers": "Z; Y; X"}
        (item,) = MC1.source.to_items(row)  # type: ignore[attr-defined]
        places[item["label"]] += 1
    # 1,200 draws of probability 1/4: a standard deviation of 15.
    assert all(abs(places[place] - 300) < 75 for place in range(4))


@pytest.mark.parametrize("labels", [[1, 1, 0], [0, 0, 0]])
def test_one_best_answer_is_needed(labels: list[int]) -> None:
    row = {**HUB_ROW, "mc1_targets": {"choices": ["Honey", "Milk", "Bread"], "labels": labels}}
    with pytest.raises(ValueError, match="unpack"):
        list(MC1.source.hub.to_items(row))  # type: ignore[attr-defined]


def test_share_of_truth() -> None:
    share = MC2.config["process_results"]
    logs = [(math.log(p), False) for p in (0.2, 0.1, 0.3, 0.4)]
    assert share(ITEM, logs)["true_share"] == pytest.approx(0.3)
    # Shares do not depend on how small all probabilities are, down to where none can be written.
    small = [(value - 5000, greedy) for value, greedy in logs]
    assert share(ITEM, small)["true_share"] == pytest.approx(0.3)
