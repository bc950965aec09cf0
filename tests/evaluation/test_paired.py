import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.paired import ItemScores, compare_items, mean_over_models


def scores(model: str, values: list[float]) -> ItemScores:
    return ItemScores(model, "barks", 1, "ab", "acc", tuple(range(len(values))), tuple(values))


def test_mcnemar_by_hand() -> None:
    """Nine items that the first alone gets right, one the other way: 2 (1 + 10) / 2^10."""
    first = scores("a", [1.0] * 9 + [0.0] + [1.0] * 30)
    second = scores("b", [0.0] * 9 + [1.0] + [1.0] * 30)
    found = compare_items(first, second)
    assert (found.only_first, found.only_second, found.n) == (9, 1, 40)
    assert found.p_value == pytest.approx(22 / 1024)
    assert found.difference == pytest.approx(8 / 40)
    # Ten differences of 1 in size about a mean of 0.2: squares sum to 10 - 40 * 0.04.
    assert found.standard_error == pytest.approx(math.sqrt((10 - 1.6) / 39 / 40))
    other_way = compare_items(second, first)
    assert (other_way.difference, other_way.p_value) == (-found.difference, found.p_value)


def test_what_is_hard_for_both_drops_out() -> None:
    rng = np.random.default_rng(0)
    hard, noise = rng.normal(0, 5, 400), rng.normal(0.1, 0.5, 400)
    found = compare_items(scores("a", (hard + noise).tolist()), scores("b", hard.tolist()))
    assert found.standard_error == pytest.approx(0.5 / 20, rel=0.15)
    assert found.p_value is None
    assert found.only_first is None
    assert abs(found.difference - 0.1) < 4 * found.standard_error


def test_a_model_is_no_better_than_itself() -> None:
    same = scores("a", [0.0, 1.0, 1.0])
    found = compare_items(same, same)
    assert (found.difference, found.standard_error, found.p_value) == (0.0, 0.0, 1.0)
    assert compare_items(scores("a", [1.0]), scores("b", [0.0])).standard_error == math.inf


def test_the_test_is_exact_where_neither_is_better() -> None:
    """Of many pairs of equal models at most one in twenty is told apart at .05: the test is conservative."""
    rng = np.random.default_rng(1)
    draws = rng.integers(2, size=(1000, 2, 60)).astype(float)
    p = [compare_items(scores("a", a.tolist()), scores("b", b.tolist())).p_value for a, b in draws]
    assert np.mean([value is not None and value <= 0.05 for value in p]) <= 0.05 + 0.02


def test_items_are_matched_by_their_number() -> None:
    first = ItemScores("a", "barks", 1, "ab", "acc", (0, 1, 2), (1.0, 0.0, 1.0))
    second = ItemScores("b", "barks", 1, "ab", "acc", (2, 0, 1), (1.0, 1.0, 0.0))
    assert compare_items(first, second).only_first == 0
    assert compare_items(first, second).difference == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "meows"}, "differ in task"),
        ({"version": 2}, "differ in version: 1 and 2"),
        ({"sha256": "cd"}, "differ in sha256"),
        ({"metric": "acc_norm"}, "differ in metric"),
        ({"index": (0, 3)}, "asked 2 items of barks, b 2, and 1 are the same"),
        ({"index": (0,), "values": (1.0,)}, "asked 2 items of barks, b 1"),
    ],
)
def test_other_items_are_refused(change: dict[str, object], told: str) -> None:
    first = scores("a", [1.0, 0.0])
    with pytest.raises(InputError, match=told):
        compare_items(first, replace(first, model="b", **change))  # type: ignore[arg-type]


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(InputError, match="2 values for 1 different items of 1"):
        ItemScores("a", "barks", 1, "ab", "acc", (0,), (1.0, 0.0))
    with pytest.raises(InputError, match="2 values for 1 different items of 2"):
        ItemScores("a", "barks", 1, "ab", "acc", (0, 0), (1.0, 0.0))
    with pytest.raises(InputError, match="there are no items"):
        compare_items(scores("a", []), scores("b", []))


def test_scores_of_samples() -> None:
    samples = [{"item_index": 4, "acc": 1.0}, {"item_index": 2, "acc": 0.0}]
    found = ItemScores.from_samples("a", "barks", 1, "ab", "acc", samples)
    assert (found.index, found.values) == ((4, 2), (1.0, 0.0))
    with pytest.raises(InputError, match="an item has no metric 'f1'"):
        ItemScores.from_samples("a", "barks", 1, "ab", "f1", samples)


def test_the_mean_of_seeds() -> None:
    found = mean_over_models("both", [scores("a", [1.0, 0.0]), scores("b", [1.0, 1.0])])
    assert (found.model, found.values) == ("both", (1.0, 0.5))
    turned = replace(scores("b", [1.0, 0.0]), index=(1, 0))
    assert mean_over_models("both", [scores("a", [1.0, 1.0]), turned]).values == (0.5, 1.0)
    with pytest.raises(InputError, match="scores is empty"):
        mean_over_models("none", [])
    with pytest.raises(InputError, match="differ in version"):
        mean_over_models("both", [scores("a", [1.0]), replace(scores("b", [1.0]), version=2)])


def test_scores_of_a_record() -> None:
    row = {"run_id": "a", "task": "barks", "metric": "acc", "values": "1 0 0.5"}
    found = ItemScores.from_row(row, {"barks": {"version": 1, "sha256": "ab"}})
    assert found == scores("a", [1.0, 0.0, 0.5])
    with pytest.raises(InputError, match="task 'barks' was not asked; there are meows"):
        ItemScores.from_row(row, {"meows": {}})
