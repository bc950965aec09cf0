"""Log-likelihood of continuations under a model, shared beginnings computed once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import LanguageModel
from chinchilla_lib.evaluation.packing import Pack, pack_sequences
from chinchilla_lib.evaluation.progress import Meter, Progress

__all__ = ["MAX_NODES", "measure_pace", "score_continuations"]

MAX_NODES: Final = 1024
"""Tokens computed at once: the mask grows with their square, what is shared more slowly."""

_TRIAL_TOKENS: Final = 128
_ROWS: Final = 8  # of logits at once, which are then still in the cache when they are normalised


def score_continuations(
    model: LanguageModel,
    requests: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    max_nodes: int = MAX_NODES,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[tuple[float, bool]]:
    """Log-likelihood of each continuation after its context.

    Where both together are longer than the model, the context loses its beginning, as with lm-eval. A
    continuation longer than the model, which lm-eval refuses, is scored on its end.

    Parameters
    ----------
    model : LanguageModel
    requests : sequence of (context, continuation)
        Token ids, neither empty.
    max_nodes : int
        See :func:`~chinchilla_lib.evaluation.packing.pack_sequences`.
    on_progress : callable, optional
        Called before the start, which costs a trial, and after each pack.

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
    asked = _Asked.of([_fit(model.max_length, *request) for request in requests])
    packs = _lay(model, asked, max_nodes)
    meter = None
    if on_progress is not None:
        n_tokens = sum(len(pack.tokens) for pack in packs)
        meter = Meter(on_progress, len(requests), n_tokens, measure_pace(model))
    totals, greedy = [0.0] * len(requests), [True] * len(requests)
    state: Any = None
    for pack in packs:
        state = _score_pack(model, pack, asked, state, totals, greedy)
        if meter is not None:
            ended = (i for i, path in pack.paths.items() if len(path) == len(asked.inputs[i]))
            meter.advance(sum(len(asked.users[i]) for i in ended), len(pack.tokens))
    return list(zip(totals, greedy, strict=True))


def measure_pace(model: LanguageModel) -> float:
    """Tokens that a model computes a second, by a short trial."""
    tokens = np.random.default_rng(0).integers(1, 100, size=min(_TRIAL_TOKENS, model.max_length)).tolist()
    (trial,) = pack_sequences([tokens], max_nodes=0)
    started = time.perf_counter()
    model.extend(trial, np.array([len(tokens) - 1]), None)
    return len(tokens) / (time.perf_counter() - started)


@dataclass(frozen=True)
class _Asked:
    """What is read, each once, and who asks what of it."""

    inputs: list[tuple[int, ...]]
    users: list[list[int]]  # requests, by input
    first_needed: list[int]  # by input
    targets: list[list[int]]  # tokens at the end, by request

    @classmethod
    def of(cls, cut: Sequence[tuple[list[int], int]]) -> "_Asked":
        numbers: dict[tuple[int, ...], int] = {}
        users: list[list[int]] = []
        for i, (sequence, _) in enumerate(cut):
            number = numbers.setdefault(tuple(sequence[:-1]), len(numbers))
            if number == len(users):
                users.append([])
            users[number].append(i)
        inputs = list(numbers)
        targets = [sequence[-n:] for sequence, n in cut]
        first = [len(x) - max(len(targets[i]) for i in who) for x, who in zip(inputs, users, strict=True)]
        return cls(inputs, users, first, targets)


def _fit(max_length: int, context: Sequence[int], continuation: Sequence[int]) -> tuple[list[int], int]:
    """What is read and predicted, and how many tokens at its end count."""
    sequence = [*context, *continuation][-(max_length + 1) :]
    return sequence, min(len(continuation), len(sequence) - 1)


def _lay(model: LanguageModel, asked: _Asked, max_nodes: int) -> list[Pack]:
    return pack_sequences(
        asked.inputs,
        max_nodes=max_nodes if model.takes_trees else 0,
        first_needed=asked.first_needed,
        stems=model.keeps_states,
    )


def _score_pack(
    model: LanguageModel, pack: Pack, asked: _Asked, state: Any, totals: list[float], greedy: list[bool]
) -> Any:
    """Add what the nodes of a pack give to the requests; returns the state after it."""
    nodes, targets, owners = [], [], []
    n_stem = len(pack.stem)
    for number, path in pack.paths.items():
        for i in asked.users[number]:
            # Of a sequence that was cut, what is in the stem has been counted.
            first = len(asked.inputs[number]) - len(asked.targets[i])
            at = np.arange(first, len(path))
            at = at[path[first:] >= n_stem]
            nodes.append(path[at] - n_stem)
            targets.append(np.array(asked.targets[i], dtype=np.int64)[at - first])
            owners.append(np.full(len(at), i))
    node, target, owner = (np.concatenate(each) for each in (nodes, targets, owners))
    needed, rows = np.unique(node, return_inverse=True)
    logits, state = model.extend(pack, needed, state)
    values, likeliest = _pick(logits, rows, target)
    for i, value, hit in zip(owner.tolist(), values.tolist(), (likeliest == target).tolist(), strict=True):
        totals[i] += value
        greedy[i] = greedy[i] and hit
    return state


def _pick(
    logits: torch.Tensor, rows: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Log-probability of each target in its row, and the likeliest token there."""
    n_rows = len(logits)
    norms, best = torch.empty(n_rows), torch.empty(n_rows, dtype=torch.long)
    for first in range(0, n_rows, _ROWS):
        part = slice(first, first + _ROWS)
        top, best[part] = logits[part].max(-1)
        norms[part] = (logits[part] - top[:, None]).exp_().sum(-1).log_() + top
    at = torch.from_numpy(rows)
    values = logits[at, torch.from_numpy(targets)] - norms[at]
    return values.double().numpy(), best[at].numpy()
