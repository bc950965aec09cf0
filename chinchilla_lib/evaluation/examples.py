"""The examples before an item: the first of a list, or drawn for each item, and never the item itself.

lm-eval draws from the very items that are asked, and from no more of them than are asked: with few items it
runs out, and an item may stand, with its answer, before itself.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.sources import Item

__all__ = ["examples_sampler", "pick_examples"]


def pick_examples(pool: Sequence[Item], n: int, index: int, item: Item, *, in_order: bool) -> list[Item]:
    """Examples to stand before an item.

    Parameters
    ----------
    pool : sequence of mapping
        Where they come from. Copies of the item are passed over.
    n : int
    index : int
        Number of the item, the seed of the draw: how many items are asked does not move it.
    item : mapping
    in_order : bool
        Whether the first are taken.

    Raises
    ------
    InputError
        If there are fewer than `n`.

    Examples
    --------
    >>> dog, cat, hen = ({"animal": name} for name in ("dog", "cat", "hen"))
    >>> pick_examples([dog, cat, hen], 2, 0, dog, in_order=True)
    [{'animal': 'cat'}, {'animal': 'hen'}]
    """
    drawn = pool[: n + 1] if in_order else random.Random(index).sample(pool, min(n + 1, len(pool)))
    others = [example for example in drawn if example != item]
    if len(others) < n:
        others = [example for example in pool if example != item]
        if not in_order and len(others) >= n:
            others = random.Random(index).sample(others, n)
    if len(others) < n:
        raise InputError(f"n_shots is {n}; there are only {len(others)} examples to put before an item")
    return others[:n]


def examples_sampler(items: Sequence[Item], pool: Sequence[Item], *, in_order: bool) -> type:
    """What lm-eval asks for examples, as a class of its own kind.

    Parameters
    ----------
    items, pool : sequence of mapping
        All items of the task, by their ``item_index``; where examples come from.
    in_order : bool
        Whether the first are taken.
    """
    from lm_eval.api.samplers import ContextSampler

    class Sampler(ContextSampler):  # type: ignore[misc]
        def sample(self, n: int, eval_doc: Mapping[str, Any] | None = None, **_: Any) -> list[Item]:
            if eval_doc is None:
                raise TypeError("the item is not given, and could stand before itself")
            index = int(eval_doc["item_index"])
            return pick_examples(pool, n, index, items[index], in_order=in_order)

    return Sampler
