"""Shapes are checked; parameter counts reproduce the paper."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import FAMILIES, KNOWN_SHAPES, TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.reference import load_paper_table, load_shapes

SMALL = TransformerShape(
    family="rope", n_layers=2, d_model=24, n_heads=3, kv_size=8, ffw_size=96, vocab_size=512, seq_len=128
)

shapes = st.builds(
    TransformerShape,
    family=st.sampled_from(FAMILIES),
    n_layers=st.integers(1, 100),
    d_model=st.integers(1, 20_000),
    n_heads=st.integers(1, 128),
    kv_size=st.integers(1, 128).map(lambda half: 2 * half),
    ffw_size=st.integers(1, 80_000),
    vocab_size=st.integers(1, 100_000),
    seq_len=st.integers(1, 8192),
)


def test_all_fifty_models_of_table_a9_agree_to_the_million() -> None:
    printed = load_paper_table("a9_model_configs").numbers("params_millions")
    counted = [round(count_params(shape).total / 1e6) for shape in load_shapes("a9_model_configs")]
    assert len(counted) == 50
    assert counted == printed.tolist()


def test_relative_positions_are_needed_for_table_a9() -> None:
    """Without them every model is 4.8 to 7.7 percent too small, so the test above can tell."""
    for shape in load_shapes("a9_model_configs"):
        count = count_params(shape)
        assert 0.047 < count.relative_positions / count.total < 0.078


@pytest.mark.parametrize(
    ("model", "column", "billions"),
    [("chinchilla", "Chinchilla 70B", 70.06), ("gopher", "Gopher 280B", 279.71)],
)
def test_large_models_are_table_4_and_count_as_published(model: str, column: str, billions: float) -> None:
    (row,) = (row for row in load_paper_table("table4_gopher_chinchilla").rows if row["model"] == column)
    shape = KNOWN_SHAPES[model]
    for name in ("n_layers", "n_heads", "kv_size", "d_model"):
        assert getattr(shape, name) == int(row[name])
    assert row["ffw_size"] == "4*d_model"
    assert shape.ffw_size == 4 * shape.d_model
    assert round(count_params(shape).total / 1e9, 2) == billions


def test_rope_family_by_hand() -> None:
    count = count_params(SMALL)
    assert count.embedding == 512 * 24
    assert count.attention == 2 * 4 * 24 * 24
    assert count.feed_forward == 2 * 2 * 24 * 96
    assert count.relative_positions == 0
    assert count.biases_and_norms == 2 * 2 * 24 + 24
    assert count.total == 512 * 24 + 2 * (4 * 24 * 24 + 2 * 24 * 96 + 48) + 24


@given(shapes)
def test_groups_add_up_and_sequence_length_is_free(shape: TransformerShape) -> None:
    count = count_params(shape)
    assert sum(count.to_dict().values()) == count.total
    assert count.total - count.non_embedding == shape.vocab_size * shape.d_model
    assert count.matrices + count.biases_and_norms == count.total
    assert count_params(replace(shape, seq_len=1)) == count


@given(shapes)
def test_shapes_survive_json(shape: TransformerShape) -> None:
    assert TransformerShape.from_dict(json.loads(json.dumps(shape.to_dict()))) == shape


@pytest.mark.parametrize("value", [0, -1, 2.0, 2.5, "2", True, None, 10**9 + 1])
def test_dimensions_are_whole_and_positive(value: object) -> None:
    with pytest.raises(InputError, match=r"^d_model is .*whole number from 1 to"):
        TransformerShape.from_dict({**SMALL.to_dict(), "d_model": value})


def test_other_impossible_shapes() -> None:
    with pytest.raises(InputError, match="family is 'llama'; choose one of gopher, rope, fast"):
        replace(SMALL, family="llama")
    with pytest.raises(InputError, match="kv_size is 7; it must be even"):
        replace(SMALL, kv_size=7)
    assert replace(SMALL, family="gopher", kv_size=7).attention_width == 21


def test_from_dict_names_what_is_missing_and_unknown() -> None:
    values = SMALL.to_dict()
    del values["n_heads"]
    with pytest.raises(InputError, match="lacks n_heads and has the unknown heads"):
        TransformerShape.from_dict({**values, "heads": 3})
