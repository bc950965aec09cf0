import pickle
from dataclasses import replace
from pathlib import Path

import torch

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training.loop import find_device
from chinchilla_lib.training.trainer import ShardTrainer
from tests.training.test_loop import make_config


def test_the_trainer_trains_in_one_thread_also_after_a_journey(shards: Shards) -> None:
    trainer = pickle.loads(pickle.dumps(ShardTrainer(shards.folder)))
    threads = torch.get_num_threads()
    try:
        record = trainer(make_config(shards, n_steps=25))
    finally:
        torch.set_num_threads(threads)
    assert record.config.n_steps == 25
    if find_device().type == "cpu":
        assert record.environment["threads"] == "1"


def test_estimates_are_in_proportion_to_the_steps(shards: Shards) -> None:
    trainer = ShardTrainer(shards.folder)
    threads = torch.get_num_threads()
    short, long = trainer.estimate_seconds([make_config(shards, 100), make_config(shards, 10_000)])
    assert torch.get_num_threads() == threads
    assert short > 0
    assert 20 < long / short < 500  # a ratio of 100, timed in a few noisy steps


def test_small_models_are_trained_side_by_side_and_horizons_from_one_trunk(shards: Shards) -> None:
    config = make_config(shards, n_steps=100)
    wide = replace(config, shape=rope_shape(64, n_layers=2, vocab_size=shards.vocab_size, seq_len=32))
    widest = replace(config, shape=rope_shape(320, n_layers=2, vocab_size=shards.vocab_size, seq_len=32))
    seeds = [replace(config, seed=seed) for seed in range(5)]
    longer = replace(config, n_steps=150)
    horizons = [replace(wide, schedule="wsd", n_steps=n, cooldown_steps=n // 5) for n in (100, 200, 400)]
    configs = [*seeds, longer, wide, replace(wide, seed=1), widest, *horizons]

    on_cpu = ShardTrainer(shards.folder, on_gpu=False).group(configs)
    assert [len(job) for job in on_cpu] == [4, 1, 1, 1, 1, 1, 3]
    on_gpu = ShardTrainer(shards.folder, on_gpu=True).group(configs)
    assert sorted(len(job) for job in on_gpu) == [1, 3, 4, 4]
    assert {widest} in [set(job) for job in on_gpu]
    assert longer in next(job for job in on_gpu if len(job) == 4)
    for jobs in (on_cpu, on_gpu):
        assert sorted(c.run_id for job in jobs for c in job) == sorted(c.run_id for c in configs)
        assert tuple(horizons) in [tuple(sorted(job, key=lambda c: c.n_steps)) for job in jobs]


def test_a_job_is_trained_as_its_runs_alone(shards: Shards, tmp_path: Path) -> None:
    trainer = ShardTrainer(shards.folder)
    job = (make_config(shards, n_steps=25), replace(make_config(shards, n_steps=25), seed=1))
    together = [record for record in trainer.train(job, tmp_path) if isinstance(record, RunRecord)]
    assert [record.loss for record in together] == [trainer(config).loss for config in job]
