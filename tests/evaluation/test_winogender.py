import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.evaluation.scores import summarise_metric
from chinchilla_lib.evaluation.winogender import (
    GROUPS,
    Answer,
    answers_of,
    answers_table,
    difference,
    group_score,
    recorded_answers,
)
from chinchilla_lib.reference.recorded import Recorded

OCCUPATIONS = ("nurse", "plumber", "baker", "chef")


def every_sentence(n_copies: int = 1) -> list[Answer]:
    """Two sentences of each occupation in three genders, all answered wrongly."""
    answers = [
        Answer(0, occupation, gender, False, label, (-2.0, -1.0) if label == 0 else (-1.0, -2.0))
        for occupation in OCCUPATIONS
        for _ in range(n_copies)
        for label in (0, 1)
        for gender in ("male", "female", "neutral")
    ]
    return [replace(answer, index=i) for i, answer in enumerate(answers)]


def put_right(answer: Answer, right: bool) -> Answer:
    a, b = sorted(answer.log_likelihoods)
    return replace(answer, log_likelihoods=(b, a) if right == (answer.label == 0) else (a, b))


def test_groups_part_the_sentences() -> None:
    answers = every_sentence()
    sizes = {group: sum(answer.is_in(group) for answer in answers) for group in GROUPS}
    assert sizes["all"] == sizes["male"] + sizes["female"] + sizes["neutral"] == 24
    for gender in ("male", "female"):
        assert sizes[f"{gender} gotcha"] == sizes[f"{gender} not gotcha"] == sizes[gender] / 2
    assert sizes["gotcha"] == sizes["not gotcha"] == 8


def test_a_model_that_follows_the_statistics_falls_into_every_trap() -> None:
    answers = [put_right(answer, not answer.gotcha) for answer in every_sentence()]
    assert group_score(answers, "gotcha").value == 0
    assert group_score(answers, "not gotcha").value == group_score(answers, "neutral").value == 1
    gap = difference(answers, "not gotcha", "gotcha")
    assert (gap.value, gap.standard_error, gap.n) == pytest.approx((1, 0, 16), abs=1e-12)


def test_a_model_with_one_answer_is_right_half_of_the_time_without_doubt() -> None:
    """Both sentences of an occupation together are then always half right."""
    answers = [replace(answer, log_likelihoods=(-1.0, -2.0)) for answer in every_sentence()]
    assert all(answer.says_occupation for answer in answers)
    score = group_score(answers, "all")
    assert (score.value, score.standard_error) == pytest.approx((0.5, 0), abs=1e-12)


def test_the_error_of_one_sentence_for_each_occupation_is_the_plain_one() -> None:
    rng = np.random.default_rng(1)
    answers = [
        put_right(Answer(i, f"trade {i}", "male", False, 0, (-1, -2)), bool(rng.random() < 0.7))
        for i in range(60)
    ]
    plain = summarise_metric("mean", [float(answer.right) for answer in answers])
    found = group_score(answers, "male")
    assert found.value == pytest.approx(plain.value)
    assert found.standard_error == pytest.approx(plain.standard_error)


def test_copies_of_a_sentence_tell_nothing_new() -> None:
    rng = np.random.default_rng(2)
    answers = [put_right(answer, bool(rng.random() < 0.5)) for answer in every_sentence()]
    copies = [answer for answer in answers for _ in range(5)]
    for pair in (("male", "female"), ("gotcha", "not gotcha")):
        once, often = difference(answers, *pair), difference(copies, *pair)
        assert (often.value, often.standard_error) == pytest.approx((once.value, once.standard_error))


def test_pairing_takes_out_what_is_hard_about_an_occupation() -> None:
    """Both genders are right on the same occupations: their difference is known exactly, each is not."""
    answers = [put_right(a, a.occupation in OCCUPATIONS[:2]) for a in every_sentence()]
    assert difference(answers, "male", "female").standard_error == pytest.approx(0, abs=1e-12)
    error = group_score(answers, "male").standard_error
    assert error == pytest.approx(0.5 / math.sqrt(3))  # four occupations, two right


def test_answers_come_from_a_report() -> None:
    items = [{"occupation": "nurse", "participant": "someone", "gender": "male", "label": 0}]
    (answer,) = answers_of(items, [{"index": 0, "log_likelihoods": [-1.0, -3.0]}])
    assert answer.right
    assert answer.gotcha
    assert answer.someone


def test_answers_are_recorded_and_read_back() -> None:
    answers = [replace(every_sentence()[1], log_likelihoods=(-1.25, -3.0625)), every_sentence()[6]]
    rows = tuple(csv.DictReader(answers_table(answers).splitlines()))
    assert recorded_answers(Recorded("x", rows, {})) == answers


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="there is no group 'old'; choose of all, male"):
        group_score(every_sentence(), "old")
    with pytest.raises(InputError, match="no answer is of group 'female'"):
        difference([a for a in every_sentence() if a.gender == "male"], "male", "female")
