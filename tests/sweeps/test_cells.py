"""Reading runs.csv: whatever a file holds, the answer is a table or one line that says where."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.cells import NUMERIC, Cells, locate, quote, read_cells
from chinchilla_lib.sweeps.table import SweepTable

HEADER = "run_id,seed,n_params,n_tokens,flops,flops_budget,flops_convention,loss,loss_se"
GOOD = [
    "r1,0,1000,20000,1.2e8,1e8,matmul,4.5,0.01",
    "r2,1,2000,10000,1.2e8,1e8,matmul,4.25,0.01",
]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "runs.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        SweepTable.from_csv(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("loss", "abc", "found 'abc', which is not a number"),
        ("loss", "nan", "found 'nan', which is not a number"),
        ("loss", "inf", "found 'inf'"),
        ("loss", "1e999", "found '1e999'"),
        ("loss", "0", "found '0'"),
        ("loss", "-4.5", "found '-4.5'"),
        ("loss", "", "the cell is empty"),
        ("loss", "1_0", "not a number"),
        ("loss", "٣", "not a number"),
        ("n_params", "0", "found '0'"),
        ("n_tokens", "-1", "found '-1'"),
        ("flops", "NaN", "not a number"),
        ("flops", "", "the cell is empty"),
        ("flops_budget", "0", "found '0'"),
        ("loss_se", "-0.01", "0 or above"),
        ("seed", "1.5", "whole number"),
        ("seed", "-1", "whole number"),
        ("seed", "9223372036854775808", "whole number"),
        ("seed", "", "the cell is empty"),
        ("run_id", "", "the cell is empty"),
        ("flops_convention", "six_nd", "found 'six_nd' after 'matmul'"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, column: str, value: str, says: str) -> None:
    cells = GOOD[1].split(",")
    cells[HEADER.split(",").index(column)] = value
    message = refusal(write(tmp_path, "\n".join([HEADER, GOOD[0], ",".join(cells)]) + "\n"))
    assert f"row 3, column '{column}'" in message
    assert says in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "row 1: the file is empty"),
        ("\n\n", "row 1: the file is empty"),
        (HEADER, "row 2: no runs below the header"),
        (HEADER.replace("loss,", "perplexity,"), "row 1, column 'loss': the header lacks loss"),
        (HEADER.replace("seed", "loss"), "row 1, column 'loss': the header names it 2 times"),
        (HEADER.replace(",", ";"), "split by semicolons"),
        (HEADER.replace(",", "\t"), "split by tabs"),
        (f"{HEADER}\n{GOOD[0]}\nr2,1,2000\n", "row 3, column 'n_tokens': the cell is missing"),
        (f"{HEADER}\n{GOOD[0]},1\n", "row 2, column 10: a cell stands right of the last column"),
        (f"{HEADER}\n   \n", "row 2, column 'seed': the cell is missing"),
        (f'{HEADER}\n{GOOD[0]}\n"r2,1\n', "row 3: not comma-separated text"),
        (f"{HEADER}\n{GOOD[0]}\n{GOOD[1]}\0\n", "row 3: byte 0x00"),
        (f"{HEADER}\n{GOOD[0]}\n".encode() + b"\xff\n", "row 3: byte 0xff"),
        (f"{HEADER}\n{GOOD[0]}\n".encode("utf-16"), "row 1: byte 0xff"),
        (f"{HEADER}\n" + "9" * 200_000, "row 2: not comma-separated text"),
        (f"{HEADER}\n{GOOD[0]}\n{GOOD[0]}\n", "rows 2, 3, column 'run_id': 'r1' stands twice"),
        (f"{HEADER}\n{GOOD[0]}\n\n{GOOD[1].replace('r2', 'r1')}\n", "rows 2, 4, column 'run_id'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in refusal(write(tmp_path, text))


def test_a_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "absent.csv")
    assert "this is a folder" in refusal(tmp_path)
    assert "cannot be read" in refusal(write(tmp_path, HEADER) / "below-a-file")
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    assert "cannot be read" in refusal(loop)
    with pytest.raises(InputError, match=r"^a\\x00b: not the name of a file"):
        read_cells("a\0b")


def test_a_newline_in_a_quoted_cell_does_not_shift_the_rows(tmp_path: Path) -> None:
    text = 'note,n_params,n_tokens,loss\n"two\nlines",1000,1000,3\nplain,1000,1000,-3\n'
    assert "row 4, column 'loss'" in refusal(write(tmp_path, text))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_newlines_byte_order_mark_blanks_and_extra_columns(tmp_path: Path, newline: str, mark: str) -> None:
    lines = [" n_params,n_tokens ,loss,comment,seed", "1e3, 2000 ,3.5,é,1", "", "2000,1e3,3.25,,2.0", ""]
    table = SweepTable.from_csv(write(tmp_path, mark + newline.join(lines)))
    np.testing.assert_array_equal(table.n_params, [1000, 2000])
    np.testing.assert_array_equal(table.n_tokens, [2000, 1000])
    assert table.seed is not None
    np.testing.assert_array_equal(table.seed, [1, 2])
    assert table.run_id == ("row-2", "row-4")


def test_seeds_keep_every_digit(tmp_path: Path) -> None:
    table = SweepTable.from_csv(write(tmp_path, f"n_params,n_tokens,loss,seed\n1,1,1,{2**63 - 1}\n"))
    assert table.seed is not None
    assert int(table.seed[0]) == 2**63 - 1


@given(st.binary(max_size=200))
@example(b"n_params,n_tokens,loss\n1,1,1\n")
@example(b"\xef\xbb\xbf")
def test_any_bytes_give_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), data)
    try:
        assert len(SweepTable.from_csv(path)) > 0
    except InputError as error:
        assert "\n" not in str(error)


@given(st.lists(st.lists(st.text(max_size=8) | st.floats().map(repr), min_size=4, max_size=4), max_size=4))
def test_any_cells_give_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["n_params", "n_tokens", "loss", "seed"], *rows])
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    try:
        table = SweepTable.from_csv(path)
    except InputError as error:
        assert str(error).isprintable()
    else:
        for name in NUMERIC:
            column = getattr(table, name)
            assert column is None or (np.isfinite(column) & (column > 0)).all()


def test_records_are_counted_from_one() -> None:
    cells = Cells(header=["loss"], records=[[3.0], [None], [object()]], rows=None, source="records")
    with pytest.raises(InputError, match=r"^records: record 2, column 'loss': the cell is empty"):
        cells.numbers("loss")
    with pytest.raises(InputError, match=r"^records: column 'n_params' is missing"):
        cells.numbers("n_params")
    assert cells.numbers("flops") is None
    with pytest.raises(InputError, match="there are no runs"):
        Cells(header=["loss"], records=[], rows=None, source="records")


def test_wording_of_places() -> None:
    assert locate("f", [2, 5, 9], [2, 0], "loss") == "f: rows 2, 9, column 'loss'"
    assert locate("f", None, [3], "loss") == "f: record 4, column 'loss'"
    assert locate("f", list(range(50)), range(20), "loss") == "f: rows 0, 1, 2, 3, 4, 5, ..., column 'loss'"
    assert len(quote("x" * 1000)) < 80
