"""Tables 3 and A3 made again, and the cells where print is not what its own table says."""

import math
from typing import get_args

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import LAWS
from chinchilla_lib.reference.projections import (
    Approach,
    approach_line,
    compare_exponents,
    compare_projection,
    compare_six_nd,
    differences_text,
)

APPROACHES = get_args(Approach)


def test_all_cells_but_the_named_ones_agree_with_their_own_line() -> None:
    cells = [cell for approach in APPROACHES for cell in compare_projection(approach)]
    assert len(cells) == 2 * 27
    wrong = {(cell.row, cell.quantity) for cell in cells if not cell.agrees}
    assert wrong == {
        *((f"Approach {approach}, 67B", name) for approach in APPROACHES for name in ("flops", "n_tokens")),
        ("Approach 3, 175B", "flops"),
        ("Approach 3, 280B", "n_tokens"),
    }
    assert all(bool(cell.remark) == (not cell.agrees) for cell in cells)


def test_cells_of_table_a3_follow_six_nd_but_for_the_named_ones() -> None:
    cells = [cell for approach in APPROACHES for cell in compare_six_nd(approach)]
    wrong = {cell.row for cell in cells if not cell.agrees}
    assert wrong == {"Approach 1, 67B", "Approach 3, 67B", "Approach 3, 175B", "Approach 3, 280B"}
    assert all(bool(cell.remark) == (not cell.agrees) for cell in cells)
    [slip] = [cell for cell in cells if cell.row == "Approach 3, 175B"]
    assert (slip.printed, slip.ratio) == (1.26e24, pytest.approx(10))


def test_the_lines_have_the_exponents_of_table_2() -> None:
    exponents = compare_exponents()
    assert [(d.row, d.quantity) for d in exponents] == [
        (f"Approach {approach}", name) for approach in APPROACHES for name in "ab"
    ]
    assert all(d.agrees for d in exponents)


@pytest.mark.parametrize("approach", APPROACHES)
def test_the_67b_rows_belong_to_a_larger_model(approach: Approach) -> None:
    """What the remarks say: the size that the line gives for the row's own budget."""
    cells = {(cell.row, cell.quantity): cell for cell in compare_projection(approach)}
    cell = cells[f"Approach {approach}, 67B", "flops"]
    size = approach_line(approach).n_opt.predict(cell.printed)
    assert f"{size / 1e9:.1f}B" in cell.remark


def test_neither_form_of_the_printed_law_gives_the_rows_of_approach_3() -> None:
    """They ask for more compute than printed, by a factor that grows with the size."""
    ranges = {"hoffmann": (1.57, 2.23), "hoffmann-unrounded": (1.06, 1.19)}
    for name, (low, high) in ranges.items():
        cells = compare_projection("3", LAWS[name].law)
        ratios = {c.row: c.ratio for c in cells if c.quantity == "n_tokens"}
        sound = [ratio for row, ratio in ratios.items() if row.split()[-1] not in ("67B", "280B")]
        assert sound == sorted(sound)
        assert low <= min(sound) < max(sound) <= high
        assert not any(cell.agrees for cell in cells)


def test_a_law_gives_back_its_own_rows() -> None:
    """At the budget that the comparison finds, the law's optimum is the size of the row."""
    law = ParametricLoss(E=1.7, A=300.0, B=900.0, alpha=0.31, beta=0.33)
    sizes = {"400M": 4e8, "1B": 1e9, "10B": 1e10, "67B": 6.7e10, "175B": 1.75e11}
    for cell in compare_projection("3", law):
        size = sizes.get(cell.row.split()[-1])
        if size and cell.quantity == "flops":
            assert law.n_opt(cell.regenerated) == pytest.approx(size)
        elif size:
            assert law.d_opt(6 * size * cell.regenerated) == pytest.approx(cell.regenerated)


@pytest.mark.parametrize("approach", APPROACHES)
def test_a_line_satisfies_six_nd(approach: Approach) -> None:
    line = approach_line(approach)
    assert 6 * line.n_opt.predict(1e22) * line.d_opt.predict(1e22) == pytest.approx(1e22)
    assert math.isclose(line.n_opt.exponent + line.d_opt.exponent, 1)


def test_the_text_marks_what_differs() -> None:
    lines = differences_text(compare_six_nd("3")).splitlines()
    assert len(lines) == 10
    assert [line[0] for line in lines[1:]] == [" ", " ", " ", "*", "*", "*", " ", " ", " "]
    assert "1.26e24   1.26e25  10.000  misprint: 1.26e25 is meant" in lines[5]
    assert "0.4586" in differences_text(compare_exponents())


def test_unknown_approaches_are_refused() -> None:
    with pytest.raises(InputError, match="approach must be one of 1, 2, 3, found '4'"):
        approach_line("4")  # type: ignore[arg-type]
