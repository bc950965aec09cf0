import math
import re
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference import load_paper_table
from chinchilla_lib.reference.claims import (
    BASES,
    PARTS,
    VERDICTS,
    Claim,
    Settled,
    find_claim,
    format_figure,
    load_claims,
)

REQUIRED = [
    "abstract",
    *(f"table {n}" for n in ("1", "2", "3", "4", "6", "7", "8", "9", "10")),
    *(f"table A{n}" for n in range(1, 10)),
    *(f"equation {n}" for n in (2, 3, 4, 10)),
    *(f"figure {n}" for n in range(1, 6)),
    *(f"figure A{n}" for n in range(1, 8)),
    *(f"appendix {letter}" for letter in "BCDEFG"),
    *(f"misprint {row['id']}" for row in load_paper_table("internal_inconsistencies").rows),
    *(f"popular {n}" for n, _ in enumerate(load_paper_table("popular_claims").rows, start=1)),
]


def claim(paper: str = "0.50", **values: Any) -> Claim:
    return Claim(
        **{"id": "x", "part": "frontier", "where": "", "text": "", "basis": "runs", "chapter": "c", **values},
        paper=paper,
    )


@pytest.mark.parametrize("item", REQUIRED)
def test_the_ledger_covers(item: str) -> None:
    assert any(item in row.covers for row in load_claims().values())


def test_what_rows_cover_exists() -> None:
    covered = set(chain.from_iterable(row.covers for row in load_claims().values()))
    known = r"abstract|section [\d.]+|(table|figure|equation|misprint|popular) A?\d+|appendix [A-I]"
    assert [item for item in covered if not re.fullmatch(known, item)] == []
    assert {item for item in covered if item.split()[0] in ("misprint", "popular")} <= set(REQUIRED)


def test_every_row_of_a_figure_has_a_figure_or_a_reason() -> None:
    for row in load_claims().values():
        if any(item.startswith("figure") for item in row.covers):
            assert row.figure or row.basis == "none", row.id


@pytest.mark.parametrize(
    ("paper", "tolerance"),
    [("0.50", 0.005), ("67.6", 0.05), ("5.76e23", 0.005e23), ("50", 0.5), ("1e21", 0.5e21), ("-3", 0.5)],
)
def test_the_last_digit_printed_is_the_tolerance(paper: str, tolerance: float) -> None:
    assert claim(paper).tolerance == pytest.approx(tolerance)
    assert claim(paper).settle(float(paper) + 0.999 * tolerance).outcome == "agrees"
    assert claim(paper).settle(float(paper) + tolerance).outcome == "agrees"
    assert claim(paper).settle(float(paper) - 1.001 * tolerance).outcome == "differs"


def test_an_interval_decides_only_when_it_lies_on_one_side() -> None:
    row = claim("0.50", given_tolerance=0.05, why="a reason")
    assert row.settle(0.49, (0.46, 0.53)).verdict == "shown at our scale"
    assert row.settle(0.49, (0.44, 0.53)).verdict == "cannot tell at our scale"
    assert row.settle(0.40, (0.38, 0.449)).verdict == "does not hold at our scale"
    assert row.settle(0.60, (0.3, 0.9)).outcome == "open"


def test_no_tolerance_asks_for_the_figure_itself() -> None:
    row = claim("0", given_tolerance=0, why="a count")
    assert [row.settle(value).outcome for value in (-1e-12, 0, 1e-12)] == ["differs", "agrees", "differs"]
    assert claim("0.3", given_tolerance=0, why="a sum").settle(0.1 + 0.2).outcome == "agrees"


def test_whole_numbers_are_written_out_up_to_seven_digits() -> None:
    figures = (9_999_999, 10_000_000, 1234567.5, -250.0)
    assert [format_figure(one) for one in figures] == ["9999999", "1e07", "1.235e06", "-250"]


def test_a_figure_beyond_its_own_interval_counts_too() -> None:
    row = claim("0.50", given_tolerance=0.05, why="a reason")
    assert row.settle(0.56, (0.48, 0.52)).outcome == "open"
    assert row.settle(0.44, (0.48, 0.52)).outcome == "open"
    assert row.settle(0.54, (0.48, 0.52)).outcome == "agrees"
    assert row.settle(0.50, (0.3, 0.4)).outcome == "open"
    assert row.settle(0.56, (0.6, 0.7)).outcome == "differs"
    assert row.settle(0.56, (0.48, 0.52)).interval == (0.48, 0.52)


def test_what_is_said_of_the_paper_is_not_its_own_contradiction() -> None:
    said = claim("55", part="popular", basis="paper")
    assert said.settle(5.5).verdict == "not what the paper has"
    assert said.settle(55).verdict == "as the paper has it"
    assert (
        claim("55", part="popular", basis="published").settle(5.5).verdict
        == "contradicted by published points"
    )


def test_at_least_and_at_most_have_one_side() -> None:
    at_least = claim("20", relation=">=")
    assert at_least.settle(400).verdict == "shown at our scale"
    assert claim("20", basis="paper").settle(20).verdict == "reproduced exactly"
    assert at_least.settle(19.5).outcome == "agrees"
    assert at_least.settle(19, (10, 19.4)).outcome == "differs"
    assert at_least.settle(25, (10, 40)).outcome == "open"
    from_tables = claim("20", relation=">=", basis="paper").settle(23)
    assert from_tables.verdict == "borne out by the paper's own tables"
    at_most = claim("20", relation="<=")
    assert at_most.settle(-400).outcome == "agrees"
    assert at_most.settle(20.5).outcome == "agrees"
    assert at_most.settle(21).outcome == "differs"
    assert at_most.settle(30, (20.6, 40)).outcome == "differs"
    assert at_most.settle(15, (10, 40)).outcome == "open"


@given(
    st.floats(-10, 10),
    st.floats(0, 5),
    st.floats(-10, 10),
    st.floats(0, 5),
)
def test_shifting_everything_changes_nothing(
    value: float, half: float, shift: float, tolerance: float
) -> None:
    """The rule knows distances only; next to a bound rounding may decide."""

    def outcome(offset: float) -> str:
        row = claim(repr(offset), given_tolerance=tolerance, why="a reason")
        return row.settle(value + offset, (value + offset - half, value + offset + half)).outcome

    if min(abs(abs(value + side) - tolerance) for side in (-half, half)) > 1e-6:
        assert outcome(0.0) == outcome(shift)


def test_every_outcome_has_words() -> None:
    for basis in BASES:
        outcomes = ("none",) if basis == "none" else ("agrees", "differs", "open")
        assert all((basis, outcome) in VERDICTS for outcome in outcomes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"basis": "hope"}, "basis is 'hope'; choose one of paper"),
        ({"relation": ">"}, "relation is '>'"),
        ({"part": "epilogue"}, "part is 'epilogue'; choose one of abstract"),
        ({"chapter": ""}, "has no chapter"),
        ({"paper": "about 20"}, "paper is 'about 20', not a number"),
        ({"paper": "inf"}, "not a finite number"),
        ({"given_tolerance": 0.1}, "a tolerance is a number of at least 0 with its reason"),
        ({"given_tolerance": -0.1, "why": "a reason"}, "a tolerance is a number of at least 0"),
        ({"basis": "none"}, "give why, and no chapter"),
        ({"basis": "none", "chapter": ""}, "give why, and no chapter"),
    ],
)
def test_a_row_that_cannot_be_judged_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        claim(**values)


def test_a_number_that_is_none_is_refused() -> None:
    for value, interval in ((math.nan, None), (1.0, (2.0, 1.0)), (1.0, (0.0, math.inf))):
        with pytest.raises(InputError, match="give finite numbers"):
            claim().settle(value, interval)
    with pytest.raises(InputError, match="is not reproducible here, says the ledger"):
        claim("", basis="none", chapter="", why="never released").settle(1)


def test_what_is_said_of_the_paper_is_not_given_as_the_papers() -> None:
    assert "Paper: 0.50; here: 0.4." in str(claim().settle(0.4))
    assert "Said: 0.50; here: 0.4." in str(claim(part="popular").settle(0.4))
    assert Settled(claim("", basis="none", chapter="", why="never released"), "none").figures == ""


def test_an_unknown_claim_names_those_alike() -> None:
    with pytest.raises(InputError, match="no claim 'a9-shapes'; it has a9-"):
        find_claim("a9-shapes")


def test_parts_are_files_and_names_are_fit_for_addresses() -> None:
    assert {row.part for row in load_claims().values()} == set(PARTS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in load_claims())
    assert all(row.text.endswith(".") for row in load_claims().values())
