import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.sweeps.plan import rope_shape
from chinchilla_lib.training.handwritten import HandwrittenGradients
from chinchilla_lib.training.model import Transformer

shapes = st.builds(
    TransformerShape,
    family=st.just("rope"),
    n_layers=st.integers(1, 3),
    d_model=st.integers(2, 40),
    n_heads=st.integers(1, 4),
    kv_size=st.sampled_from([2, 6, 16]),
    ffw_size=st.integers(1, 80),
    vocab_size=st.integers(2, 90),
    seq_len=st.integers(1, 33),
)


def _model_and_batch(
    shape: TransformerShape, batch: int, dtype: torch.dtype
) -> tuple[Transformer, torch.Tensor, torch.Tensor]:
    """A model whose gains are not all one and whose gradients are to be overwritten."""
    generator = torch.Generator().manual_seed(batch)
    model = Transformer(shape, seed=1).to(dtype)
    for p in model.parameters():
        if p.ndim == 1:
            torch.nn.init.uniform_(p, 0.5, 1.5, generator=generator)
        p.grad = torch.full_like(p, 7)
    tokens = torch.randint(shape.vocab_size, (batch, shape.seq_len + 1), generator=generator)
    return model, tokens[:, :-1], tokens[:, 1:]


def _assert_equal_to_autograd(
    shape: TransformerShape, batch: int, dtype: torch.dtype, tolerance: float
) -> None:
    model, tokens, targets = _model_and_batch(shape, batch, dtype)
    loss = HandwrittenGradients(model, batch)(tokens, targets)
    expected = model.loss(tokens, targets)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    assert loss == pytest.approx(expected.item(), rel=tolerance)
    largest = max(float(g.abs().max()) for g in gradients)
    for (name, p), gradient in zip(model.named_parameters(), gradients, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(
            p.grad, gradient, rtol=0, atol=tolerance * largest, msg=lambda m, n=name: n + m
        )


@settings(max_examples=40)
@given(shapes, st.integers(1, 5))
def test_loss_and_gradients_are_those_of_autograd(shape: TransformerShape, batch: int) -> None:
    _assert_equal_to_autograd(shape, batch, torch.float64, 1e-12)


@pytest.mark.parametrize(("d_model", "batch"), [(16, 4), (40, 3), (64, 2)])
def test_so_they_are_in_single_precision_at_the_sizes_of_a_sweep(d_model: int, batch: int) -> None:
    shape = rope_shape(d_model, n_layers=2, vocab_size=512, seq_len=128)
    _assert_equal_to_autograd(shape, batch, torch.float32, 1e-5)


def test_a_call_leaves_nothing_behind_and_repeats_itself_bit_for_bit() -> None:
    shape = rope_shape(24, n_layers=2, vocab_size=50, seq_len=32)
    model, tokens, targets = _model_and_batch(shape, 3, torch.float32)
    by_hand = HandwrittenGradients(model, 3)
    seen = []
    for batch in ((tokens, targets), (targets, tokens), (tokens, targets)):
        loss = by_hand(*batch)
        seen.append((loss, [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    assert seen[0][0] == seen[2][0] != seen[1][0]
    assert all(torch.equal(a, b) for a, b in zip(seen[0][1], seen[2][1], strict=True))
