from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from chinchilla_lib.corpus.shards import Shards
from tests.tiny_corpus import write_tiny_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The invented corpus."""
    return write_tiny_shards(Path(tmp_path_factory.mktemp("corpus")) / "invented")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small models on more threads spend their time waiting for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
