"""The probes are fair: every form is right as often as wrong, and only what is asked tells them apart."""

import itertools
import math
from collections import Counter
from pathlib import Path

import pytest

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.corpus.tokenizer import Tokenizer
from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.suite.probes import (
    PROBES,
    cloze_task,
    make_cloze,
    make_induction,
    make_minimal_pairs,
)
from chinchilla_lib.evaluation.tasks import load_task
from tests.evaluation.suite.case import Case

CASES = {
    "minimal_pairs": Case(
        {"phenomenon": "agreement", "choices": ["The file is new", "The file are new"], "label": 0},
        [("", "The file is new"), ("", "The file are new")],
        right=0,
    ),
    "induction": Case(
        {"contexts": ["sea tree sea", "war king sea"], "word": "tree", "label": 0},
        [("sea tree sea", " tree"), ("war king sea", " tree")],
        right=0,
    ),
}


def test_pairs_are_different_and_of_all_phenomena() -> None:
    items = list(make_minimal_pairs(50))
    assert Counter(item["phenomenon"] for item in items) == dict.fromkeys(
        ("agreement", "attraction", "demonstrative", "reflexive", "word order"), 50
    )
    assert len({tuple(sorted(item["choices"])) for item in items}) == 250
    assert 80 < sum(item["label"] for item in items) < 170


def test_a_preference_for_a_word_scores_one_half() -> None:
    """Of each pair of forms one is as often right as the other; the order of words has no forms."""
    for phenomenon in ("agreement", "attraction", "demonstrative", "reflexive"):
        right: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        items = [item for item in make_minimal_pairs(200) if item["phenomenon"] == phenomenon]
        for item in items:
            good, bad = item["choices"][item["label"]].split(), item["choices"][1 - item["label"]].split()
            assert len(good) == len(bad)
            assert sum(a != b for a, b in zip(good, bad, strict=True)) == 1
            right.update(set(good) - set(bad))
            wrong.update(set(bad) - set(good))
        for word in right | wrong:
            n = right[word] + wrong[word]
            assert abs(right[word] - n / 2) < 4 * math.sqrt(n) / 2, f"{phenomenon}: {word}"


def test_wrong_order_has_the_same_words() -> None:
    for item in make_minimal_pairs(20):
        if item["phenomenon"] == "word order":
            first, second = item["choices"]
            assert sorted(first.split()) == sorted(second.split())
            assert first != second


def test_only_the_copy_tells_the_word() -> None:
    for item in make_induction(50, n_words=6):
        words = item["contexts"][item["label"]].split()
        others = item["contexts"][1 - item["label"]].split()
        assert len(words) == len(others)
        begun = words[6:]
        assert begun == words[: len(begun)] == others[6:]
        assert words[len(begun)] == item["word"]
        assert item["word"] not in others


def test_cloze_by_hand() -> None:
    words = [f"word{chr(97 + i % 13)}{chr(97 + i % 7)}" for i in range(3000)]
    items = list(make_cloze([" ".join(words)], n_items=60, n_bytes=60))
    assert len({(item["context"], item["label"]) for item in items}) > 40
    for item in items:
        choices = [choice.strip() for choice in item["choices"]]
        assert len(set(choices)) == 4
        last = item["context"].split()[-1]
        following = {b for a, b in itertools.pairwise(words) if a == last}
        assert choices[item["label"]] in following
        assert len(item["context"]) <= 60
    labels = Counter(item["label"] for item in items)
    assert set(labels) == {0, 1, 2, 3}


def test_the_same_seed_makes_the_same_items() -> None:
    for task in PROBES:
        assert load_task(task).sha256 == load_task(task).sha256
    assert list(make_induction(3, seed=1)) != list(make_induction(3, seed=2))


def test_too_little_text_is_refused(shards: Shards, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gave 0 passages of 5; use a larger corpus"):
        list(make_cloze(["short"], n_items=5))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError):
        load_task(cloze_task(tmp_path / "none"))


def test_cloze_is_made_from_the_held_out_side(shards: Shards) -> None:
    tokenizer = Tokenizer.load(shards.folder / "tokenizer.json")
    sides = [tokenizer.decode(side.shards[0].tolist()) for side in (shards.validation, shards.train)]
    loaded = load_task(cloze_task(shards.folder))
    assert len(loaded.items) == 800
    for item in loaded.items[:50]:
        passage = item["context"] + item["choices"][item["label"]]
        assert [passage in side for side in sides] == [True, False]
