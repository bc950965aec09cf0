"""Sequences that begin alike, laid into trees: a token that several share is computed once.

Choices of one question share the question, questions of one task the examples before it. Their tokens make a
tree; each looks back on its ancestors alone, at positions counted along its own branch. A transformer with
the mask of that tree gives every branch the numbers it would have had alone.

A tree of thousands of tokens is cut into packs. What a pack shares with the one before, its *stem*, need not
be computed again if the model keeps the keys and values of the tokens it has read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError

__all__ = ["Pack", "pack_sequences"]

IntArray = npt.NDArray[np.int64]

_SHORTEST_STEM: Final = 16  # tokens; a shorter one is computed again, since a pack without needs no gathering


@dataclass(frozen=True, eq=False)
class Pack:
    """Tokens computed at once: parents before their children, behind a stem that is known.

    Its *columns* are the tokens of the stem, then its own.

    Attributes
    ----------
    tokens : ndarray
        Token of each node, shape (n,).
    positions : ndarray
        Tokens before it on its branch, those of the stem included, shape (n,).
    parents : ndarray
        Column of the token before it on its branch, or -1, shape (n,).
    stem : ndarray
        Columns of the pack before that are this one's first, shape (s,).
    paths : mapping of int to ndarray
        By index of a sequence, the columns of its tokens in order. Of a sequence that is longer than a pack,
        each pack has the tokens up to there.
    """

    tokens: IntArray
    positions: IntArray
    parents: IntArray
    stem: IntArray
    paths: dict[int, IntArray]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether node i sees column j, shape (n, s + n): itself and its ancestors."""
        n_stem = len(self.stem)
        mask = np.zeros((len(self.tokens), n_stem + len(self.tokens)), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= n_stem:
                mask[node] = mask[parent - n_stem]
            else:
                mask[node, : parent + 1] = True
            mask[node, n_stem + node] = True
        return mask

    @property
    def is_line(self) -> bool:
        """Whether it is one sequence from its beginning, which needs no mask."""
        return not len(self.stem) and bool((self.parents == np.arange(len(self.tokens)) - 1).all())


def pack_sequences(
    sequences: Sequence[Sequence[int]],
    *,
    max_nodes: int,
    first_needed: Sequence[int] | None = None,
    stems: bool = False,
) -> list[Pack]:
    """Lay sequences into packs.

    Parameters
    ----------
    sequences : sequence of sequence of int
        Token ids, none empty.
    max_nodes : int
        Of a pack. A longer sequence is cut where there are stems, else has a pack for itself; 0 gives each
        sequence its own.
    first_needed : sequence of int, optional
        Position in each sequence from which on a node is needed, and no stem will do; 0 when not given.
    stems : bool
        Whether a pack may go on from the one before.

    Returns
    -------
    list of Pack
        Each sequence is in one of them; one that was cut, in several on end.

    Raises
    ------
    InputError
        If a sequence is empty.

    Examples
    --------
    >>> [pack] = pack_sequences([[1, 2, 3], [1, 2, 4], [1, 2, 5]], max_nodes=16)
    >>> pack.tokens.tolist(), pack.parents.tolist()
    ([1, 2, 3, 4, 5], [-1, 0, 1, 1, 1])
    """
    for i, sequence in enumerate(sequences):
        if not len(sequence):
            raise InputError(f"sequence {i} is empty; give one token at least")
    builder = _Builder()
    # In this order those with the longest common beginnings are neighbours.
    for i in sorted(range(len(sequences)), key=lambda i: tuple(sequences[i])):
        sequence, needed = sequences[i], first_needed[i] if first_needed is not None else 0
        shared = _n_shared(sequence, builder.sequence)
        full = builder.n_nodes + len(sequence) - shared > max_nodes
        if builder.n_nodes and (full or min(shared, len(builder.stem)) > needed):
            shared = min(shared, needed) if stems else 0
            shared = shared if shared >= _SHORTEST_STEM else 0
            builder.close(n_kept=shared)
        builder.begin(sequence, shared)
        end = len(sequence)
        while stems and max_nodes and end - len(builder.path) > max_nodes - builder.n_nodes:
            builder.add(i, len(builder.path) + max_nodes - builder.n_nodes)
            builder.close(n_kept=len(builder.path))
        builder.add(i, end)
    builder.close(n_kept=0)
    return builder.packs


class _Builder:
    """A pack that is being filled, and those that are full."""

    def __init__(self) -> None:
        self.packs: list[Pack] = []
        self.sequence: Sequence[int] = ()  # the one before, of which ...
        self.path: list[int] = []  # ... these columns
        self.stem: list[int] = []
        self._clear()

    def _clear(self) -> None:
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._parents: list[int] = []
        self._paths: dict[int, IntArray] = {}

    @property
    def n_nodes(self) -> int:
        return len(self._tokens)

    def begin(self, sequence: Sequence[int], shared: int) -> None:
        """Another sequence, which shares so many tokens with the one before."""
        self.sequence, self.path = sequence, self.path[:shared]

    def add(self, i: int, end: int) -> None:
        """Nodes of the tokens up to there, of sequence i."""
        for position in range(len(self.path), end):
            self._tokens.append(self.sequence[position])
            self._positions.append(position)
            self._parents.append(self.path[-1] if self.path else -1)
            self.path.append(len(self.stem) + self.n_nodes - 1)
        self._paths[i] = np.array(self.path, dtype=np.int64)

    def close(self, *, n_kept: int) -> None:
        """End a pack; the next goes on from the first tokens of the last sequence."""
        if self._tokens:
            arrays = [
                np.array(x, dtype=np.int64) for x in (self._tokens, self._positions, self._parents, self.stem)
            ]
            self.packs.append(Pack(arrays[0], arrays[1], arrays[2], arrays[3], self._paths))
        self.stem, self.path = self.path[:n_kept], list(range(n_kept))
        self._clear()


def _n_shared(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n
