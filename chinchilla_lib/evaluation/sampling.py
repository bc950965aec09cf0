"""Unprompted samples: texts that a model writes from nothing (section 4.2.7)."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import LanguageModel

__all__ = ["sample_texts"]

_BATCH: Final = 64


def sample_texts(
    model: LanguageModel,
    n_samples: int,
    *,
    n_tokens: int,
    seed: int = 0,
    batch: int = _BATCH,
    on_progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Texts drawn from a model at temperature one, from nothing.

    Each token is drawn from the whole distribution. A text ends before the end-of-text token, or when it has
    as many tokens as it may have.

    Parameters
    ----------
    model : LanguageModel
    n_samples, n_tokens : int
        Texts, and tokens of each at most.
    seed : int
        A sample is decided by the seed and its number, whatever the batch, but for rounding.
    batch : int
        Texts written at once.
    on_progress : callable, optional
        Called with the number of texts just written.

    Raises
    ------
    InputError
        If there are no texts or tokens to write, or more tokens than the model reads.
    """
    for name, value in (("n_samples", n_samples), ("n_tokens", n_tokens), ("batch", batch)):
        if value < 1:
            raise InputError(f"{name} is {value}; give 1 or more")
    if n_tokens > model.max_length:
        raise InputError(f"n_tokens is {n_tokens}; {model.name} reads {model.max_length} at most")
    texts: list[str] = []
    for first in range(0, n_samples, batch):
        numbers = range(first, min(first + batch, n_samples))
        draws = np.array([np.random.default_rng([seed, i]).random(n_tokens) for i in numbers])
        written = [model.decode(tokens) for tokens in _write(model, draws)]
        texts += written
        if on_progress is not None:
            on_progress(len(written))
    return texts


def _write(model: LanguageModel, draws: npt.NDArray[np.float64]) -> Iterator[list[int]]:
    """Tokens of each text; draws, from 0 to 1, have shape (texts, tokens)."""
    read_on = model.reader()
    tokens = np.full(len(draws), model.begin_of_text)
    written = np.full(draws.shape, model.end_of_text)
    going = np.ones(len(draws), dtype=bool)
    for t, draw in enumerate(draws.T):
        tokens = pick(read_on(torch.from_numpy(tokens)), draw)
        going &= tokens != model.end_of_text
        if not going.any():
            break
        written[going, t] = tokens[going]
    for row in written:
        ends = np.flatnonzero(row == model.end_of_text)
        yield row[: ends[0] if len(ends) else len(row)].tolist()


def pick(logits: torch.Tensor, draws: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The token at which the cumulative probability passes each draw; logits of shape (texts, vocabulary)."""
    heights = logits.double().softmax(-1).cumsum(-1)
    level = torch.from_numpy(np.ascontiguousarray(draws))[:, None] * heights[:, -1:]
    found: npt.NDArray[np.int64] = torch.searchsorted(heights, level, right=True)[:, 0].numpy()
    return np.minimum(found, logits.shape[-1] - 1)
