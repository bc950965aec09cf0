from collections import Counter

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.examples import pick_examples

ITEMS = [{"word": word} for word in ("dog", "cat", "hen", "bee", "cow")]


def test_the_first_are_taken_in_order_and_the_item_is_passed_over() -> None:
    assert pick_examples(ITEMS, 3, 0, ITEMS[4], in_order=True) == ITEMS[:3]
    assert pick_examples(ITEMS, 3, 0, ITEMS[1], in_order=True) == [ITEMS[i] for i in (0, 2, 3)]


def test_draws_are_of_all_others_alike_and_those_of_an_item_are_the_same_again() -> None:
    seen: Counter[str] = Counter()
    for index in range(2000):
        drawn = pick_examples(ITEMS, 2, index, ITEMS[0], in_order=False)
        assert drawn == pick_examples(ITEMS, 2, index, ITEMS[0], in_order=False)
        assert len({example["word"] for example in drawn}) == 2
        seen.update(example["word"] for example in drawn)
    assert set(seen) == {"cat", "hen", "bee", "cow"}
    # 2,000 draws of probability 1/2: a standard deviation of 22.
    assert all(abs(count - 1000) < 110 for count in seen.values())


@pytest.mark.parametrize("in_order", [True, False])
def test_copies_of_the_item_are_passed_over_however_many(in_order: bool) -> None:
    pool = [*9 * [{"word": "dog"}], {"word": "cat"}, {"word": "hen"}]
    for index in range(20):
        drawn = pick_examples(pool, 2, index, {"word": "dog"}, in_order=in_order)
        assert {example["word"] for example in drawn} == {"cat", "hen"}
    with pytest.raises(InputError, match="n_shots is 3; there are only 2 examples"):
        pick_examples(pool, 3, 0, {"word": "dog"}, in_order=in_order)
