"""A Llama in a GGUF file, dequantised to float32 and written as a folder of Hugging Face.

The weights are those that the quantised file stands for, not those it was made from. The tokenizer is built
here, since a pre-tokenizer that splits digits is lost where Transformers reads it from GGUF.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["check_gguf", "convert_gguf"]

_CONTROL: Final = 3  # the type of a token that stands for no text
_OUTSIDE: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_IN_LAYER: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def check_gguf() -> None:
    """Make sure that what a conversion needs is installed.

    Raises
    ------
    MissingExtraError
        If gguf or transformers is not installed.
    """
    _gguf()
    _transformers()


def convert_gguf(path: Path, folder: Path) -> dict[str, int]:
    """Write a Llama as ``config.json``, ``model.safetensors`` (float32) and tokenizer.

    Parameters
    ----------
    path : pathlib.Path
        A GGUF file of the architecture ``llama`` with a byte-level tokenizer of the kind ``smollm``.
    folder : pathlib.Path
        Where the files go.

    Returns
    -------
    dict
        Parameters by the type in which the file keeps them, the most frequent first; a matrix that is
        embedding and output head counts once.

    Raises
    ------
    InputError
        If the file is damaged or of another kind.
    MissingExtraError
        If gguf or transformers is not installed.
    """
    gguf, transformers = _gguf(), _transformers()
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, IndexError, OSError) as error:
        raise InputError(f"{path}: it cannot be read as GGUF ({error}); fetch it again") from None
    values = {name: field.contents() for name, field in reader.fields.items()}
    try:
        for key, known in (
            ("general.architecture", "llama"),
            ("tokenizer.ggml.model", "gpt2"),
            ("tokenizer.ggml.pre", "smollm"),
        ):
            if values[key] != known:
                raise InputError(f"{path}: its {key} is {values[key]!r}; only {known!r} can be converted")
        config = transformers.LlamaConfig(**_config(values))
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=_tokenizer(values), clean_up_tokenization_spaces=False, **_marks(values)
        )
    except KeyError as error:
        raise InputError(f"{path}: it says nothing of {error.args[0]}, which a Llama needs") from None
    n_params: dict[str, int] = {}
    state: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        kept = tensor.tensor_type
        n_params[kept.name] = n_params.get(kept.name, 0) + int(tensor.n_elements)
        weights = np.array(gguf.dequantize(tensor.data, kept), dtype=np.float32)
        name = _name(tensor.name, path)
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            weights = _halves(weights, config.hidden_size // config.num_attention_heads)
        state[name] = torch.from_numpy(weights)
    config.tie_word_embeddings = "lm_head.weight" not in state
    state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
    model = transformers.LlamaForCausalLM(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: its weights are not those of its sizes ({reason})") from None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return dict(sorted(n_params.items(), key=lambda item: -item[1]))


def _config(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vocab_size": len(values["tokenizer.ggml.tokens"]),
        "hidden_size": values["llama.embedding_length"],
        "intermediate_size": values["llama.feed_forward_length"],
        "num_hidden_layers": values["llama.block_count"],
        "num_attention_heads": values["llama.attention.head_count"],
        "num_key_value_heads": values["llama.attention.head_count_kv"],
        "max_position_embeddings": values["llama.context_length"],
        "rms_norm_eps": values["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": values["llama.rope.freq_base"],
        "bos_token_id": values["tokenizer.ggml.bos_token_id"],
        "eos_token_id": values["tokenizer.ggml.eos_token_id"],
        "dtype": torch.float32,
    }


def _tokenizer(values: Mapping[str, Any]) -> Tokenizer:
    """Byte-level BPE that sees each digit alone, before the pattern of GPT-2 splits the rest."""
    tokens, kinds = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in values["tokenizer.ggml.merges"]]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    marks = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    backend.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    return backend


def _marks(values: Mapping[str, Any]) -> dict[str, str]:
    """Tokens with a part to play, by the names that Transformers has for them."""
    parts = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    keys = {f"{short}_token": f"tokenizer.ggml.{long}_token_id" for short, long in parts.items()}
    tokens = values["tokenizer.ggml.tokens"]
    return {name: tokens[values[key]] for name, key in keys.items() if key in values}


def _name(name: str, path: Path) -> str:
    """Name of a tensor in Transformers."""
    outside, _, _ = name.partition(".")
    if outside in _OUTSIDE and name == f"{outside}.weight":
        return f"{_OUTSIDE[outside]}.weight"
    match name.split("."):
        case ["blk", layer, inside, "weight"] if inside in _IN_LAYER:
            return f"model.layers.{layer}.{_IN_LAYER[inside]}.weight"
    raise InputError(f"{path}: the tensor {name!r} has no place in the Llama that can be converted")


def _halves(weights: np.ndarray[Any, np.dtype[np.float32]], head_size: int) -> Any:
    """Rows of each head in two halves, which Transformers rotates, from neighbours, as GGUF has them."""
    pairs = weights.reshape(-1, head_size // 2, 2, weights.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weights.shape))


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("gguf", "eval") from error
    return gguf


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "eval") from error
    return transformers
