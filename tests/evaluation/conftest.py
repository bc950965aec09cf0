from dataclasses import replace
from pathlib import Path

import pytest

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.training.checkpoint import save_model
from chinchilla_lib.training.model import Transformer
from tests.tiny_corpus import write_tiny_shards
from tests.training.test_loop import make_config


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The invented corpus."""
    return write_tiny_shards(Path(tmp_path_factory.mktemp("corpus")) / "invented")


@pytest.fixture(scope="session", params=["rope", "fast", "gopher"])
def own_model(
    request: pytest.FixtureRequest, shards: Shards, tmp_path_factory: pytest.TempPathFactory
) -> OwnModel:
    """A model of ours of each family, untrained."""
    config = make_config(shards)
    config = replace(config, shape=replace(config.shape, family=request.param))
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    save_model(path, Transformer(config.shape, seed=1), config)
    return OwnModel(path, shards.folder / "tokenizer.json")
