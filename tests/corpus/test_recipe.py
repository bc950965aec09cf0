import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.recipe import Part, Recipe, choose_copies, find_recipe
from chinchilla_lib.corpus.sources import SOURCES
from chinchilla_lib.errors import InputError

PARTS = st.lists(
    st.tuples(st.integers(50, 300), st.floats(0.1, 10), st.floats(0.2, 4)), min_size=1, max_size=4
)


@given(PARTS, st.integers(0, 99))
def test_shares_are_kept_and_no_part_exceeds_its_epochs(
    parts: list[tuple[int, float, float]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    lengths = [rng.integers(1, 40, size=n) for n, _, _ in parts]
    digests = [rng.integers(2**63, size=n).astype(np.uint64) for n, _, _ in parts]
    weights, epochs = [w for _, w, _ in parts], [e for _, _, e in parts]
    copies = choose_copies(lengths, digests, weights, epochs)
    tokens = np.array([(c * n).sum() for c, n in zip(copies, lengths, strict=True)])
    passes = tokens / [n.sum() for n in lengths]
    assert (tokens <= [e * n.sum() + 20 for n, e in zip(lengths, epochs, strict=True)]).all()
    assert (np.isclose(passes, epochs, atol=20 / min(n.sum() for n in lengths))).any()  # one part runs out
    ideal = np.array(weights) / sum(weights) * tokens.sum()
    np.testing.assert_allclose(tokens, ideal, atol=20 * (1 + sum(weights) / min(weights)))
    assert all(c.max() - c.min() <= 1 for c in copies)  # nobody comes up twice more than another


def test_table_a1_is_a_recipe() -> None:
    # Documents of one length; a part's size and share as printed, in per cent and arbitrary units.
    share = [45, 30, 10, 10, 4, 1]
    size = [4536, 5000, 1624, 5952, 3846, 37]
    lengths = [np.ones(n, dtype=np.int64) for n in size]
    digests = [np.arange(n, dtype=np.uint64) for n in size]
    copies = choose_copies(lengths, digests, share, [1.24, 0.75, 0.77, 0.21, 0.13, 3.4])
    total = sum(c.sum() for c in copies)
    assert [round(100 * c.sum() / total) for c in copies] == share
    assert copies[5].sum() / size[5] > 1 > copies[3].sum() / size[3]


def test_a_part_without_text_is_refused() -> None:
    none, some = np.zeros(0, dtype=np.int64), np.ones(3, dtype=np.int64)
    with pytest.raises(InputError, match=r"\[3, 0\] tokens"):
        choose_copies([some, none], [some.astype("u8"), none.astype("u8")], [1, 1], [1, 1])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: Part(SOURCES["sotu"], weight=0), "weight of 'sotu' is 0"),
        (lambda: Part(SOURCES["sotu"], weight=float("nan")), "weight of 'sotu' is nan"),
        (lambda: Part(SOURCES["sotu"], max_epochs=-1), "max_epochs of 'sotu' is -1"),
        (lambda: Recipe("mine", ()), "name one at least"),
        (lambda: Recipe("mine", (Part(SOURCES["sotu"]),) * 2), "none twice"),
        (lambda: Recipe("mine", (Part(SOURCES["sotu"], 1), Part(SOURCES["stdlib"]))), "weigh all or none"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(wrong, named: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=named):
        wrong()


def test_english_goes_without_what_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere() -> dict[str, str]:
        raise InputError("it lies on the moon")

    for name in ("wikitext2", "debian-docs"):
        source = replace(SOURCES[name], fetch=nowhere)
        monkeypatch.setitem(SOURCES, name, source)
    with caplog.at_level(logging.WARNING):
        recipe = find_recipe("english")
    assert [part.source.name for part in recipe.parts] == ["sotu"]
    assert [r.message for r in caplog.records] == [
        f"english goes without {name}: it lies on the moon" for name in ("wikitext2", "debian-docs")
    ]
