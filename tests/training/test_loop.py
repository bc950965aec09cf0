import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.plan import rope_shape
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.handwritten import HandwrittenGradients
from chinchilla_lib.training.loop import (
    CURVE_POINTS,
    TrainingStep,
    thin_curve,
    train_run,
)
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.optimizer import FlatAdamW
from chinchilla_lib.training.schedule import schedule_rate

CPU = torch.device("cpu")


def make_config(shards: Shards, n_steps: int = 60) -> RunConfig:
    return RunConfig(
        shape=rope_shape(24, n_layers=2, vocab_size=shards.vocab_size, seq_len=32),
        n_steps=n_steps,
        batch_size_sequences=8,
        learning_rate=0.01,
        warmup_steps=3,
        seed=0,
        flops_budget=1e9,
        flops_convention="matmul",
        corpus=shards.identity,
        eval_sequences=64,
    )


def test_training_learns_and_repeats_itself_bit_for_bit(shards: Shards) -> None:
    seen: list[tuple[int, float]] = []
    config = make_config(shards)
    first = train_run(config, shards, device=CPU, on_step=lambda step, loss: seen.append((step, loss)))
    again = train_run(config, shards, device=CPU)
    assert replace(again, seconds=0.0) == replace(first, seconds=0.0)
    assert [step for step, _ in seen] == list(range(1, 61))
    assert first.curve.train_loss == tuple(loss for _, loss in seen)  # 60 steps need no thinning
    assert seen[0][1] > math.log(shards.vocab_size) - 0.2
    assert first.loss < 3.5  # a chain of 80 words is easy: far below the uniform 5.7
    assert 0 < first.loss_se < 0.5
    assert train_run(replace(config, seed=1), shards, device=CPU).loss != first.loss


def test_the_learning_rate_follows_the_schedule(shards: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = FlatAdamW.step

    def spy(self: FlatAdamW, learning_rate: float, *, max_norm: float) -> None:
        rates.append(learning_rate)
        step(self, learning_rate, max_norm=max_norm)

    monkeypatch.setattr(FlatAdamW, "step", spy)
    train_run(make_config(shards, n_steps=20), shards, device=CPU)
    assert max(rates) == rates[3] == 0.01
    assert rates[-1] == pytest.approx(0.001)


def _train_by_autograd(config: RunConfig, batches: list[np.ndarray]) -> tuple[list[float], Transformer]:
    """The recipe with nothing of ours but the model, the schedule and the batches."""
    model = Transformer(config.shape, seed=config.seed)
    gains = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": gains, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(config.beta1, config.beta2))
    losses = []
    for i, batch in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = schedule_rate(config, i)
        tokens = torch.from_numpy(batch)
        loss = model.loss(tokens[:, :-1], tokens[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        optimiser.step()
        losses.append(loss.item())
    return losses, model


# A weight of zero gradient moves by the sign of a rounding error times the rate: 1e-4 of loss is ample.
def test_twenty_steps_on_the_cpu_are_those_of_autograd(shards: Shards) -> None:
    config = make_config(shards, n_steps=20)
    batches = list(training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=20, seed=0))
    expected, model = _train_by_autograd(config, batches)
    step = TrainingStep(config, CPU)
    assert [step(i, batch) for i, batch in enumerate(batches)] == pytest.approx(expected, abs=1e-4)
    for ours, theirs in zip(step.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


def test_a_step_too_steep_for_plain_exponentials_is_left_to_autograd(shards: Shards) -> None:
    step = TrainingStep(make_config(shards), CPU)
    with torch.no_grad():
        step.model.blocks[0].qkv.weight.mul_(100)  # scores of some 10 000
    (batch,) = training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=1, seed=0)
    tokens, targets = torch.from_numpy(batch[:, :-1]), torch.from_numpy(batch[:, 1:])
    assert not math.isfinite(HandwrittenGradients(step.model, 8)(tokens, targets))
    expected = torch.autograd.grad(step.model.loss(tokens, targets), list(step.model.parameters()))
    assert float(step._fill_gradients(tokens, targets)) == step.model.loss(tokens, targets).item()
    for p, gradient in zip(step.model.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient)


def test_a_loss_that_is_no_number_ends_the_run(shards: Shards) -> None:
    config = replace(make_config(shards), learning_rate=1e30, warmup_steps=0)
    with pytest.raises(DivergedError, match=r"at step \d+ of 60"):
        train_run(config, shards, device=CPU)


def test_a_run_planned_for_other_shards_is_refused(shards: Shards) -> None:
    config = make_config(shards)
    with pytest.raises(InputError, match="planned for corpus other"):
        train_run(replace(config, corpus="other"), shards)
    wider = replace(config, shape=replace(config.shape, vocab_size=999))
    with pytest.raises(InputError, match="vocab_size 999"):
        train_run(wider, shards)


@given(st.integers(1, 3000), st.integers(1, 300))
def test_thinning_keeps_the_mean_and_the_end(n_steps: int, n_points: int) -> None:
    losses = np.random.default_rng(n_steps).uniform(2, 6, size=n_steps)
    curve = thin_curve(losses, n_points)
    lengths = np.diff([0, *curve.step])
    assert len(curve.step) == min(n_points, n_steps)
    assert curve.step[-1] == n_steps
    assert lengths.max() - lengths.min() <= 1
    assert np.average(curve.train_loss, weights=lengths) == pytest.approx(losses.mean())


def test_a_curve_has_some_two_hundred_points() -> None:
    assert len(thin_curve(np.ones(5000)).step) == CURVE_POINTS == 200
