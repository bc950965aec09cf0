import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chinchilla_lib.architecture import TransformerShape
from chinchilla_lib.sweeps.tiers import rope_shape
from chinchilla_lib.training import handwritten
from chinchilla_lib.training.handwritten import HandwrittenGradients
from chinchilla_lib.training.kernels import Kernels
from chinchilla_lib.training.model import Transformer
from chinchilla_lib.training.native import choose_kernels
from chinchilla_lib.training.optimizer import FlatAdamW

shapes = st.builds(
    TransformerShape,
    family=st.sampled_from(["rope", "fast"]),
    n_layers=st.integers(1, 3),
    d_model=st.integers(2, 40),
    n_heads=st.integers(1, 4),
    kv_size=st.sampled_from([2, 6, 16, 32, 34, 64, 70, 128]),
    ffw_size=st.integers(1, 80),
    vocab_size=st.integers(2, 90),
    seq_len=st.integers(1, 67),
)


def make(
    shape: TransformerShape, n_models: int, batch: int, dtype: torch.dtype
) -> tuple[list[Transformer], FlatAdamW, Tensor, Tensor]:
    """Models whose gains are not all one and whose gradients are to be overwritten, and a batch of each."""
    generator = torch.Generator().manual_seed(batch)
    models = [Transformer(shape, seed=i).to(dtype) for i in range(n_models)]
    optimiser = FlatAdamW(models, betas=(0.9, 0.98), weight_decay=0.1)
    for model in models:
        for p in model.parameters():
            assert p.grad is not None
            p.grad.fill_(7)
            if p.ndim == 1:
                torch.nn.init.uniform_(p, 0.5, 1.5, generator=generator)
    tokens = torch.randint(shape.vocab_size, (n_models, batch, shape.seq_len + 1), generator=generator)
    return models, optimiser, tokens[..., :-1], tokens[..., 1:]


def assert_equal_to_autograd(
    shape: TransformerShape, n_models: int, batch: int, kernels: Kernels, dtype: torch.dtype, tolerance: float
) -> None:
    models, optimiser, tokens, targets = make(shape, n_models, batch, dtype)
    losses = HandwrittenGradients(models, optimiser, batch, kernels)(tokens, targets)
    for i, model in enumerate(models):
        expected = model.loss(tokens[i], targets[i])
        gradients = torch.autograd.grad(expected, list(model.parameters()))
        assert losses[i].item() == pytest.approx(expected.item(), rel=tolerance)
        largest = max(float(g.abs().max()) for g in gradients)
        for (name, p), gradient in zip(model.named_parameters(), gradients, strict=True):
            assert p.grad is not None
            torch.testing.assert_close(
                p.grad, gradient, rtol=0, atol=tolerance * largest, msg=lambda m, n=name: n + m
            )


@settings(max_examples=30)
@given(shapes, st.integers(1, 3), st.integers(1, 4))
def test_loss_and_gradients_are_those_of_autograd(shape: TransformerShape, n_models: int, batch: int) -> None:
    assert_equal_to_autograd(shape, n_models, batch, Kernels(), torch.float64, 1e-11)


# In single precision only from the smallest width of a plan on: the norm of two channels may divide by next
# to nothing, and then multiplies what was rounded.
@settings(max_examples=30)
@given(shapes.filter(lambda shape: shape.d_model >= 8), st.integers(1, 3), st.integers(1, 4))
def test_so_they_are_with_the_compiled_kernels(
    compiled: Kernels, shape: TransformerShape, n_models: int, batch: int
) -> None:
    assert_equal_to_autograd(shape, n_models, batch, compiled, torch.float32, 3e-5)


@settings(max_examples=30)
@given(shapes.filter(lambda shape: shape.d_model >= 8), st.integers(1, 3), st.sampled_from([(2, 1), (6, 2)]))
def test_so_they_are_in_parts(shape: TransformerShape, n_models: int, sizes: tuple[int, int]) -> None:
    batch, part = sizes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handwritten, "_sequences_of_a_part", lambda *_: part)
        assert_equal_to_autograd(shape, n_models, batch, Kernels(), torch.float64, 1e-11)
        kernels = choose_kernels(shape.kv_size, torch.float32)
        assert_equal_to_autograd(shape, n_models, batch, kernels, torch.float32, 3e-5)


@pytest.mark.parametrize(
    ("d_model", "n_layers", "batch", "part"),
    [
        (16, 2, 8, 8),
        (32, 2, 8, 8),
        (64, 3, 8, 4),
        (128, 4, 8, 2),
        (128, 4, 7, 1),
        (128, 4, 1, 1),
        (384, 6, 8, 4),
    ],
)
def test_what_is_kept_decides_the_size_of_a_part(d_model: int, n_layers: int, batch: int, part: int) -> None:
    shape = rope_shape(d_model, n_layers=n_layers, vocab_size=512, seq_len=128)
    assert handwritten._sequences_of_a_part(shape, batch) == part


@pytest.mark.parametrize("family", ["rope", "fast"])
@pytest.mark.parametrize(("d_model", "batch"), [(16, 4), (40, 3), (64, 2)])
def test_so_they_are_in_single_precision_at_the_sizes_of_a_sweep(
    d_model: int, batch: int, family: str, kernels: Kernels
) -> None:
    shape = rope_shape(d_model, n_layers=2, vocab_size=512, seq_len=128, family=family)
    assert_equal_to_autograd(shape, 1, batch, kernels, torch.float32, 1e-5)


def test_a_call_leaves_nothing_behind_and_does_not_see_its_neighbours(kernels: Kernels) -> None:
    shape = rope_shape(24, n_layers=2, vocab_size=50, seq_len=32)
    models, optimiser, tokens, targets = make(shape, 3, 3, torch.float32)
    by_hand = HandwrittenGradients(models, optimiser, 3, kernels)
    seen = []
    for batch in ((tokens, targets), (targets, tokens), (tokens, targets)):
        losses = by_hand(*batch)
        seen.append((losses.tolist(), [p.grad.clone() for p in models[1].parameters() if p.grad is not None]))
    assert seen[0][0] == seen[2][0] != seen[1][0]
    assert all(torch.equal(a, b) for a, b in zip(seen[0][1], seen[2][1], strict=True))

    alone, *_ = make(shape, 3, 3, torch.float32)
    single = FlatAdamW([alone[1]], betas=(0.9, 0.98), weight_decay=0.1)
    loss = HandwrittenGradients([alone[1]], single, 3, kernels)(tokens[1:2], targets[1:2])
    assert loss.tolist() == seen[0][0][1:2]
    assert all(torch.equal(p.grad, g) for p, g in zip(alone[1].parameters(), seen[0][1], strict=True))


def test_scores_far_beyond_the_range_of_exponentials_are_no_trouble(kernels: Kernels) -> None:
    shape = rope_shape(24, n_layers=2, vocab_size=50, seq_len=32)
    (model,), optimiser, tokens, targets = make(shape, 1, 2, torch.float32)
    with torch.no_grad():
        model.blocks[0].qkv.weight.mul_(100)  # scores of some 10 000
        model.embedding.weight.mul_(30)
    (loss,) = HandwrittenGradients([model], optimiser, 2, kernels)(tokens, targets)
    assert loss.item() == pytest.approx(model.loss(tokens[0], targets[0]).item(), rel=1e-4)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("family", ["rope", "fast"])
def test_a_weight_that_is_no_number_shows_in_the_loss_of_its_model_alone(
    family: str, kernels: Kernels
) -> None:
    shape = rope_shape(16, n_layers=1, vocab_size=50, seq_len=32, family=family)
    models, optimiser, tokens, targets = make(shape, 2, 2, torch.float32)
    with torch.no_grad():
        models[0].blocks[0].ffw_in.weight[0, 0] = torch.nan
    losses = HandwrittenGradients(models, optimiser, 2, kernels)(tokens, targets)
    assert losses.isfinite().tolist() == [False, True]
