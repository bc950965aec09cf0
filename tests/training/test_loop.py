import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.errors import DivergedError, InputError
from chinchilla_lib.runs import RunConfig, RunFailure, RunRecord
from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training.batches import training_batches
from chinchilla_lib.training.cpu import CpuStep
from chinchilla_lib.training.cuda import DeviceSteps
from chinchilla_lib.training.loop import (
    CURVE_POINTS,
    make_step,
    side_by_side,
    thin_curve,
    train_job,
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

    def spy(self: FlatAdamW, learning_rates: Sequence[float], *, max_norm: float) -> None:
        rates.extend(learning_rates)
        step(self, learning_rates, max_norm=max_norm)

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
@pytest.mark.parametrize("kernels", ["native", "torch"])
def test_twenty_steps_on_the_cpu_are_those_of_autograd(
    kernels: str, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHINCHILLA_KERNELS", kernels)
    config = make_config(shards, n_steps=20)
    batches = list(training_batches(shards.train, seq_len=32, batch_size_sequences=8, n_steps=20, seed=0))
    expected, model = _train_by_autograd(config, batches)
    step = make_step([config], CPU)
    assert step.kernels == kernels
    found = [float(step([schedule_rate(config, i)], [batch])[0]) for i, batch in enumerate(batches)]
    assert found == pytest.approx(expected, abs=1e-4)
    for ours, theirs in zip(step.models[0].parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "step"),
    [({}, CpuStep), ({"precision": "bf16"}, CpuStep), ({"precision": "fp16"}, DeviceSteps)],
)
def test_the_step_is_by_hand_where_it_can_be(change: dict[str, Any], step: type, shards: Shards) -> None:
    assert isinstance(make_step([replace(make_config(shards), **change)], CPU), step)


def test_gopher_and_lower_precision_learn_too(shards: Shards) -> None:
    config = make_config(shards)
    reference = train_run(config, shards, device=CPU).loss
    gopher = replace(config, shape=replace(config.shape, family="gopher"))
    fast = replace(config, shape=replace(config.shape, family="fast"))
    for changed in (gopher, fast, replace(config, precision="bf16"), replace(config, weight_decay=0.0)):
        assert train_run(changed, shards, device=CPU).loss == pytest.approx(reference, abs=0.3)


def strip(results: Iterable[RunRecord | RunFailure]) -> dict[str, RunRecord]:
    """Records by id, without what a clock measured."""
    records = [result for result in results if isinstance(result, RunRecord)]
    return {record.config.run_id: replace(record, seconds=0.0) for record in records}


def test_runs_side_by_side_are_those_alone_bit_for_bit(shards: Shards) -> None:
    config = make_config(shards, n_steps=25)
    job = [config, replace(config, seed=1), replace(config, learning_rate=0.003)]
    assert len({side_by_side(c) for c in job}) == 1
    alone = strip(train_run(c, shards, device=CPU) for c in job)
    assert strip(train_job(job, shards, device=CPU)) == alone


def cooled(config: RunConfig, n_steps: int) -> RunConfig:
    return replace(config, schedule="wsd", n_steps=n_steps, cooldown_steps=n_steps // 5)


def test_a_trunk_with_cooldowns_gives_the_runs_alone_bit_for_bit(shards: Shards) -> None:
    job = [cooled(make_config(shards), n_steps) for n_steps in (40, 20, 60)]
    assert len({c.trunk for c in job}) == 1
    results = list(train_job(job, shards, device=CPU))
    assert [r.config.n_steps for r in results] == [20, 40, 60]
    assert strip(results) == strip(train_run(c, shards, device=CPU) for c in job)


class Killed(Exception):
    pass


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A state after each step, for once without waiting for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return {"device": CPU, "checkpoint_folder": tmp_path, "checkpoint_seconds": 0.0}


@pytest.mark.fault_selection
@pytest.mark.parametrize(("precision", "at"), [("float32", 3), ("float32", 35), ("fp16", 5)])
def test_a_run_killed_in_its_middle_goes_on_where_it_was(
    precision: str, at: int, shards: Shards, keep: dict[str, Any]
) -> None:
    config = replace(make_config(shards, n_steps=40), precision=precision)
    job = [config, replace(config, seed=1)]
    steps = []

    def kill(step: int, loss: float) -> None:
        if step == at:
            raise Killed

    with pytest.raises(Killed):
        list(train_job(job, shards, on_step=kill, **keep))
    again = strip(train_job(job, shards, on_step=lambda step, _: steps.append(step), **keep))
    assert steps == list(range(at, 41))  # the state of the step before was kept
    assert again == strip(train_run(c, shards, device=CPU) for c in job)


@pytest.mark.parametrize("at", [10, 17, 30, 52])
def test_a_trunk_killed_in_its_middle_goes_on_without_what_is_done(
    at: int, shards: Shards, keep: dict[str, Any]
) -> None:
    job = [cooled(make_config(shards), n_steps) for n_steps in (20, 40, 60)]
    calls = 0

    def kill(step: int, loss: float) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Killed

    done: list[RunRecord | RunFailure] = []
    with pytest.raises(Killed):
        done.extend(train_job(job, shards, on_step=kill, **keep))
    first = strip(done)
    left = [c for c in job if c.run_id not in first]
    second = strip(train_job(left, shards, **keep))
    assert first | second == strip(train_run(c, shards, device=CPU) for c in job)


def test_a_trunk_kept_beyond_a_cooldown_that_is_owed_is_begun_anew(
    shards: Shards, keep: dict[str, Any]
) -> None:
    short, long = (cooled(make_config(shards), n_steps) for n_steps in (20, 60))
    list(train_job([long], shards, **keep))  # as if the record of the short run had been lost
    assert strip(train_job([short, long], shards, **keep)) == strip(
        train_run(c, shards, device=CPU) for c in (short, long)
    )


def test_the_state_of_other_runs_is_not_taken_up(shards: Shards, keep: dict[str, Any]) -> None:
    config = make_config(shards, n_steps=20)
    list(train_job([config], shards, **keep))
    other = replace(config, seed=5)
    assert strip(train_job([other], shards, **keep)) == strip([train_run(other, shards, device=CPU)])


@pytest.mark.fault_selection
def test_a_diverged_run_says_where_and_leaves_its_neighbour_alone(shards: Shards) -> None:
    config = make_config(shards, n_steps=30)
    steep = replace(config, learning_rate=1e30, warmup_steps=0)
    good = replace(config, warmup_steps=0)
    failed, kept = train_job([steep, good], shards, device=CPU)
    assert isinstance(failed, RunFailure)
    assert failed.kind == "diverged"
    assert failed.config == steep
    assert strip([kept]) == strip([train_run(good, shards, device=CPU)])


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


def test_cosines_cut_from_one_cycle_are_one_run(shards: Shards) -> None:
    """As prefixes of one run they cost its steps, and measure what each measures alone."""
    whole = replace(make_config(shards, n_steps=30), cycle_steps=30)
    part = replace(whole, n_steps=18)
    together = strip(train_job((part, whole), shards, device=CPU))
    for config in (part, whole):
        assert together[config.run_id] == strip(train_job((config,), shards, device=CPU))[config.run_id]
    matched = train_run(replace(whole, cycle_steps=None), shards, device=CPU)
    assert together[whole.run_id].loss == matched.loss


def test_data_and_weights_can_be_made_worse(shards: Shards) -> None:
    config = make_config(shards, n_steps=60)
    clean = train_run(config, shards, device=CPU).loss
    for change in ({"unique_tokens": 64}, {"corrupted_fraction": 0.5}):
        assert train_run(replace(config, **change), shards, device=CPU).loss > clean + 0.05  # type: ignore[arg-type]
    rounded = train_run(replace(config, weight_precision="bf16"), shards, device=CPU).loss
    assert rounded != clean
    assert rounded == pytest.approx(clean, abs=0.3)
