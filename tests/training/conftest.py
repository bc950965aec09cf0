import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from chinchilla_lib.corpus.shards import Shards
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.native import build_kernels
from tests.tiny_corpus import write_tiny_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The invented corpus."""
    return write_tiny_shards(Path(tmp_path_factory.mktemp("corpus")) / "invented")


VECTORS = ["", "-mno-avx512f", "-mno-avx2"] if platform.machine() in {"x86_64", "AMD64"} else [""]
"""Flags for the widest vectors there are, and for those of other processors."""


@pytest.fixture(scope="session", params=VECTORS, ids=lambda flag: flag or "widest")
def compiled(request: pytest.FixtureRequest) -> Kernels:
    """The compiled kernels, with vectors of each width."""
    return build_kernels(*request.param.split())


@pytest.fixture(scope="session", params=["torch", *VECTORS], ids=lambda flag: flag or "widest")
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Torch's, and the compiled ones."""
    return Kernels() if request.param == "torch" else build_kernels(*request.param.split())


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small models on more threads spend their time waiting for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
