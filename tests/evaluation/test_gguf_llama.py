import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("gguf", reason="the extra eval is not installed")
transformers = pytest.importorskip("transformers", reason="the extra eval is not installed")

from chinchilla_lib.errors import InputError, MissingExtraError  # noqa: E402
from chinchilla_lib.evaluation.gguf_llama import check_gguf, convert_gguf  # noqa: E402
from tests.evaluation.tiny_gguf import MARKS, TOKENS, make_llama, write_gguf  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers


def load(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).train(False)


@pytest.mark.parametrize("tied", [True, False])
def test_unquantised_weights_give_the_same_model(tmp_path: Path, tied: bool) -> None:
    model = make_llama(tied=tied)
    kept = convert_gguf(write_gguf(tmp_path / "tiny.gguf", model), tmp_path / "out")
    found = load(tmp_path / "out")
    assert kept == {"F32": sum(weights.numel() for weights in model.parameters())}
    expected = model.state_dict()
    assert set(found.state_dict()) == set(expected)
    for name, weights in found.state_dict().items():
        assert torch.equal(weights, expected[name]), name
    ids = torch.randint(0, len(TOKENS), (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():  # positions, norms and heads are read as well, or these would differ
        assert torch.allclose(found(ids).logits, model(ids).logits, rtol=0, atol=1e-5)
    assert found.config.max_position_embeddings == 48


@pytest.mark.parametrize(("kind", "steps"), [("Q8_0", 254), ("Q4_1", 15)])
def test_quantised_weights_are_within_half_a_step(tmp_path: Path, kind: str, steps: int) -> None:
    model = make_llama()
    kept = convert_gguf(write_gguf(tmp_path / "tiny.gguf", model, kind), tmp_path / "out")
    assert list(kept) == [kind, "F32"]
    assert sum(kept.values()) == sum(weights.numel() for weights in model.parameters())
    found = load(tmp_path / "out").state_dict()
    for name, weights in model.state_dict().items():
        if weights.ndim == 1:
            assert torch.equal(found[name], weights)
            continue
        blocks = weights.reshape(-1, 32)
        largest = blocks.abs().amax(-1, keepdim=True)
        spread = (
            2 * largest if kind == "Q8_0" else blocks.amax(-1, keepdim=True) - blocks.amin(-1, keepdim=True)
        )
        # scale and offset are kept as float16, whose rounding is relative to the largest weight
        allowed = spread / steps / 2 + 2 * largest * 2**-11
        error = (found[name].reshape(-1, 32) - blocks).abs()
        assert (error <= allowed).all(), name
        assert error.max() > 0


def test_the_tokenizer_sees_each_digit_alone_before_spaces_are_split(tmp_path: Path) -> None:
    convert_gguf(write_gguf(tmp_path / "tiny.gguf", make_llama()), tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")

    def pieces(text: str) -> list[str]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        return [TOKENS[i] for i in ids]

    assert pieces("a 12") == ["a", "Ġ", "1", "2"]
    assert pieces("a  12") == ["a", "ĠĠ", "1", "2"]  # with the pattern of GPT-2 alone: Ġ, Ġ, 1, 2
    assert pieces("a\n\n1") == ["a", "ĊĊ", "1"]
    assert pieces("a  b") == ["a", "Ġ", "Ġ", "b"]
    assert pieces("don't") == ["don", "'t"]
    assert pieces("<|endoftext|>é<|im_end|>") == ["<|endoftext|>", "Ã", "©", "<|im_end|>"]
    assert (tokenizer.bos_token, tokenizer.eos_token) == (MARKS[1], MARKS[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "gpt2"}, "its general.architecture is 'gpt2'; only 'llama'"),
        ({"tokenizer.ggml.pre": "qwen2"}, "its tokenizer.ggml.pre is 'qwen2'; only 'smollm'"),
        ({"llama.rope.freq_base": None}, "it says nothing of llama.rope.freq_base"),
        ({"blk.0.attn_q.bias": torch.zeros(32)}, "the tensor 'blk.0.attn_q.bias' has no place"),
        ({"blk.0.ffn_up.weight": torch.zeros(64, 31)}, "its weights are not those of its sizes .*up_proj"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", make_llama(), **changes)
    with pytest.raises(InputError, match=rf"tiny\.gguf: {message}") as caught:
        convert_gguf(path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf", make_llama()).read_bytes()
    for name, content in (("text", b"no model"), ("half", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: it cannot be read as GGUF .*; fetch it again"):
            convert_gguf(tmp_path / name, tmp_path / "out")


def test_without_gguf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"'gguf' is not installed.*chinchilla-lib\[eval\]"):
        check_gguf()
