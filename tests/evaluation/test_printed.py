import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.printed import (
    SUITES,
    PrintedScore,
    _holm,
    compare,
    load_printed_scores,
    mean_scores,
    scores_beside,
    tally,
)
from chinchilla_lib.reference import load_paper_table

SCORES = load_printed_scores()


def of(suite: str) -> list[PrintedScore]:
    return [score for score in SCORES if score.suite == suite]


def test_the_suite_is_as_large_as_the_paper_says() -> None:
    assert {score.suite for score in SCORES} == set(SUITES)
    printed = {row["group"]: int(row["n_tasks"]) for row in load_paper_table("table5_eval_suite").rows}
    assert len(of("MMLU")) == printed["MMLU"]
    assert len(of("BIG-bench")) == printed["BIG-bench"]
    assert len(of("The Pile")) + len(of("WikiText103")) == printed["language modelling"]
    assert len(of("reading")) == printed["reading comprehension"]
    assert len(of("common sense")) == printed["common sense"]


@pytest.mark.parametrize(
    ("suite", "counts"),
    [
        ("MMLU", (51, 2, 4)),
        ("BIG-bench", (58, 0, 4)),
        ("The Pile", (19, 0, 0)),
        ("common sense", (4, 1, 0)),
        ("WikiText103", (1, 0, 0)),
    ],
)
def test_wins_ties_and_losses_are_those_of_the_text(suite: str, counts: tuple[int, int, int]) -> None:
    found = tally(of(suite))
    assert (found.wins, found.ties, found.losses) == counts


def test_means_of_the_tables() -> None:
    """Gopher's printed MMLU mean, 60.0, is the mean over items; over tasks it is 60.6."""
    chinchilla, gopher = mean_scores(of("MMLU"))
    printed = {row["who"]: float(row["accuracy_pct"]) for row in load_paper_table("table6_mmlu").rows}
    assert chinchilla.by_item is not None
    assert gopher.by_item is not None
    assert abs(gopher.by_item - printed["Gopher 5-shot"]) <= gopher.rounding
    assert gopher.by_task - printed["Gopher 5-shot"] > 0.5 + gopher.rounding
    assert abs(chinchilla.by_item - printed["Chinchilla 5-shot"]) <= chinchilla.rounding + 0.05
    chinchilla, gopher = mean_scores(of("BIG-bench"))
    assert chinchilla.by_task == pytest.approx(64.5, abs=0.05)  # 65.1 is printed
    assert gopher.by_task == pytest.approx(54.4, abs=0.05)
    with pytest.raises(InputError, match="scores is empty"):
        mean_scores([])


def test_a_mean_over_items_is_that_of_their_answers() -> None:
    chinchilla, gopher = mean_scores(
        [PrintedScore("x", "a", 100.0, 50.0, n_items=10), PrintedScore("x", "b", 50.0, 0.0, n_items=30)]
    )
    assert (chinchilla.by_task, chinchilla.by_item) == (75.0, 62.5)
    assert (gopher.by_task, gopher.by_item) == (25.0, 12.5)
    assert mean_scores([PrintedScore("x", "a", 1.0, 2.0)])[0].by_item is None


def test_the_number_of_items_shows_where_other_items_were_scored() -> None:
    score = PrintedScore("x", "a", 66.7, 60.0, n_items=3)
    assert score.fits(66.7)
    assert not score.fits(66.8), "two of three are 66.7 to a tenth"
    assert not score.fits(60.0)
    assert PrintedScore("x", "a", 66.7, 60.0).fits(60.0)


def test_noise_is_that_of_simulated_answers() -> None:
    rng = np.random.default_rng(0)
    n, p, q = 200, 0.7, 0.5
    gains = 100 * (rng.binomial(n, p, 20_000) - rng.binomial(n, q, 20_000)) / n
    (found,) = compare([PrintedScore("x", "a", 100 * p, 100 * q, n_items=n)])
    assert found.standard_error == pytest.approx(gains.std(), rel=0.02)
    assert found.p_value == found.p_adjusted
    assert found.p_value == pytest.approx(
        2 * (1 - 0.5 * (1 + math.erf(20 / found.standard_error / 2**0.5))), abs=1e-3
    )


def test_false_alarms_stay_below_the_level() -> None:
    """Two equal models on 40 small tasks: in at most one battery of twenty may any task stand out."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(60):
        right = rng.binomial(50, 0.6, (40, 2)) * 2.0
        scores = [PrintedScore("x", str(i), a, b, n_items=50) for i, (a, b) in enumerate(right.tolist())]
        alarms += any(comparison.p_adjusted < 0.05 for comparison in compare(scores))
    assert alarms <= 8  # 3 expected at most; 9 or more have a probability below .5 %


def test_holm_counts_the_hypotheses_that_are_left() -> None:
    # By hand: 4 x .005, 3 x .01, 2 x .03; 1 x .04 would be below the one before it.
    assert _holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = _holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p - 1e-12 <= q <= min(1.0, p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= -1e-12).all()


def test_the_sign_test_forgets_ties() -> None:
    scores = [PrintedScore("x", str(i), 1.0 + (i < 5), 1.0) for i in range(9)]
    assert tally(scores).p_value == pytest.approx(2 / 2**5)
    assert tally(scores[5:]).p_value == 1.0
    lower = [PrintedScore("x", "a", 0.6, 0.7, higher_is_better=False)]
    assert tally(lower).wins == 1
    with pytest.raises(InputError, match="scores is empty"):
        tally([])


@pytest.mark.parametrize(
    ("column", "n_scores", "lost"),
    [
        ("gpt3", 11, set()),
        ("mt_nlg_530b", 6, {"PIQA"}),
        ("jurassic1_bpb", 16, {"dm_mathematics", "ubuntu_irc"}),
        ("supervised_sota", 5, {"HellaSwag", "PIQA", "Winogrande", "SIQA", "BoolQ"}),
    ],
)
def test_scores_beside_other_models_are_those_of_the_tables(
    column: str, n_scores: int, lost: set[str]
) -> None:
    found = scores_beside(column)
    assert len(found) == n_scores
    assert {score.task for score in found if score.gain < 0} == lost


def test_a_column_that_no_table_has_is_refused() -> None:
    with pytest.raises(InputError, match="column is 'palm'; no table"):
        scores_beside("palm")
