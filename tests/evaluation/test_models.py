from pathlib import Path

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.models import HuggingFaceModel, OwnModel, open_model

pytest.importorskip("transformers", reason="the extra eval is not installed")

from tests.evaluation.tiny_llama import write_tiny_llama

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with random weights."""
    return write_tiny_llama(tmp_path_factory.mktemp("llama"))


def test_names_lead_to_models(folder: Path) -> None:
    assert isinstance(open_model(str(folder)), HuggingFaceModel)
    with pytest.raises(InputError, match="no causal model of Hugging Face could be loaded"):
        HuggingFaceModel(str(folder / "nothing"))


def test_text_comes_back(folder: Path, own_model: OwnModel) -> None:
    for model in (HuggingFaceModel(str(folder)), own_model):
        assert model.decode(model.encode("the dog sees the cat")).strip() == "the dog sees the cat"
