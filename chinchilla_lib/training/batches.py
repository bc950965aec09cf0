"""Which windows of the corpus a step sees, and which are held out for good."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from chinchilla_lib.corpus.shards import Shards, Split
from chinchilla_lib.errors import InputError

__all__ = ["HeldoutWindows", "choose_heldout", "corrupt_batches", "training_batches", "unique_tokens"]


def unique_tokens(split: Split, seq_len: int) -> int:
    """Tokens that one epoch of windows trains on."""
    return sum(_n_windows(shard, seq_len, 0) for shard in split.shards) * seq_len


def training_batches(
    split: Split,
    *,
    seq_len: int,
    batch_size_sequences: int,
    n_steps: int,
    seed: int,
    n_unique: int | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Batches of windows, each window once per epoch in a random order.

    Windows do not overlap within an epoch; every epoch draws a new order and a new offset,
    so repeated data is cut at other places, at multiples of the split's alignment. The order depends on
    the seed alone, not on the batch size: runs of one seed see the same text in the same order.

    Parameters
    ----------
    split : Split
    seq_len : int
    batch_size_sequences, n_steps : int
    seed : int
    n_unique : int, optional
        Windows, drawn at random by the seed, that are all there is: a smaller number is a part of a larger.
        They keep their places in every epoch.

    Yields
    ------
    ndarray
        Token ids, shape (batch_size_sequences, seq_len + 1): inputs and, one to the right,
        their targets.

    Raises
    ------
    InputError
        If the split holds no window of that length or fewer than `n_unique`, or its alignment does not divide
        the length.
    """
    order = _window_order(split, seq_len, np.random.default_rng([seed, 0x0DA7A]), n_unique)
    for _ in range(n_steps):
        windows = [next(order) for _ in range(batch_size_sequences)]
        yield np.stack([split.shards[i][at : at + seq_len + 1] for i, at in windows]).astype(np.int64)


def corrupt_batches(
    batches: Iterable[npt.NDArray[np.int64]], *, fraction: float, vocab_size: int, seed: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Replace a share of the tokens by ones drawn uniformly from the vocabulary.

    Parameters
    ----------
    batches : iterable of ndarray
    fraction : float
        0 leaves them as they are.
    vocab_size, seed : int

    Examples
    --------
    >>> batches = [np.zeros((4, 100), dtype=np.int64)]
    >>> [noisy] = corrupt_batches(batches, fraction=0.25, vocab_size=1000, seed=0)
    >>> float((noisy != 0).mean())
    0.2375
    """
    rng = np.random.default_rng([seed, 0xBAD])
    for batch in batches:
        if fraction:
            at_random = rng.random(batch.shape) < fraction
            batch = np.where(at_random, rng.integers(vocab_size, size=batch.shape), batch)
        yield batch


@dataclass(frozen=True, eq=False)
class HeldoutWindows:
    """The fixed held-out set, the same for every run of a sweep.

    Attributes
    ----------
    tokens : ndarray
        Shape (n, seq_len + 1).
    document : ndarray
        Index of the document each window lies in, shape (n,).
    n_bytes : int
        Bytes of text that the predicted tokens stand for.
    """

    tokens: npt.NDArray[np.int64]
    document: npt.NDArray[np.int64]
    n_bytes: int


def choose_heldout(shards: Shards, *, seq_len: int, n_sequences: int) -> HeldoutWindows:
    """Windows spread evenly over the held-out documents; no window crosses two of them.

    Parameters
    ----------
    shards : Shards
    seq_len, n_sequences : int

    Returns
    -------
    HeldoutWindows

    Raises
    ------
    InputError
        If the held-out side has fewer windows than asked for, or its alignment does not divide the length.
    """
    split = shards.validation
    _check_alignment(split, seq_len)
    ends = np.append(split.document_starts[1:], split.n_tokens)
    per_document = (ends - split.document_starts - 1) // seq_len
    total = int(per_document.sum())
    if n_sequences > total:
        raise InputError(
            f"n_sequences is {n_sequences}; the held-out side of {shards.name!r} has {total} windows "
            f"of {seq_len} tokens: ask for {total} at most"
        )
    document = np.repeat(np.arange(len(per_document)), per_document)
    within = np.arange(total) - np.repeat(np.cumsum(per_document) - per_document, per_document)
    chosen = np.linspace(0, total - 1, n_sequences).round().astype(np.int64)
    start = split.document_starts[document[chosen]] + within[chosen] * seq_len
    # Documents do not cross shards, so neither do these windows.
    first = np.cumsum([0] + [len(shard) for shard in split.shards])
    index = np.searchsorted(first, start, side="right") - 1
    at = start - first[index]
    windows = np.stack([split.shards[i][a : a + seq_len + 1] for i, a in zip(index, at, strict=True)])
    windows = windows.astype(np.int64)
    return HeldoutWindows(windows, document[chosen], int(shards.token_bytes[windows[:, 1:]].sum()))


def _check_alignment(split: Split, seq_len: int) -> None:
    k = split.alignment
    if seq_len % k:
        below = seq_len - seq_len % k
        raise InputError(
            f"seq_len is {seq_len}; this corpus comes in groups of {k} tokens, so the length must be a "
            f"multiple of {k}: take {below or k} or {below + k}"
        )


def _n_windows(shard: npt.NDArray[np.uint16], seq_len: int, offset: int) -> int:
    return max(0, (len(shard) - 1 - offset) // seq_len)


def _window_order(
    split: Split, seq_len: int, rng: np.random.Generator, n_unique: int | None
) -> Iterator[tuple[int, int]]:
    """Shard and first token of one window after the other; memory holds one number for each."""
    _check_alignment(split, seq_len)
    if not unique_tokens(split, seq_len):
        raise InputError(f"the training side holds {split.n_tokens} tokens; one window needs {seq_len + 1}")
    ends = _ends(split, seq_len, 0)
    if n_unique is not None and n_unique > ends[-1]:
        raise InputError(f"the training side holds {ends[-1]} windows of {seq_len} tokens, not {n_unique}")
    kept = None if n_unique is None else rng.permutation(ends[-1])[:n_unique]
    offset = 0
    while True:
        if kept is None:
            offset = split.alignment * int(rng.integers(seq_len // split.alignment))
            ends = _ends(split, seq_len, offset)
        for j in rng.permutation(ends[-1] if kept is None else kept):
            shard = bisect_right(ends, j)
            before = ends[shard - 1] if shard else 0
            yield shard, offset + (int(j) - before) * seq_len


def _ends(split: Split, seq_len: int, offset: int) -> list[int]:
    """Windows up to the end of each shard."""
    return list(accumulate(_n_windows(shard, seq_len, offset) for shard in split.shards))
