from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.readers import Reader
from chinchilla_lib.evaluation.sampling import pick, sample_texts


@dataclass
class Chain:
    """A Markov chain of three tokens that begins with 0 and ends with 2; its text is its tokens."""

    chances: Tensor
    name = "chain"
    max_length = 50
    begin_of_text = 0
    end_of_text = 2

    def decode(self, tokens: list[int]) -> str:
        return "".join(map(str, tokens))

    def reader(self) -> Reader:
        return lambda tokens: self.chances[tokens].log()


def test_tokens_come_as_often_as_they_should() -> None:
    """From 0, and from 1: which follows, and how long until the end."""
    chain = Chain(torch.tensor([[0.0, 0.9, 0.1], [0.25, 0.5, 0.25], [1.0, 0.0, 0.0]]))
    n = 4000
    texts = sample_texts(chain, n, n_tokens=50, batch=1000)  # type: ignore[arg-type]
    assert abs(np.mean([text == "" for text in texts]) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / n)
    assert not any("00" in text for text in texts)
    after = [b for text in texts if text for a, b in zip(text, text[1:] + "2", strict=True) if a == "1"]
    for token, share in (("0", 0.25), ("1", 0.5), ("2", 0.25)):
        assert abs(np.mean([b == token for b in after]) - share) < 4 * np.sqrt(0.25 / len(after))


def test_a_token_is_picked_at_the_height_of_its_draw() -> None:
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log().repeat(5, 1)
    assert pick(logits, np.array([0.0, 0.19, 0.21, 0.51, 1 - 1e-16])).tolist() == [0, 0, 1, 2, 2]
    without = torch.tensor([[0.0, 1.0, 0.0]]).log()
    assert pick(without, np.array([0.0])).tolist() == [1]


def test_samples_are_decided_by_seed_and_number(own_model: OwnModel) -> None:
    done: list[int] = []
    texts = sample_texts(own_model, 5, n_tokens=8, batch=2, on_progress=done.append)
    assert done == [2, 2, 1]
    assert sample_texts(own_model, 5, n_tokens=8, batch=5) == texts
    assert sample_texts(own_model, 3, n_tokens=8) == texts[:3]
    assert sample_texts(own_model, 5, n_tokens=8, seed=1) != texts
    assert len(set(texts)) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_samples": 0}, "n_samples is 0; give 1 or more"),
        ({"n_tokens": 0}, "n_tokens is 0; give 1 or more"),
        ({"batch": 0}, "batch is 0"),
        ({"n_tokens": 10_000}, "n_tokens is 10000; model reads "),
    ],
)
@pytest.mark.parametrize("own_model", ["rope"], indirect=True)
def test_bad_numbers_are_refused(own_model: OwnModel, change: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample_texts(own_model, **{"n_samples": 1, "n_tokens": 4, **change})
