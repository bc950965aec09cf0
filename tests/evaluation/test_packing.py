import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.packing import Pack, pack_sequences

sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)
# Beginnings long enough to be stems.
long_sequences = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(14, 40), st.lists(st.integers(0, 1), min_size=1, max_size=6)
    ).map(lambda x: [7 + x[0]] * x[1] + x[2]),
    min_size=1,
    max_size=10,
)


def check_mask(pack: Pack) -> None:
    """Each node sees its own path up to itself."""
    n_stem, mask = len(pack.stem), pack.mask
    for path in pack.paths.values():
        for k, column in enumerate(path):
            if column >= n_stem:
                assert np.flatnonzero(mask[column - n_stem]).tolist() == path[: k + 1].tolist()
                assert pack.positions[column - n_stem] == k


@given(sequences, st.integers(0, 30))
def test_a_branch_is_its_sequence_and_sees_itself_alone(given_: list[list[int]], max_nodes: int) -> None:
    packs = pack_sequences(given_, max_nodes=max_nodes)
    assert sorted(i for pack in packs for i in pack.paths) == list(range(len(given_)))
    for pack in packs:
        assert not len(pack.stem)
        check_mask(pack)
        for i, path in pack.paths.items():
            assert pack.tokens[path].tolist() == given_[i]
        assert len(pack.tokens) <= max(max_nodes, *(len(path) for path in pack.paths.values()))


@given(long_sequences, st.integers(1, 60), st.data())
def test_stems_are_what_the_pack_before_ended_with(
    given_: list[list[int]], max_nodes: int, data: st.DataObject
) -> None:
    needed = [data.draw(st.integers(0, len(sequence) - 1)) for sequence in given_]
    packs = pack_sequences(given_, max_nodes=max_nodes, first_needed=needed, stems=True)
    columns: list[int] = []
    computed: dict[int, list[int]] = {i: [] for i in range(len(given_))}
    longest = dict.fromkeys(computed, 0)
    for pack in packs:
        assert len(pack.tokens) <= max_nodes
        columns = [*(columns[j] for j in pack.stem), *pack.tokens.tolist()]
        check_mask(pack)
        for i, path in pack.paths.items():
            assert [columns[j] for j in path] == given_[i][: len(path)]
            computed[i] += [k for k, column in enumerate(path) if column >= len(pack.stem)]
            longest[i] = len(path)
    for i, sequence in enumerate(given_):
        assert longest[i] == len(sequence)
        # What is needed is computed in a pack that knows of the sequence, and once.
        assert [k for k in computed[i] if k >= needed[i]] == list(range(needed[i], len(sequence)))


def test_a_long_beginning_is_computed_once_for_all_packs() -> None:
    shots = list(range(100, 700))
    asked = [[*shots, *range(10 * k, 10 * k + 10)] for k in range(9)]
    packs = pack_sequences(asked, max_nodes=64, first_needed=[609] * 9, stems=True)
    assert sum(len(pack.tokens) for pack in packs) == 600 + 9 * 10
    assert max(len(pack.tokens) for pack in packs) == 64
    without = pack_sequences(asked, max_nodes=64)
    assert sum(len(pack.tokens) for pack in without) == 9 * 610


@given(sequences)
def test_nothing_is_computed_twice(given_: list[list[int]]) -> None:
    (pack,) = pack_sequences(given_, max_nodes=10**6)
    beginnings = {tuple(sequence[: k + 1]) for sequence in given_ for k in range(len(sequence))}
    assert len(pack.tokens) == len(beginnings)


def test_one_sequence_is_a_line_and_a_fork_is_none() -> None:
    (line,) = pack_sequences([[1, 2, 3], [1, 2]], max_nodes=9)
    assert line.is_line
    (fork,) = pack_sequences([[1, 2, 3], [1, 3]], max_nodes=9)
    assert not fork.is_line
    first, rest = pack_sequences([[1, 2, 3]], max_nodes=2, stems=True)
    assert first.is_line
    assert not rest.is_line
    assert rest.mask.tolist() == [[True, True, True]]


def test_without_room_each_sequence_is_alone() -> None:
    packs = pack_sequences([[1, 2], [1, 2, 3], [1]], max_nodes=0)
    assert sorted(pack.tokens.tolist() for pack in packs) == [[1], [1, 2], [1, 2, 3]]


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(InputError, match="sequence 1 is empty"):
        pack_sequences([[1], []], max_nodes=10)
