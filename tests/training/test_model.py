import pytest
import torch

from chinchilla_lib.architecture import TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.plan import rope_shape
from chinchilla_lib.training.model import Transformer, _rotate, _rotation

SHAPE = rope_shape(32, n_layers=2, vocab_size=50, seq_len=24)


@pytest.mark.parametrize("d_model", [8, 24, 40, 64, 96])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_the_model_has_the_parameters_we_count(d_model: int, n_layers: int) -> None:
    shape = rope_shape(d_model, n_layers=n_layers, vocab_size=77, seq_len=16)
    model = Transformer(shape, seed=0)
    assert sum(p.numel() for p in model.parameters()) == count_params(shape).total


def test_no_position_sees_what_comes_after_it() -> None:
    model = Transformer(SHAPE, seed=0)
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


def test_a_family_that_is_only_counted_is_refused() -> None:
    shape = TransformerShape.from_dict({**SHAPE.to_dict(), "family": "gopher"})
    with pytest.raises(InputError, match="'gopher' is counted but not trained"):
        Transformer(shape, seed=0)
