import numpy as np
import pytest
import torch

from chinchilla_lib.evaluation.models import OwnModel
from chinchilla_lib.evaluation.packing import pack_sequences
from chinchilla_lib.evaluation.readers import read_transformers

TEXTS = np.array([[0, 5, 7, 11, 3, 9], [0, 2, 2, 6, 8, 1]])


def test_a_model_of_ours_read_token_by_token_is_the_model_read_at_once(own_model: OwnModel) -> None:
    """In each family, for every text of several."""
    read_on = own_model.reader()
    steps = torch.stack([read_on(torch.from_numpy(column)) for column in TEXTS.T], 1)
    for text, found in zip(TEXTS, steps, strict=True):
        (pack,) = pack_sequences([text.tolist()], max_nodes=0)
        torch.testing.assert_close(found, own_model.logits(pack, np.arange(len(text))))


@pytest.mark.filterwarnings("ignore")  # of transformers
def test_a_model_of_transformers_read_token_by_token_is_the_model_read_at_once() -> None:
    transformers = pytest.importorskip("transformers", reason="the extra eval is not installed")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    model = transformers.LlamaForCausalLM(config).train(False)
    read_on = read_transformers(model)
    steps = torch.stack([read_on(torch.from_numpy(column)) for column in TEXTS.T], 1)
    with torch.inference_mode():
        expected = model(input_ids=torch.from_numpy(TEXTS)).logits
    torch.testing.assert_close(steps, expected, atol=1e-5, rtol=1e-4)
