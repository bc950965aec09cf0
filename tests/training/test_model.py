import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chinchilla_lib.architecture import FAMILIES, TransformerShape
from chinchilla_lib.training.model import Transformer, _GopherBlock, _rotate, _rotation

SHAPE = TransformerShape(
    family="rope", n_layers=2, d_model=32, n_heads=2, kv_size=16, ffw_size=128, vocab_size=50, seq_len=24
)
GOPHER = replace(SHAPE, family="gopher", n_heads=3, kv_size=5, ffw_size=40, seq_len=9, d_model=7)


def _with_random_vectors(model: nn.Module) -> None:
    """Give biases and gains values that tell them apart."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=0.5, generator=generator)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_position_sees_what_comes_after_it(family: str) -> None:
    model = Transformer(replace(SHAPE, family=family), seed=0)
    _with_random_vectors(model)
    tokens = torch.randint(50, (2, 24), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 15:] = (changed[:, 15:] + 1) % 50
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :15], after[:, :15])
    assert not torch.allclose(before[:, 15:], after[:, 15:])


def test_attention_knows_distances_not_positions() -> None:
    cos, sin = _rotation(40, 8)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    scores = [
        (
            _rotate(q, cos[i : i + 1], sin[i : i + 1]) * _rotate(k, cos[i - 7 : i - 6], sin[i - 7 : i - 6])
        ).sum()
        for i in (7, 20, 39)
    ]
    torch.testing.assert_close(scores[0], scores[1])
    torch.testing.assert_close(scores[0], scores[2])
    torch.testing.assert_close(_rotate(q, cos[9:10], sin[9:10]).norm(), q.norm())


def test_the_loss_is_the_cross_entropy_of_the_next_token() -> None:
    model = Transformer(SHAPE, seed=0)
    tokens = torch.randint(50, (3, 25), generator=torch.Generator().manual_seed(0))
    log_probabilities = model(tokens[:, :-1]).log_softmax(-1)
    expected = -log_probabilities.gather(-1, tokens[:, 1:, None]).mean()
    torch.testing.assert_close(model.loss(tokens[:, :-1], tokens[:, 1:]), expected)


def test_the_seed_fixes_the_weights() -> None:
    first, again, other = (Transformer(SHAPE, seed=s).embedding.weight for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def _attend_one_by_one(block: _GopherBlock, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Equation of section 3.3 in Dai et al. (2019), term by term; all (H, T, K)."""
    n_heads, n_positions, width = query.shape
    d_model = block.relative.in_features
    weight = block.relative.weight.view(n_heads, width, d_model)
    u, v = block.content_bias.view(n_heads, width), block.position_bias.view(n_heads, width)
    out = torch.zeros_like(query)
    for h in range(n_heads):
        for i in range(n_positions):
            scores = []
            for j in range(i + 1):
                angles = [(i - j) / 10000 ** (m / d_model) for m in range(0, d_model, 2)]
                waves = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
                r = weight[h] @ torch.tensor(waves[:d_model], dtype=torch.float64)
                scores.append(
                    ((query[h, i] + u[h]) @ key[h, j] + (query[h, i] + v[h]) @ r) / math.sqrt(width)
                )
            out[h, i] = torch.stack(scores).softmax(0) @ value[h, : i + 1]
    return out


@pytest.mark.parametrize("n_positions", [1, 4, 9])
def test_gopher_attends_as_the_equation_says(n_positions: int) -> None:
    model = Transformer(GOPHER, seed=0)
    _with_random_vectors(model)
    model.double()
    block = model.blocks[0]
    assert isinstance(block, _GopherBlock)
    generator = torch.Generator().manual_seed(2)
    q, k, v = torch.randn(3, 2, 3, n_positions, 5, dtype=torch.float64, generator=generator)
    ours = block.attend(q, k, v, model.waves[-n_positions:])
    for b in range(2):  # the sinusoids are stored in float32
        torch.testing.assert_close(ours[b], _attend_one_by_one(block, q[b], k[b], v[b]), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shorter_text_has_the_logits_of_a_longer_one(family: str) -> None:
    model = Transformer(replace(SHAPE, family=family), seed=0)
    tokens = torch.randint(50, (2, 24), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(tokens[:, :11]), model(tokens)[:, :11])


def test_fast_differs_from_rope_in_the_activation_alone() -> None:
    rope, fast = (Transformer(replace(SHAPE, family=family), seed=0).blocks[0] for family in ("rope", "fast"))
    assert all(torch.equal(a, b) for a, b in zip(rope.parameters(), fast.parameters(), strict=True))
    x = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rope.activation(x), F.gelu(x))
    assert torch.equal(fast.activation(x), torch.where(x > 0, x * x, 0.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_trained(family: str) -> None:
    model = Transformer(replace(SHAPE, family=family), seed=0)
    tokens = torch.randint(50, (2, 24), generator=torch.Generator().manual_seed(0))
    model.loss(tokens[:, :-1], tokens[:, 1:]).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7]
    assert still == []
