"""The game: it answers alike, spends what it says, refuses without loss, goes on, and is replayed."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.game.game import LEVEL, Game, noise_of, replay
from chinchilla_lib.game.ledger import Ledger
from chinchilla_lib.game.variants import find_variant, recorded_surface, recorded_table

CODE = find_variant("code")
FAR = (2e5, CODE.tokens_for(2e5, CODE.far_budget))


def played(student: str = "ada", path: Path | None = None, *, submits: bool = True) -> Game:
    game = Game(student, "code", path)
    for size in (4e4, 8e4, 1.2e5):
        game.train(size, 1e6)
    if submits:
        game.submit(*FAR, (2.2, 2.4))
    return game


def forged(game: Game, number: int, **changes: Any) -> Ledger:
    """A ledger with one entry changed and every hash computed again."""
    first, *rest = game.ledger.entries
    ledger = Ledger.begin({**first.content, **(changes if not number else {})})
    for entry in rest:
        ledger = ledger.extended(entry.kind, {**entry.content, **(changes if number == entry.number else {})})
    return ledger


def test_same_question_same_answer_of_another_student_or_seed_another() -> None:
    answers = {
        (student, seed): Game(student, "code").train(1e5, 1e6, seed=seed).loss
        for student in ("ada", "bob")
        for seed in (0, 1)
    }
    assert len(set(answers.values())) == 4
    assert played().ledger == played().ledger


def test_noise_is_that_of_recorded_seeds() -> None:
    surface = recorded_surface("code")
    game = Game("ada", "code")
    ratios = [
        math.log(game.train(2e4, 2e5, seed=seed).loss / surface.loss(2e4, 2e5)) / surface.noise
        for seed in range(100)
    ]
    assert abs(np.mean(ratios)) < 4 / math.sqrt(100)
    assert np.std(ratios, ddof=1) == pytest.approx(1, rel=4 / math.sqrt(200))


@given(st.text(max_size=8), st.floats(1, 1e9), st.integers(0, 2**31 - 1))
def test_noise_is_finite(student: str, size: float, seed: int) -> None:
    assert abs(noise_of(student, "code", size, 1e6, seed)) < 9


@given(st.lists(st.tuples(st.floats(2e3, 1e6), st.floats(1e4, 1e8)), max_size=12))
@settings(max_examples=30)
def test_spending_is_the_sum_of_answers_and_never_beyond_the_budget(
    questions: list[tuple[float, float]],
) -> None:
    game = Game("ada", "code")
    for n_params, n_tokens in questions:
        before = game.ledger
        try:
            game.train(n_params, n_tokens)
        except InputError:
            assert game.ledger is before
    assert game.spent == pytest.approx(sum(CODE.cost(a.n_params, a.n_tokens) for a in game.answers))
    assert game.left >= 0
    assert replay(game.ledger).holds


def test_a_question_beyond_the_budget_is_refused_and_nothing_is_spent() -> None:
    game = Game("ada", "code")
    cost = CODE.cost(4e5, 1.0e6)
    while game.left > cost:
        game.train(4e5, 1.0e6, seed=len(game.answers))
    before = game.ledger
    with pytest.raises(InputError, match="are left; ask for a smaller one, or submit"):
        game.train(4e5, 1.0e6)
    assert game.ledger is before


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (("1e5", 1e6, 0), "n_params must be a finite number"),
        ((1e5, math.nan, 0), "n_tokens must be a finite number"),
        ((1e5, True, 0), "n_tokens must be a finite number"),
        ((1e5, 1e6, 0.5), "seed must be a whole number"),
        ((1e5, 1e6, -1), "seed must be a whole number"),
        ((1e5, 1e6, 2**31), "seed must be a whole number"),
        ((10**400, 1e6, 0), "n_params must be a finite number"),
        ((1e5, 1e9, 0), "recorded runs reach from"),
    ],
)
def test_bad_questions_are_refused(question: tuple[Any, Any, Any], message: str) -> None:
    game = Game("ada", "code")
    with pytest.raises(InputError, match=message):
        game.train(question[0], question[1], seed=question[2])
    assert game.spent == 0


@pytest.mark.parametrize(
    ("allocation", "message"),
    [
        ((2e5, 1e6, (2.2, 2.4)), "this size can have"),
        ((1e-300, 1e15, (2.2, 2.4)), "n_params must be from 1"),
        ((1e15, 1e300, (2.2, 2.4)), "n_tokens must be above 0 and at most"),
        ((*FAR, (2.4, 2.2)), "interval is"),
        ((*FAR, (0.0, 2.2)), "interval is"),
        ((*FAR, 2.3), "give its two ends"),
        ((*FAR, (math.nan, 2.2)), "lower end must be a finite number"),
    ],
)
def test_bad_submissions_are_refused_and_the_game_goes_on(
    allocation: tuple[Any, Any, Any], message: str
) -> None:
    game = Game("ada", "code")
    with pytest.raises(InputError, match=message):
        game.submit(*allocation)
    assert game.submission is None
    game.train(1e5, 1e6)


def test_the_game_ends_with_its_submission() -> None:
    game = played()
    assert game.submission is not None and game.submission.high == 2.4
    for ask in (lambda: game.train(1e5, 1e6), lambda: game.submit(*FAR, (2.2, 2.4))):
        with pytest.raises(InputError, match="the game of ada is over: entry 4 submits"):
            ask()


def test_a_game_that_is_opened_again_is_the_game_played_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    Game("ada", "code", path).train(4e4, 1e6)
    Game("ada", "code", path).train(8e4, 1e6)
    again = Game("ada", "code", path)
    again.train(1.2e5, 1e6)
    again.submit(*FAR, (2.2, 2.4))
    assert again.ledger == played().ledger == Ledger.read(path)


def test_a_file_of_another_game_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    played("ada", path)
    with pytest.raises(InputError, match="is of student 'ada', not 'bob'"):
        Game("bob", "code", path)
    with pytest.raises(InputError, match="is of variant 'code', not 'english'"):
        Game("ada", "english", path)
    with pytest.raises(InputError, match="is of table"):
        Game("ada", "code", path, table=recorded_table("english"))


def test_two_games_on_one_file_do_not_lose_each_others_entries(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    first, second = Game("ada", "code", path), Game("ada", "code", path)
    first.train(4e4, 1e6)
    with pytest.raises(InputError, match="another game wrote to it"):
        second.train(8e4, 1e6)
    assert Ledger.read(path) == first.ledger


def test_answers_are_a_table_to_fit() -> None:
    table = played().runs()
    assert len(table) == 3 and table.flops[0] == pytest.approx(CODE.cost(4e4, 1e6))
    with pytest.raises(InputError, match="no answers yet"):
        Game("ada", "code").runs()


@pytest.mark.parametrize(
    ("number", "changes", "reason"),
    [
        (0, {"budget": 1e15}, "entry 0 has the budget"),
        (0, {"student": "bob"}, "entry 1: the answer is"),
        (0, {"table": "0" * 64}, "entry 0 has the table"),
        (2, {"loss": 2.0}, "entry 2: the answer is 2.0"),
        (2, {"n_params": 8.1e4}, "entry 2: the answer is"),
        (2, {"seed": 3}, "entry 2: the answer is"),
        (2, {"flops": 1.0}, "entry 2: it cost"),
        (2, {"spent": 1.0}, "FLOPs are spent after it"),
        (2, {"n_params": 1e9}, "entry 2: n_params is 1e+09"),
        (2, {"loss": "low"}, "entry 2: loss must be a finite number"),
        (2, {"note": "hello"}, "entry 2: it holds"),
        (4, {"spent": 0.0}, "FLOPs are spent before it"),
        (4, {"level": 0.5}, "its level is 0.5"),
        (4, {"low": 3.0}, "interval is"),
        (4, {"n_tokens": 1e6}, "this size can have"),
    ],
)
def test_a_forged_game_does_not_replay(number: int, changes: dict[str, Any], reason: str) -> None:
    found = replay(forged(played(), number, **changes))
    assert not found.holds
    assert any(reason in said for said in found.reasons), found.reasons


def test_a_game_that_goes_on_after_its_submission_does_not_replay() -> None:
    game, other = played(), played(submits=False)
    ledger = game.ledger.extended("train", other.ledger.entries[1].content)
    assert replay(ledger).reasons == ("entry 5: it stands after the submission",)


def test_a_game_that_overspends_does_not_replay() -> None:
    game = Game("ada", "code")
    ledger, cost, spent = game.ledger, CODE.cost(4e5, 1.0e6), 0.0
    while spent <= CODE.budget:
        other = Game("ada", "code")
        answer = other.train(4e5, 1.0e6, seed=len(ledger.entries))
        spent += cost
        content = {**other.ledger.entries[1].content, "spent": spent}
        ledger = ledger.extended("train", content)
        assert answer.flops == cost
    (reason,) = replay(ledger).reasons
    assert "more than the budget" in reason


def test_what_replays_is_reported_whole() -> None:
    game = played()
    found = replay(game.ledger)
    assert (found.student, found.variant, found.n_answers) == ("ada", "code", 3)
    assert found.holds and found.submission == game.submission and found.spent == game.spent
    assert game.ledger.entries[-1].content["level"] == LEVEL


@pytest.mark.parametrize(
    "start", [{}, {"student": "ada"}, {"variant": "code"}, {"student": "a b", "variant": "code"}]
)
def test_a_ledger_of_no_game_is_refused(start: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"entry 0 names|student is"):
        replay(Ledger.begin(start))


def test_no_depth_of_a_line_escapes_the_replay() -> None:
    # Reading, hashing and showing a value each give up at another depth.
    first = Game("ada", "code").ledger.entries[0]
    unsigned = {"number": 0, "kind": "start", "content": {**first.content, "student": "@"}}

    def written(fields: dict[str, Any], depth: int) -> str:
        text = json.dumps({**fields, "previous": first.previous}, sort_keys=True, separators=(",", ":"))
        return text.replace('"@"', "[" * depth + "]" * depth)

    for depth in range(1, 1100):
        digest = hashlib.sha256(written(unsigned, depth).encode()).hexdigest()
        with pytest.raises(InputError, match="entry 0 does not hold"):
            replay(Ledger.from_text(written({**unsigned, "hash": digest}, depth) + "\n"))
