import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.packing import pack_sequences

sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)


@given(sequences, st.integers(0, 30))
def test_a_branch_is_its_sequence_and_sees_itself_alone(given_: list[list[int]], max_nodes: int) -> None:
    packs = pack_sequences(given_, max_nodes=max_nodes)
    assert sorted(i for pack in packs for i in pack.paths) == list(range(len(given_)))
    for pack in packs:
        for i, path in pack.paths.items():
            assert pack.tokens[path].tolist() == given_[i]
            assert pack.positions[path].tolist() == list(range(len(path)))
            for k, node in enumerate(path):
                assert np.flatnonzero(pack.mask[node]).tolist() == path[: k + 1].tolist()
        assert len(pack.tokens) <= max(max_nodes, *(len(path) for path in pack.paths.values()))


@given(sequences)
def test_nothing_is_computed_twice(given_: list[list[int]]) -> None:
    (pack,) = pack_sequences(given_, max_nodes=10**6)
    beginnings = {tuple(sequence[: k + 1]) for sequence in given_ for k in range(len(sequence))}
    assert len(pack.tokens) == len(beginnings)


def test_without_room_each_sequence_is_alone() -> None:
    packs = pack_sequences([[1, 2], [1, 2, 3], [1]], max_nodes=0)
    assert sorted(pack.tokens.tolist() for pack in packs) == [[1], [1, 2], [1, 2, 3]]


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(InputError, match="sequence 1 is empty"):
        pack_sequences([[1], []], max_nodes=10)
