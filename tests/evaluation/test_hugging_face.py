import random
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the extra eval is not installed")

import transformers

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.hugging_face import HuggingFaceModel
from chinchilla_lib.evaluation.likelihood import score_continuations
from tests.evaluation.tiny_llama import LENGTH, say, write_tiny_llama

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with random weights."""
    return write_tiny_llama(tmp_path_factory.mktemp("llama"))


def test_scores_are_those_of_transformers_itself(folder: Path) -> None:
    model = HuggingFaceModel(str(folder))
    assert model.takes_trees
    assert model.keeps_states
    assert model.max_length == LENGTH
    plain = transformers.LlamaForCausalLM.from_pretrained(folder).train(False)
    rng = np.random.default_rng(0)
    context = rng.integers(1, 200, size=20).tolist()
    requests = [(context, rng.integers(1, 200, size=n).tolist()) for n in (1, 4, 9)]
    requests.append((rng.integers(1, 200, size=LENGTH + 12).tolist(), [5, 6]))
    for (score, greedy), (before, after) in zip(score_continuations(model, requests), requests, strict=True):
        ids = torch.tensor([[*before, *after][-LENGTH - 1 :]])
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


def test_texts_written_in_a_batch_are_those_written_alone(folder: Path) -> None:
    """Prompts of several lengths, with and without a common beginning, against one token after another."""
    model, rng = HuggingFaceModel(str(folder)), random.Random(1)
    plain = transformers.LlamaForCausalLM.from_pretrained(folder).train(False)
    stem = model.encode(say(20, rng))
    prompts = [stem + model.encode(say(n, rng)) for n in (1, 4, 9)]
    for asked in (prompts, [prompt[7 * i :] for i, prompt in enumerate(prompts)]):
        found = dict(model.continue_greedily(asked, 12, lambda i, made: len(made) >= 5 + i))
        assert sorted(found) == [0, 1, 2]
        for i, prompt in enumerate(asked):
            tokens = list(prompt)
            for _ in range(5 + i):
                with torch.inference_mode():
                    best = int(plain(torch.tensor([tokens])).logits[0, -1].argmax())
                if best == model.end_of_text:
                    break
                tokens.append(best)
            assert found[i] == tokens[len(prompt) :]


def test_weights_in_a_pickle_are_never_loaded(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "llama")
    weights = transformers.LlamaForCausalLM.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="no causal model of Hugging Face could be loaded"):
        HuggingFaceModel(str(folder))


def test_weights_are_told_apart_by_their_sha256(folder: Path, tmp_path: Path) -> None:
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    first = HuggingFaceModel(str(folder)).sha256
    other = write_tiny_llama(tmp_path / "other")
    assert HuggingFaceModel(str(other)).sha256 == first  # made from the same seed
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1
    model.save_pretrained(other)
    assert HuggingFaceModel(str(other)).sha256 != first
