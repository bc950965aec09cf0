from pathlib import Path

import numpy as np
import pytest
import torch

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.likelihood import score_continuations
from chinchilla_lib.evaluation.models import HuggingFaceModel, OwnModel, open_model

transformers = pytest.importorskip("transformers", reason="the extra eval is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shards: object) -> Path:
    """A small Llama with random weights and our tokenizer, as Transformers writes them."""
    at = tmp_path_factory.mktemp("llama")
    backend = Path(shards.folder) / "tokenizer.json"  # type: ignore[attr-defined]
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(backend), eos_token="<|endoftext|>"
    ).save_pretrained(at)
    config = transformers.LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=48,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(at, safe_serialization=True)
    return at


def test_scores_are_those_of_transformers_itself(folder: Path) -> None:
    model = HuggingFaceModel(str(folder))
    assert model.takes_trees
    assert model.max_length == 48
    plain = transformers.LlamaForCausalLM.from_pretrained(folder).train(False)
    rng = np.random.default_rng(0)
    context = rng.integers(1, 200, size=20).tolist()
    requests = [(context, rng.integers(1, 200, size=n).tolist()) for n in (1, 4, 9)]
    requests.append((rng.integers(1, 200, size=60).tolist(), [5, 6]))
    for (score, greedy), (before, after) in zip(score_continuations(model, requests), requests, strict=True):
        ids = torch.tensor([[*before, *after][-49:]])
        with torch.inference_mode():
            log_probs = plain(ids[:, :-1]).logits[0].log_softmax(-1)[-len(after) :]
        assert score == pytest.approx(float(log_probs[range(len(after)), after].sum()), abs=1e-4)
        assert greedy == (log_probs.argmax(-1).tolist() == after)


def test_a_model_that_ignores_the_mask_is_found_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = transformers.LlamaForCausalLM.forward

    def causal(self: object, *args: object, attention_mask: object = None, **kwargs: object) -> object:
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "forward", causal)
    model = HuggingFaceModel(str(folder))
    assert not model.takes_trees
    requests = [([3, 4, 5], [6]), ([3, 4, 5], [7, 8])]
    found = score_continuations(model, requests)
    monkeypatch.undo()
    expected = score_continuations(HuggingFaceModel(str(folder)), requests)
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected], abs=1e-4)


def test_names_lead_to_models(folder: Path, own_model: OwnModel) -> None:
    assert isinstance(open_model(str(folder)), HuggingFaceModel)
    with pytest.raises(InputError, match="no causal model of Hugging Face could be loaded"):
        HuggingFaceModel(str(folder / "nothing"))


def test_text_comes_back(folder: Path, own_model: OwnModel) -> None:
    for model in (HuggingFaceModel(str(folder)), own_model):
        assert model.decode(model.encode("the dog sees the cat")).strip() == "the dog sees the cat"
