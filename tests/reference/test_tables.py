"""Shipped tables are complete, flagged and readable by name."""

from importlib.resources import files

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.reference import CONFIDENCE, PAPER_TABLES, load_paper_table, load_shapes


def test_every_shipped_file_has_a_source_and_the_other_way_round() -> None:
    folder = files("chinchilla_lib.reference").joinpath("paper")
    assert {item.name for item in folder.iterdir()} == {f"{name}.csv" for name in PAPER_TABLES}


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_rows_are_whole_and_flagged(name: str) -> None:
    table = load_paper_table(name)
    assert table.rows
    assert table.columns[-1] == "confidence"
    for row in table.rows:
        assert set(row) == set(table.columns)
        assert all(isinstance(cell, str) for cell in row.values())
        assert row["confidence"] in CONFIDENCE


@pytest.mark.parametrize(
    ("name", "n_rows", "column", "first", "last"),
    [
        ("a9_model_configs", 50, "params_millions", 44, 16183),
        ("table_a4_flop_ratio", 6, "flops_over_six_nd", 1.03, 0.99),
        ("table1_current_llms", 6, "n_tokens", 168e9, 1.4e12),
        ("table2_exponents", 4, "a", 0.5, 0.73),
        ("table3_approach1_projection", 9, "n_params", 4e8, 1e13),
        ("table4_gopher_chinchilla", 2, "n_heads", 128, 64),
        ("table_a3_approach2_3_projection", 18, "flops_corrected", 1.84e19, 8.55e28),
        ("table_a1_massivetext", 6, "epochs_in_1.4T", 1.24, 3.4),
        ("table_a2_other_datasets", 3, "a", 0.5, 0.73),
        ("approach3_fits", 9, "alpha", 0.34, 0.3522),
        ("porian2024_steps", 5, "a_refinedweb", 0.835, 0.497),
    ],
)
def test_published_values(name: str, n_rows: int, column: str, first: float, last: float) -> None:
    values = load_paper_table(name).numbers(column)
    assert (len(values), values[0], values[-1]) == (n_rows, first, last)


def test_projections_follow_six_nd_where_the_paper_does() -> None:
    """Approach 1 to 5 percent; the printed 175B slip of Table A3 is flagged, its correction agrees."""
    table = load_paper_table("table3_approach1_projection")
    np.testing.assert_allclose(
        table.numbers("flops"), 6 * table.numbers("n_params") * table.numbers("n_tokens"), rtol=0.05
    )
    table = load_paper_table("table_a3_approach2_3_projection")
    six_nd = 6 * table.numbers("n_params") * table.numbers("n_tokens")
    np.testing.assert_allclose(table.numbers("flops_corrected"), six_nd, rtol=0.05)
    slips = table.numbers("flops_printed") != table.numbers("flops_corrected")
    assert [remark[:20] for remark, slip in zip(table.column("remark"), slips, strict=True) if slip] == [
        "printed FLOPs off by"
    ]


def test_unverified_rows_are_kept_but_not_printed() -> None:
    table = load_paper_table("flop_budget_checks")
    flagged = [row["quantity"] for row in table.rows if row["confidence"] == "unverified"]
    assert flagged == ["Gopher paper compute table"]
    assert flagged[0] not in str(table)
    assert str(table).endswith("(1 unverified left out)")
    assert flagged[0] in table.to_text(include_unverified=True)
    assert len(table.without_unverified().rows) == len(table.rows) - 1


def test_printing_names_the_source_first() -> None:
    lines = str(load_paper_table("table_a4_flop_ratio")).splitlines()
    assert lines[0] == "Hoffmann et al. 2022, arXiv 2203.15556v1, Table A4"
    assert lines[1].split() == [
        "params", "n_layers", "d_model", "ffw_size", "n_heads", "kv_size", "flops_over_six_nd", "confidence",
    ]  # fmt: skip
    assert len(lines) == 2 + 6


def test_empty_cells_are_nan_and_text_is_refused() -> None:
    table = load_paper_table("table2_exponents")
    assert np.isnan(table.numbers("a_p10")[-1])
    with pytest.raises(InputError, match="column 'description' of table2_exponents is not numeric"):
        table.numbers("description")
    with pytest.raises(InputError, match="table2_exponents has no column 'alpha'; it has approach, "):
        table.column("alpha")


def test_unknown_tables_are_refused_with_the_choices() -> None:
    with pytest.raises(
        InputError, match=r"no table 'table_a9'; choose one of a9_known_transcription_issues, "
    ):
        load_paper_table("table_a9")
    with pytest.raises(InputError, match=r"no table '\.\./tables'"):
        load_paper_table("../tables")


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        load_paper_table("table1_current_llms").rows[0]["model"] = "other"  # type: ignore[index]


def test_shapes_of_table_a4_are_those_of_table_a9() -> None:
    """Table A4 prints 73M and 305M where Table A9 prints 74 and 306 for the same models."""
    sizes = [count_params(shape).total / 1e6 for shape in load_shapes("table_a4_flop_ratio")]
    assert [round(size) for size in sizes] == [74, 306, 552, 1143, 1593, 6796]
    assert set(load_shapes("table_a4_flop_ratio")) <= set(load_shapes("a9_model_configs"))
    with pytest.raises(InputError, match="ffw_size"):
        load_shapes("table4_gopher_chinchilla")
