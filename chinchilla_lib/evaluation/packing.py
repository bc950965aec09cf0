"""Sequences that begin alike, laid into one: a token that several share is computed once.

Choices of one question share the question, questions of one task the examples before it. Their tokens make a
tree; each looks back on its ancestors alone, at positions counted along its own branch. A transformer with
the mask of that tree gives every branch the numbers it would have had alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chinchilla_lib.errors import InputError

__all__ = ["Pack", "pack_sequences"]


@dataclass(frozen=True, eq=False)
class Pack:
    """A tree of tokens, parents before their children.

    Attributes
    ----------
    tokens : ndarray
        Token of each node, shape (n,).
    positions : ndarray
        Tokens before it on its branch, shape (n,).
    mask : ndarray
        Whether node i sees node j, shape (n, n): itself and its ancestors.
    paths : mapping of int to ndarray
        By index of a sequence, the nodes of its tokens in order.
    """

    tokens: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]
    paths: dict[int, npt.NDArray[np.int64]]


def pack_sequences(sequences: Sequence[Sequence[int]], *, max_nodes: int) -> list[Pack]:
    """Lay sequences into trees.

    Parameters
    ----------
    sequences : sequence of sequence of int
        Token ids, none empty.
    max_nodes : int
        Of a tree; a longer sequence has one for itself. 0 gives each sequence its own.

    Returns
    -------
    list of Pack
        Each sequence is in one of them.

    Raises
    ------
    InputError
        If a sequence is empty.
    """
    for i, sequence in enumerate(sequences):
        if not len(sequence):
            raise InputError(f"sequence {i} is empty; give one token at least")
    packs: list[Pack] = []
    tokens: list[int] = []
    parents: list[int] = []
    paths: dict[int, list[int]] = {}
    last: list[int] = []  # nodes of the sequence before
    # In this order those with the longest common beginnings are neighbours.
    for i in sorted(range(len(sequences)), key=lambda i: tuple(sequences[i])):
        sequence = sequences[i]
        shared = _n_shared(sequence, [tokens[node] for node in last])
        if tokens and len(tokens) + len(sequence) - shared > max_nodes:
            packs.append(_pack(tokens, parents, paths))
            tokens, parents, paths, last, shared = [], [], {}, [], 0
        path = last[:shared]
        for token in sequence[shared:]:
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(token)
        paths[i] = last = path
    if tokens:
        packs.append(_pack(tokens, parents, paths))
    return packs


def _n_shared(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def _pack(tokens: list[int], parents: list[int], paths: dict[int, list[int]]) -> Pack:
    n = len(tokens)
    mask = np.zeros((n, n), dtype=np.bool_)
    positions = np.zeros(n, dtype=np.int64)
    for node, parent in enumerate(parents):
        if parent >= 0:
            mask[node] = mask[parent]
            positions[node] = positions[parent] + 1
        mask[node, node] = True
    held = {i: np.array(path, dtype=np.int64) for i, path in paths.items()}
    return Pack(np.array(tokens, dtype=np.int64), positions, mask, held)
