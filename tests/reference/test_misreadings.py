"""The word for a statement, from how far its figures are off."""

import math

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.reference import load_paper_table
from chinchilla_lib.reference.claims import Claim, Settled, find_claim, load_claims
from chinchilla_lib.reference.misreadings import FACTOR, figures_in, off_by, word_for, words_for


def claim(paper: str = "10", **values: str) -> Claim:
    return Claim("x", "popular", "", "", "paper", paper, chapter="misreadings", **values)


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("5B to over 400B", (5e9, 4e11)),
        ("4.41e24 FLOPs, and 4.2T.", (4.41e24, 4.2e12)),
        ("524,288 tokens, 1, 2", (524288, 1, 2)),
        ("67.6 / 60.0 / 43.9", (67.6, 60, 43.9)),
        ("Table A3, Eq10, 5x, 0 and 7%", (0,)),
        ("C^0.5, 1/2", (0.5, 1, 2)),
        ("no figure", ()),
    ],
)
def test_figures_are_read_from_a_sentence(text: str, figures: tuple[float, ...]) -> None:
    assert figures_in(text) == pytest.approx(figures)


def test_figures_of_the_popular_claims_are_found() -> None:
    claims = load_paper_table("popular_claims").column("claim")
    (scores,) = [text for text in claims if text.startswith("TruthfulQA")]
    assert figures_in(scores) == (43.6, 66.7, 29.5, 43.7)


def test_a_figure_is_off_by_its_ratio() -> None:
    assert off_by(claim("4").settle(5)) == 1.25
    assert off_by(claim("0").settle(5)) is None
    assert off_by(claim("4").settle(-1)) is None
    missing = Claim("x", "popular", "", "", "none", why="never released")
    assert off_by(Settled(missing, "none")) is None


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([10.4], "right"),
        ([10.6], "imprecise"),
        ([10 * FACTOR * 0.999], "imprecise"),
        ([10 * FACTOR * 1.001], "wrong"),
        ([10 / FACTOR * 1.001], "imprecise"),
        ([10 / FACTOR * 0.999], "wrong"),
        ([10, 11], "imprecise"),
        ([10, 100], "imprecise"),
        ([11, 100], "imprecise"),
        ([1, 100], "wrong"),
        ([10, 10], "right"),
        ([], "open"),
    ],
)
def test_the_word_follows_from_how_far_the_figures_are_off(values: list[float], word: str) -> None:
    assert word_for([claim().settle(value) for value in values]) == word


def test_what_cannot_be_told_leaves_the_word_open_unless_something_differs() -> None:
    right, unknown = claim().settle(10), claim().settle(10, (5, 15))
    assert word_for([unknown]) == word_for([right, unknown]) == "open"
    assert word_for([unknown, claim().settle(100)]) == "imprecise"


def test_a_figure_with_no_ratio_is_wrong_where_it_differs() -> None:
    assert word_for([claim("0").settle(1)]) == "wrong"
    assert word_for([claim("0", relation=">=").settle(-1)]) == "wrong"


@pytest.mark.parametrize("factor", [1, 0.5, math.inf, math.nan])
def test_a_factor_that_separates_nothing_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match="factor is"):
        word_for([], factor=factor)


def test_words_are_those_of_the_claims_that_cover_an_item() -> None:
    ledger = {c.id: c for c in load_claims().values() if "popular 12" in c.covers}
    settled = {name: row.settle(float(row.paper)) for name, row in ledger.items()}
    assert words_for(["popular 12", "popular 5"], settled) == {"popular 12": "right", "popular 5": "open"}


def test_a_part_that_cannot_be_settled_leaves_a_statement_open() -> None:
    approaches = find_claim("abstract-three-approaches")
    assert {"abstract-three-approaches", "abstract-400-models"} <= {
        c.id for c in load_claims().values() if "popular 4" in c.covers
    }
    assert words_for(["popular 4"], {approaches.id: approaches.settle(3)}) == {"popular 4": "open"}
