from pathlib import Path

import pytest

from chinchilla_lib.corpus.shards import Shards
from tests.tiny_corpus import write_tiny_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The invented corpus."""
    return write_tiny_shards(Path(tmp_path_factory.mktemp("corpus")) / "invented")
