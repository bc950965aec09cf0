"""Our counts against the model that torch builds: parameters exactly, FLOPs product by product.

`FlopCounterMode` sees matrix products only. Of the operations of `FlopCount` it ignores, by
design, the embedding (a look-up) and the softmax; of the rest of the program also the norms,
the activation, the rotation, the residual sums and the loss, which no convention counts.
On a CPU it ignores in addition both products of the fused attention kernel, for which torch
before 2.15 has no formula; with attention written out it counts them. The scores of the gopher family have a
mask with a gradient, for which a CPU has no fused kernel.
"""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import (
    FlopCounterMode,
    flop_registry,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from chinchilla_lib.architecture import FAMILIES, TransformerShape, count_params
from chinchilla_lib.flops import FlopCount, count_forward_flops
from chinchilla_lib.training.model import Transformer

IGNORED_BY_DESIGN = ("embedding", "softmax")
IGNORED_IN_FUSED_CPU_ATTENTION = ("attention_logits", "attention_values")

shapes = st.builds(
    TransformerShape,
    family=st.sampled_from([family for family in FAMILIES if family != "gopher"]),
    n_layers=st.integers(1, 3),
    d_model=st.integers(1, 6).map(lambda eighth: 8 * eighth),
    n_heads=st.integers(1, 4),
    kv_size=st.sampled_from([2, 8, 16]),
    ffw_size=st.integers(1, 100),
    vocab_size=st.integers(2, 300),
    seq_len=st.integers(2, 40),
)
gopher_shapes = st.builds(replace, shapes, family=st.just("gopher"), kv_size=st.integers(1, 16))
WIDE_HEADS = TransformerShape(
    family="rope", n_layers=2, d_model=24, n_heads=4, kv_size=16, ffw_size=80, vocab_size=128, seq_len=32
)


def _without(count: FlopCount, ignored: tuple[str, ...]) -> int:
    """Our count of Appendix F, less the named operations."""
    return count.under("appendix_f") - sum(getattr(count, name) for name in ignored)


def _counted_by_torch(shape: TransformerShape, n_sequences: int = 1, **options: object) -> tuple[int, int]:
    """Forward and backward FLOPs of a batch."""
    model = Transformer(shape, seed=0)
    tokens = torch.arange(n_sequences * shape.seq_len).reshape(n_sequences, -1) % shape.vocab_size
    with FlopCounterMode(display=False, **options) as forward:  # type: ignore[arg-type]
        loss = model.loss(tokens, tokens)
    with FlopCounterMode(display=False, **options) as backward:  # type: ignore[arg-type]
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


@settings(max_examples=20)
@given(shapes | gopher_shapes)
def test_parameters_agree_by_group(shape: TransformerShape) -> None:
    group_of = {
        "embedding.weight": "embedding",
        "qkv.weight": "attention",
        "qkv.bias": "biases_and_norms",
        "relative.weight": "relative_positions",
        "content_bias": "biases_and_norms",
        "position_bias": "biases_and_norms",
        "attention_out.weight": "attention",
        "ffw_in.weight": "feed_forward",
        "ffw_in.bias": "biases_and_norms",
        "ffw_out.weight": "feed_forward",
        "attention_norm.weight": "biases_and_norms",
        "ffw_norm.weight": "biases_and_norms",
        "norm.weight": "biases_and_norms",
    }
    groups = dict.fromkeys(count_params(shape).to_dict(), 0)
    for name, parameter in Transformer(shape, seed=0).named_parameters():
        groups[group_of[name.split(".", 2)[-1] if name.startswith("blocks.") else name]] += parameter.numel()
    assert groups == count_params(shape).to_dict()


@settings(max_examples=12)
@given(shapes)
def test_flops_agree_with_attention_written_out(shape: TransformerShape) -> None:
    count = count_forward_flops(shape)
    with sdpa_kernel(SDPBackend.MATH):  # attention written out as two products
        forward, backward = _counted_by_torch(shape)
    assert forward == _without(count, IGNORED_BY_DESIGN) == count.under("matmul")
    assert backward == 2 * forward


@settings(max_examples=12)
@given(gopher_shapes, st.integers(1, 3))
def test_flops_agree_in_the_gopher_family(shape: TransformerShape, n_sequences: int) -> None:
    """The distances are projected once for a batch, and being constants need no gradient."""
    count = count_forward_flops(shape)
    forward, backward = _counted_by_torch(shape, n_sequences)
    once = count.relative_position_projection
    assert forward == n_sequences * (count.under("matmul") - once) + once
    assert backward == 2 * forward - once


@settings(max_examples=12)
@given(shapes)
def test_flops_agree_up_to_the_fused_attention_of_a_cpu(shape: TransformerShape) -> None:
    count = count_forward_flops(shape)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        forward, backward = _counted_by_torch(shape)
    if torch.ops.aten._scaled_dot_product_flash_attention_for_cpu in flop_registry:
        assert forward == count.under("matmul")
        assert backward == 2 * forward + count.attention_logits  # computed again
    else:
        assert forward == _without(count, IGNORED_BY_DESIGN + IGNORED_IN_FUSED_CPU_ATTENTION)
        assert backward == 2 * forward


def test_fused_attention_recomputes_its_logits_in_torch_formula() -> None:
    """Torch's formula for fused kernels, given to the CPU kernel, adds one product to the backward pass."""

    def forward_formula(
        query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
    ) -> int:
        return sdpa_flop_count(query, key, value)

    def backward_formula(
        gradient: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
    ) -> int:
        return sdpa_backward_flop_count(gradient, query, key, value)

    formulas = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: forward_formula,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: backward_formula,
    }
    count = count_forward_flops(WIDE_HEADS)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        forward, backward = _counted_by_torch(WIDE_HEADS, custom_mapping=formulas)
    assert forward == count.under("matmul")
    assert backward == 2 * forward + count.attention_logits
