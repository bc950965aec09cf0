import pickle

import torch

from chinchilla_lib.corpus.shards import Shards
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
