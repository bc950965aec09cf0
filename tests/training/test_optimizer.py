import pytest
import torch

from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW

SHAPE = rope_shape(24, n_layers=2, vocab_size=50, seq_len=8)


@pytest.mark.parametrize("max_norm", [0.1, 1e9])  # always clipped, never clipped
def test_steps_are_those_of_adamw_after_clipping(max_norm: float) -> None:
    ours, theirs = Transformer(SHAPE, seed=0), Transformer(SHAPE, seed=0)
    flat = FlatAdamW([ours], betas=(0.9, 0.98), weight_decay=0.3)
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.3},
            {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
    )
    tokens = torch.randint(50, (4, 9), generator=torch.Generator().manual_seed(0))
    for step in range(10):
        theirs.zero_grad()
        theirs.loss(tokens[:, :-1], tokens[:, 1:]).backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert p.grad is not None
            assert q.grad is not None
            p.grad.copy_(q.grad)
        rate = optimiser.param_groups[0]["lr"] = optimiser.param_groups[1]["lr"] = 0.01 / (step + 1)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        optimiser.step()
        flat.step([rate], max_norm=max_norm)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_the_module_keeps_its_values_and_sees_the_steps() -> None:
    model, untouched = Transformer(SHAPE, seed=0), Transformer(SHAPE, seed=0)
    flat = FlatAdamW([model], betas=(0.9, 0.98), weight_decay=0.1)
    names = dict(untouched.named_parameters())
    for name, p in model.named_parameters():
        assert p.is_contiguous()
        assert torch.equal(p, names[name])
    tokens = torch.zeros(1, 8, dtype=torch.int64)
    before = model.loss(tokens, tokens)
    places = [p.grad.data_ptr() for p in model.parameters() if p.grad is not None]
    before.backward()  # adds to the gradients where they are
    assert places == [p.grad.data_ptr() for p in model.parameters() if p.grad is not None]
    flat.step([0.01], max_norm=1.0)
    assert model.loss(tokens, tokens) < before
    flat.zero_grad()
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)


def test_each_model_has_its_own_rate_and_clipping_bit_for_bit() -> None:
    def train(models: list[Transformer], rates: list[float], scales: list[float]) -> None:
        flat = FlatAdamW(models, betas=(0.9, 0.98), weight_decay=0.1)
        for step in range(3):
            flat.zero_grad()
            tokens = torch.randint(50, (4, 9), generator=torch.Generator().manual_seed(step))
            for model, scale in zip(models, scales, strict=True):
                (model.loss(tokens[:, :-1], tokens[:, 1:]) * scale).backward()
            flat.step(rates, max_norm=1.0)

    rates, scales = [0.01, 0.0, 0.1], [1e-3, 1.0, 1e3]
    together = [Transformer(SHAPE, seed=seed) for seed in range(3)]
    train(together, rates, scales)
    for seed in range(3):
        alone = Transformer(SHAPE, seed=seed)
        assert torch.equal(alone.embedding.weight, together[seed].embedding.weight) == (rates[seed] == 0)
        train([alone], [rates[seed]], [scales[seed]])
        assert torch.equal(alone.embedding.weight, together[seed].embedding.weight)


def test_weights_without_a_float32_copy_lose_small_steps() -> None:
    model = Transformer(SHAPE, seed=0)
    flat = FlatAdamW([model], betas=(0.9, 0.98), weight_decay=0.0, weight_dtype=torch.bfloat16)
    weights = [p for p in model.parameters() if p.ndim == 1]  # gains of 1: the next number is 1 / 128 below
    for rate, moved in ((1e-4, False), (0.02, True)):
        for p in model.parameters():
            assert p.grad is not None
            p.grad.fill_(1.0)
        flat.step([rate], max_norm=1e9)
        assert all(torch.equal(p, p.bfloat16().float()) for p in model.parameters())
        assert all(bool((p != 1).all()) == moved for p in weights)
