"""FLOP counts reproduce Appendix F and Table A4, and the conventions' identities hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from chinchilla_lib.architecture import KNOWN_SHAPES, TransformerShape, count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import (
    CONVENTIONS,
    OPERATIONS,
    count_forward_flops,
    ratio_to_six_nd,
    training_flops,
    training_flops_per_token,
)
from chinchilla_lib.reference import load_paper_table, load_shapes
from tests.test_architecture import SMALL, shapes

# As computed for Table A4 when its tolerance was set, before this code existed.
APPENDIX_F_RATIOS = [1.580, 1.316, 1.231, 1.145, 1.115, 1.028]


def test_table_a4_counts_the_layers_only() -> None:
    printed = load_paper_table("table_a4_flop_ratio").numbers("flops_over_six_nd")
    counted = [ratio_to_six_nd(shape, "table_a4") for shape in load_shapes("table_a4_flop_ratio")]
    np.testing.assert_allclose(counted, printed, rtol=0, atol=0.006)


def test_printed_appendix_f_does_not_give_table_a4() -> None:
    printed = load_paper_table("table_a4_flop_ratio").numbers("flops_over_six_nd")
    counted = [ratio_to_six_nd(shape, "appendix_f") for shape in load_shapes("table_a4_flop_ratio")]
    np.testing.assert_allclose(counted, APPENDIX_F_RATIOS, rtol=0, atol=0.0006)
    assert (np.array(counted) - printed > 0.03).all()


def test_operations_are_those_of_appendix_f() -> None:
    """The expressions of the reference table, evaluated for Gopher, against the count."""
    shape = KNOWN_SHAPES["gopher"]
    symbols = {
        "S": shape.seq_len, "V": shape.vocab_size, "d": shape.d_model,
        "k": shape.kv_size, "h": shape.n_heads, "f": shape.ffw_size,
    }  # fmt: skip
    names = {
        "embeddings": "embedding",
        "query key value projections": "query_key_value",
        "key-query logits": "attention_logits",
        "softmax": "softmax",
        "softmax-value reduction (printed as softmax @ query)": "attention_values",
        "attention final linear": "attention_output",
        "dense block": "feed_forward",
        "final logits": "final_logits",
    }
    rows = {row["component"]: row for row in load_paper_table("flop_accounting").rows}
    counted = count_forward_flops(shape).to_dict()
    for component, name in names.items():
        repeats = shape.n_layers if rows[component]["scope"] == "per layer" else 1
        assert counted[name] == repeats * _evaluate(rows[component]["forward_flops_per_sequence"], symbols)
        assert (name in OPERATIONS["appendix_f"]) == (rows[component]["in_printed_total"] == "yes")
        assert (name in OPERATIONS["table_a4"]) == (rows[component]["in_table_a4"] == "yes")
    assert set(counted) - set(names.values()) == {"relative_position_projection", "relative_position_logits"}


def _evaluate(expression: str, symbols: dict[str, int]) -> int:
    """Sums and products of whole numbers and symbols, with brackets spelt out."""
    expression = expression.replace("(k * h)", "k * h")
    if "(" in expression:  # 2 * S * (d * f + d * f)
        outer, _, inner = expression.rstrip(")").partition("(")
        return _evaluate(outer.strip(" *"), symbols) * sum(
            _evaluate(term, symbols) for term in inner.split("+")
        )
    product = 1
    for factor in expression.split("*"):
        product *= symbols.get(factor.strip()) or int(factor)
    return product


@pytest.mark.parametrize(
    ("quantity", "model", "convention", "n_tokens", "times"),
    [
        ("Gopher 6ND", "gopher", "six_nd", 300e9, 1),
        ("Gopher, Appendix F as printed", "gopher", "appendix_f", 300e9, 1),
        ("Gopher, Appendix F as printed times 4/3", "gopher", "appendix_f", 300e9, 4 / 3),
        ("Gopher, layers only times 4/3", "gopher", "table_a4", 300e9, 4 / 3),
        ("Chinchilla, Appendix F as printed", "chinchilla", "appendix_f", 1.4e12, 1),
        ("Chinchilla, layers only", "chinchilla", "table_a4", 1.4e12, 1),
    ],
)
def test_budgets_of_the_large_models(
    quantity: str, model: str, convention: str, n_tokens: float, times: float
) -> None:
    table = load_paper_table("flop_budget_checks")
    (row,) = (row for row in table.rows if row["quantity"] == quantity)
    flops = training_flops(KNOWN_SHAPES[model], n_tokens, convention)
    assert flops * times == pytest.approx(float(row["flops"]), rel=0.6e-3)


@given(shapes)
def test_matmul_is_six_per_matrix_weight_and_attention(shape: TransformerShape) -> None:
    """Exact in whole numbers: 6 W + 12 L T A per token, and 6 L T A more for relative positions."""
    per_attention = 18 if shape.family == "gopher" else 12
    attention = per_attention * shape.n_layers * shape.seq_len * shape.attention_width
    expected = 6 * count_params(shape).matrices + attention
    assert 3 * count_forward_flops(shape).under("matmul") == expected * shape.seq_len


@given(shapes)
def test_conventions_differ_by_named_operations(shape: TransformerShape) -> None:
    count = count_forward_flops(shape)
    relative = count.relative_position_projection + count.relative_position_logits
    assert sum(count.to_dict().values()) == count.under("appendix_f") + relative
    assert count.under("appendix_f") == count.under("table_a4") + count.embedding + count.final_logits
    assert count.under("matmul") == count.under("table_a4") - count.softmax + count.final_logits + relative
    assert training_flops_per_token(shape, "six_nd") - training_flops_per_token(shape, "kaplan") == (
        6 * shape.vocab_size * shape.d_model
    )


@given(shapes)
def test_only_attention_depends_on_sequence_length(shape: TransformerShape) -> None:
    one, count = count_forward_flops(replace(shape, seq_len=1)), count_forward_flops(shape)
    quadratic = ("attention_logits", "attention_values", "softmax", "relative_position_logits")
    for name, value in count.to_dict().items():
        power = 2 if name in quadratic else 1
        assert value == getattr(one, name) * shape.seq_len**power


def test_attention_matters_at_small_sizes() -> None:
    """Two layers, V = 512, T = 128, widths 16 to 64: attention adds a quarter to a half and more."""
    ratios = [
        ratio_to_six_nd(replace(SMALL, d_model=d, n_heads=d // 8, ffw_size=4 * d), "matmul")
        for d in (16, 32, 64)
    ]
    np.testing.assert_allclose(ratios, [1.57, 1.40, 1.25], rtol=0, atol=0.01)


def test_a_run_costs_its_tokens() -> None:
    per_token = training_flops_per_token(SMALL, "matmul")
    assert training_flops(SMALL, 1000, "matmul") == 1000 * per_token


@pytest.mark.parametrize("n_tokens", [0, -1, float("nan"), float("inf"), 1e307])
def test_impossible_runs_are_refused(n_tokens: float) -> None:
    with pytest.raises(InputError, match="n_tokens is"):
        training_flops(KNOWN_SHAPES["gopher"], n_tokens, "six_nd")


def test_unknown_conventions_are_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match=f"'chinchilla'; choose one of {', '.join(CONVENTIONS)}"):
        training_flops_per_token(SMALL, "chinchilla")
    with pytest.raises(InputError, match=f"add up operations are {', '.join(OPERATIONS)}"):
        count_forward_flops(SMALL).under("six_nd")
