"""Log-likelihood of continuations under a model, shared beginnings computed once."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import LanguageModel
from chinchilla_lib.evaluation.packing import Pack, pack_sequences

__all__ = ["MAX_NODES", "score_continuations"]

MAX_NODES: Final = 1024
"""Tokens computed at once: the mask grows with their square, what is shared more slowly."""


def score_continuations(
    model: LanguageModel,
    requests: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    max_nodes: int = MAX_NODES,
    on_progress: Callable[[int], None] | None = None,
) -> list[tuple[float, bool]]:
    """Log-likelihood of each continuation after its context.

    Where both together are longer than the model, the context loses its beginning; a continuation longer
    than the model is scored on its end, as lm-eval does.

    Parameters
    ----------
    model : LanguageModel
    requests : sequence of (context, continuation)
        Token ids, neither empty.
    max_nodes : int
        See :func:`~chinchilla_lib.evaluation.packing.pack_sequences`.
    on_progress : callable, optional
        Called with the number of requests just done.

    Returns
    -------
    list of (float, bool)
        Nats, and whether each of its tokens is the likeliest; in the order given.

    Raises
    ------
    InputError
        If a context or a continuation is empty.
    """
    for i, (context, continuation) in enumerate(requests):
        if not len(context) or not len(continuation):
            empty = "continuation" if len(context) else "context"
            raise InputError(f"request {i}: the {empty} is empty; give one token at least")
    cut = [_fit(model.max_length, *request) for request in requests]
    unique: dict[tuple[int, ...], int] = {}
    for sequence, _ in cut:
        unique.setdefault(tuple(sequence[:-1]), len(unique))
    users: dict[int, list[int]] = {}
    for i, (sequence, _) in enumerate(cut):
        users.setdefault(unique[tuple(sequence[:-1])], []).append(i)
    found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
    for pack in pack_sequences(list(unique), max_nodes=max_nodes if model.takes_trees else 0):
        asked = [(i, pack.paths[input_]) for input_ in pack.paths for i in users[input_]]
        for (i, _), result in zip(asked, _score_pack(model, pack, asked, cut), strict=True):
            found[i] = result
        if on_progress is not None:
            on_progress(len(asked))
    return found


def _fit(max_length: int, context: Sequence[int], continuation: Sequence[int]) -> tuple[list[int], int]:
    """What is read and predicted, and how many tokens at its end count."""
    sequence = [*context, *continuation][-(max_length + 1) :]
    return sequence, min(len(continuation), len(sequence) - 1)


def _score_pack(
    model: LanguageModel,
    pack: Pack,
    asked: Sequence[tuple[int, np.ndarray]],
    cut: Sequence[tuple[list[int], int]],
) -> list[tuple[float, bool]]:
    nodes = [path[len(path) - cut[i][1] :] for i, path in asked]
    targets = [torch.tensor(cut[i][0][-cut[i][1] :]) for i, _ in asked]
    at = np.unique(np.concatenate(nodes))
    log_probs = model.logits(pack, at).log_softmax(-1)
    best = log_probs.argmax(-1)
    results = []
    for path, target in zip(nodes, targets, strict=True):
        rows = torch.from_numpy(np.searchsorted(at, path))
        chosen = log_probs[rows, target].double()
        results.append((float(chosen.sum()), bool((best[rows] == target).all())))
    return results
