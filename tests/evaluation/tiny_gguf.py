"""A small Llama with random weights in a GGUF file, as llama.cpp lays it out."""

from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ Ġ", "Ċ Ċ", "1 2", "' t", "d o", "do n"]
TOKENS = [*MARKS, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def make_llama(*, tied: bool = True) -> Any:
    """A model whose settings are none of Transformers' defaults."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(TOKENS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=48, rms_norm_eps=0.25,
        rope_theta=50.0, tie_word_embeddings=tied, initializer_range=0.5,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    for name, weights in model.named_parameters():
        if "norm" in name:  # else all ones
            torch.nn.init.normal_(weights)
    return model.train(False)


def neighbours(weights: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Rows that are rotated together side by side, as llama.cpp wants them."""
    heads = weights.chunk(n_heads)
    return torch.cat([torch.stack(head.chunk(2), dim=1).flatten(0, 1) for head in heads])


def gguf_name(name: str) -> str:
    """Name of a tensor in GGUF."""
    outside = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem = name.removesuffix(".weight")
    if stem in outside:
        return f"{outside[stem]}.weight"
    _, _, layer, inside = stem.split(".", 3)
    return f"blk.{layer}.{NAMES[inside]}.weight"


def write_gguf(path: Path, model: Any, kind: str = "F32", **changes: Any) -> Path:
    """Write a model with its matrices in a type, and some keys or tensors as given (left out where None)."""
    config = model.config
    values = {
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": config.max_position_embeddings,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "llama.rope.freq_base": 50.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [3] * len(MARKS) + [1] * (len(TOKENS) - len(MARKS)),
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    } | changes
    writer = gguf.GGUFWriter(path, values.pop("general.architecture", "llama"))
    for key, value in values.items():
        if isinstance(value, torch.Tensor):
            writer.add_tensor(key, value.numpy())
        elif isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif value is not None:
            writer.add_uint32(key, value)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, parameter in model.named_parameters():
        weights = parameter.detach()
        part = name.split(".")[-2]
        if part in heads:
            weights = neighbours(weights, heads[part])
        if gguf_name(name) not in changes:
            kept = gguf.GGMLQuantizationType[kind if weights.ndim == 2 else "F32"]
            writer.add_tensor(gguf_name(name), gguf.quantize(weights.numpy(), kept), raw_dtype=kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
