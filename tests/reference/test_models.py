"""The models of Table 1: printed counts beside counted ones."""

import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import CONVENTIONS, training_flops
from chinchilla_lib.reference.models import PrintedModel, find_model, printed_models

MODELS = printed_models()


def test_names_are_found_as_printed_and_as_titled() -> None:
    assert find_model("jurassic") == find_model("Jurassic-1") == MODELS[2]
    assert find_model("mt-nlg 530b") == find_model("MT-NLG")
    with pytest.raises(InputError, match="no model 'PaLM'; it has LaMDA, GPT-3, Jurassic-1"):
        find_model("PaLM")


def test_counts_of_a_shape_are_the_librarys_and_round_to_print() -> None:
    known = [model for model in MODELS if model.shape is not None]
    assert [model.title for model in known] == ["Gopher", "Chinchilla"]
    for model in known:
        assert model.counted_params == pytest.approx(model.n_params, rel=2e-3)
        assert model.counted_flops == {
            name: training_flops(model.shape, model.n_tokens, name) for name in CONVENTIONS
        }
        assert model.counted_flops["six_nd"] == 6 * model.counted_params * model.n_tokens
        assert "Table 4" in model.source


def test_without_a_shape_nothing_is_counted() -> None:
    unknown = [model for model in MODELS if model.shape is None]
    assert len(unknown) == 4
    for model in unknown:
        assert model.counted_params is None
        assert model.counted_flops == {}
        assert "Table 4" not in model.source
        assert model.flops == 6 * model.n_params * model.n_tokens


@pytest.mark.parametrize(("n_params", "n_tokens"), [(0, 1e9), (1e9, -1), (math.inf, 1e9), (1e9, math.nan)])
def test_counts_are_positive(n_params: float, n_tokens: float) -> None:
    with pytest.raises(InputError, match=r"mine: n_(params|tokens) is"):
        PrintedModel("mine", n_params, n_tokens, "nowhere")
