from dataclasses import replace

import numpy as np
import pytest
import torch

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import InputError
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.cpu import CpuStep
from tests.training.test_loop import make_config


@pytest.fixture(scope="module")
def batches(shards: Shards) -> list[np.ndarray]:
    return list(training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=8, seed=0))


def test_a_state_goes_on_as_if_never_left(shards: Shards, batches: list[np.ndarray]) -> None:
    config = make_config(shards)
    first = CpuStep([config])
    for batch in batches[:4]:
        first([0.01], [batch])
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    second = CpuStep([replace(config, seed=1)])
    second.load(kept)
    assert [first([0.01], [b]).item() for b in batches[4:]] == [
        second([0.01], [b]).item() for b in batches[4:]
    ]


def test_a_model_without_a_rate_is_left_as_it_is(shards: Shards, batches: list[np.ndarray]) -> None:
    config = make_config(shards)
    step = CpuStep([config, config])
    for batch in batches:
        step([0.01, None], [batch, batch])
    fresh = CpuStep([config]).models[0].embedding.weight
    assert torch.equal(step.models[1].embedding.weight, fresh)
    assert not torch.equal(step.models[0].embedding.weight, fresh)


def test_reduced_precision_ends_with_the_step(
    shards: Shards, batches: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CpuStep([replace(make_config(shards), precision="bf16")])
    during = []
    gradients = step._gradients
    monkeypatch.setattr(
        step,
        "_gradients",
        lambda *args: (during.append(torch.get_float32_matmul_precision()), gradients(*args))[1],
    )
    step([0.01], [batches[0]])
    assert during == ["medium"]
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(InputError, match=r"the shapes \(1, 3, 32\) and \(1, 3, 32\); this step was made for"):
        step([0.01], [batches[0][:3]])
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_target_outside_the_vocabulary_is_refused(
    token: int, shards: Shards, batches: list[np.ndarray]
) -> None:
    step, batch = CpuStep([make_config(shards)]), batches[0].copy()
    batch[3, -1] = token  # only ever a target
    with pytest.raises(InputError, match=f"the vocabulary has {shards.vocab_size} tokens"):
        step([0.01], [batch])
