"""Scores: proper for intervals, zero for the truth, and a table that no file can stop or forge."""

import csv
import json
import math
import os
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.game.game import LEVEL, Game, Submission
from chinchilla_lib.game.ledger import Ledger
from chinchilla_lib.game.scoring import Truth, interval_score, leaderboard, score, write_leaderboard
from chinchilla_lib.game.variants import find_variant, practice_truth
from chinchilla_lib.sweeps.table import SweepTable

PRACTICE = find_variant("practice")
TRUTH = Truth.of("practice")


def simulated_truth(*, curvature: float = 0.04, n_opt: float = 2e5, lowest: float = 2.9) -> SweepTable:
    rows = [
        {
            "n_params": size,
            "n_tokens": PRACTICE.tokens_for(size, PRACTICE.far_budget),
            "loss": lowest * math.exp(curvature / 2 * math.log(size / n_opt) ** 2),
        }
        for size in np.geomspace(7e4, 9e5, 6)
    ]
    return SweepTable.from_records(rows, source="simulated truth")


def submitted(student: str, folder: Path, n_params: float, interval: tuple[float, float]) -> Path:
    path = folder / f"{student}.jsonl"
    game = Game(student, "practice", path)
    game.train(5e4, 5e5)
    game.submit(n_params, PRACTICE.tokens_for(n_params, PRACTICE.far_budget), interval)
    return path


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-9, 9), st.floats(0.05, 0.95))
def test_interval_score_is_width_and_what_is_missed(
    one: float, other: float, value: float, level: float
) -> None:
    low, high = sorted((one, other))
    beyond = max(low - value, 0) + max(value - high, 0)
    assert interval_score(low, high, value, level) == pytest.approx(high - low + 2 / (1 - level) * beyond)


def test_interval_score_is_lowest_for_ones_own_quantiles() -> None:
    # Expected score under a normal belief, by a fine grid of its quantiles.
    normal = statistics.NormalDist(1.0, 0.1)
    values = [normal.inv_cdf((k + 0.5) / 4000) for k in range(4000)]

    def expected(low: float, high: float) -> float:
        return statistics.fmean(interval_score(low, high, value) for value in values)

    edges = normal.inv_cdf((1 - LEVEL) / 2), normal.inv_cdf((1 + LEVEL) / 2)
    best = expected(*edges)
    for shift in (-0.05, -0.02, 0.02, 0.05):
        assert expected(edges[0] + shift, edges[1]) > best
        assert expected(edges[0], edges[1] + shift) > best
        assert expected(edges[0] + shift, edges[1] + shift) > best
        assert expected(edges[0] - shift, edges[1] + shift) > best


@pytest.mark.parametrize(
    "arguments", [(3.1, 2.9, 3.0), (2.9, math.nan, 3.0), (2.9, 3.1, 3.0, 1.0), (2.9, 3.1, 3.0, 0.0)]
)
def test_what_is_no_interval_is_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        interval_score(*arguments)


def test_a_known_valley_is_found() -> None:
    truth = Truth.of("practice", simulated_truth())
    assert truth.n_opt == pytest.approx(2e5) and truth.lowest == pytest.approx(2.9)
    assert truth.curvature == pytest.approx(0.04) and truth.scatter < 1e-9
    assert truth.regret(4e5) == pytest.approx(0.02 * math.log(2) ** 2)
    assert (truth.n_sizes, truth.n_runs) == (6, 6)


def test_seeds_count_once_for_their_size_and_other_budgets_not_at_all() -> None:
    table = simulated_truth()
    rows = [
        {"n_params": n, "n_tokens": d, "loss": loss}
        for n, d, loss in zip(table.n_params, table.n_tokens, table.loss, strict=True)
    ]
    first = {**rows[0], "loss": rows[0]["loss"] * 1.01}, {**rows[0], "loss": rows[0]["loss"] / 1.01}
    elsewhere = {**rows[1], "n_tokens": rows[1]["n_tokens"] / 2, "loss": 9.0}
    found = Truth.of("practice", SweepTable.from_records([*first, *rows[1:], elsewhere], source="truth"))
    assert found.n_opt == pytest.approx(2e5) and found.n_runs == 7


def test_a_truth_that_shows_no_lowest_loss_is_refused() -> None:
    with pytest.raises(InputError, match="3 sizes at the far budget of practice, 1e13 FLOPs; give 4"):
        Truth.of("practice", simulated_truth().take([0, 1, 2]))
    with pytest.raises(InputError, match="does not lie between the sizes trained"):
        Truth.of("practice", simulated_truth(n_opt=5e6))
    with pytest.raises(InputError, match="does not lie between the sizes trained"):
        Truth.of("practice", simulated_truth(curvature=-0.04))
    with pytest.raises(InputError, match="0 sizes at the far budget"):
        Truth.of("english", practice_truth("practice"))
    with pytest.raises(InputError, match="whose truth the instructor holds"):
        Truth.of("english")


@given(st.floats(3e4, 3e6), st.floats(2.5, 3.3), st.floats(0, 0.4))
def test_score_is_interval_and_regret_in_the_same_weight(n_params: float, low: float, width: float) -> None:
    given_ = Submission(n_params, 1.0, low, low + width, 1)
    found = score(given_, TRUTH)
    assert found.total == pytest.approx(found.interval + 20 * found.regret)
    assert found.covered == (low <= TRUTH.lowest <= low + width)
    assert found.regret >= 0 and found.interval >= math.log((low + width) / low) - 1e-12
    assert found.covered == (found.interval <= math.log((low + width) / low) + 1e-12)


def test_leaderboard_ranks_by_score(tmp_path: Path) -> None:
    near, lowest = TRUTH.n_opt, TRUTH.lowest
    submitted("sharp", tmp_path, near, (lowest - 0.01, lowest + 0.01))
    submitted("wide", tmp_path, near, (lowest - 0.2, lowest + 0.2))
    submitted("off", tmp_path, near, (lowest + 0.1, lowest + 0.12))
    submitted("large", tmp_path, 6 * near, (lowest - 0.01, lowest + 0.01))
    rows = leaderboard(tmp_path, "practice")
    assert [(row.rank, row.student, row.covered) for row in rows] == [
        (1, "sharp", True),
        (2, "wide", True),
        (3, "off", False),
        (4, "large", True),
    ]
    assert [row.score for row in rows] == sorted(row.score or 0 for row in rows)
    assert all(not row.reason for row in rows)


def test_no_file_stops_the_others(tmp_path: Path) -> None:
    good = submitted("ada", tmp_path, TRUTH.n_opt, (2.8, 3.0))
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    (tmp_path / "deep.json").write_text("[" * 100_000 + "\n")
    (tmp_path / "other.jsonl").write_text(Game("eve", "code").ledger.to_text())
    (tmp_path / "open.jsonl").write_text(Game("kim", "practice").ledger.to_text())
    (tmp_path / "cut.jsonl").write_bytes(good.read_bytes()[:-9])
    (tmp_path / "strange.jsonl").write_text(Ledger.begin({"student": 3, "variant": 7}).to_text())
    (tmp_path / ".hidden").write_text("not looked at")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link.jsonl").symlink_to(tmp_path / "gone")
    forged = Ledger.begin(dict(Game("max", "practice").ledger.entries[0].content)).extended(
        "submit",
        {**Ledger.read(good).entries[-1].content, "spent": 0.0, "low": 2.92, "high": 2.93, "level": 0.5},
    )
    forged.write(tmp_path / "forged.jsonl")
    rows = leaderboard(tmp_path, "practice")
    reasons = {row.file: row.reason for row in rows}
    assert reasons.pop("ada.jsonl") == ""
    assert set(reasons) == {
        *("empty.jsonl", "noise.bin", "deep.json", "other.jsonl", "open.jsonl"),
        *("cut.jsonl", "strange.jsonl", "forged.jsonl"),
    }
    assert all(reasons.values()) and all(len(reason) < 250 for reason in reasons.values())
    assert "a game of the variant 'code'" in reasons["other.jsonl"]
    assert reasons["open.jsonl"] == "nothing was submitted"
    assert "its level is 0.5" in reasons["forged.jsonl"]
    assert rows[0].rank == 1 and all(row.rank is None for row in rows[1:])


@pytest.mark.parametrize("text", ["\ud800", "\x1b[2J", "a\n   1  eve  0.000"])
def test_no_text_of_a_file_stops_the_table_or_fakes_a_line_of_it(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    submitted("ada", folder, TRUTH.n_opt, (2.8, 3.0))
    forged = Game("max", "practice").ledger.extended("train", {text: 1.0})
    named = b"\xff" if text == "\ud800" else text.encode()
    (folder / os.fsdecode(named)).write_text(forged.to_text())
    rows = leaderboard(folder, "practice")
    assert [(row.student, row.rank) for row in rows] == [("ada", 1), ("max", None)]
    assert rows[1].reason.startswith("entry 1: it holds")
    assert all((row.file + row.reason).isprintable() for row in rows)
    for name in ("board.csv", "board.json"):
        write_leaderboard(rows, tmp_path / name)


def test_several_games_of_one_student_get_no_rank(tmp_path: Path) -> None:
    for number, high in enumerate((2.95, 3.0)):
        (tmp_path / str(number)).mkdir()
        submitted("ada", tmp_path / str(number), TRUTH.n_opt, (2.9, high))
    submitted("bob", tmp_path, TRUTH.n_opt, (2.9, 3.0))
    rows = leaderboard(tmp_path, "practice")
    assert [(row.student, row.rank) for row in rows] == [("bob", 1), ("ada", None), ("ada", None)]
    assert {row.reason for row in rows[1:]} == {"2 ledgers of this student hold; keep one of them"}


def test_equal_scores_share_a_rank(tmp_path: Path) -> None:
    for student in ("ada", "bob"):
        submitted(student, tmp_path, TRUTH.n_opt, (2.9, 3.0))
    submitted("eve", tmp_path, TRUTH.n_opt, (2.8, 3.1))
    assert [row.rank for row in leaderboard(tmp_path, "practice")] == [1, 1, 3]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file there"):
        leaderboard(tmp_path, "practice")


def test_tables_hold_every_row_and_no_formula(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    submitted("ada", tmp_path / "in", TRUTH.n_opt, (2.8, 3.0))
    (tmp_path / "in" / "=1+1.jsonl").touch()
    rows = leaderboard(tmp_path / "in", "practice")
    write_leaderboard(rows, tmp_path / "board.csv")
    write_leaderboard(rows, tmp_path / "board.json")
    with (tmp_path / "board.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["student"] for row in read] == ["ada", ""]
    assert read[1]["file"] == "'=1+1.jsonl"
    assert float(read[0]["score"]) == rows[0].score
    assert json.loads((tmp_path / "board.json").read_text())[0]["rank"] == 1
    with pytest.raises(InputError, match=r"end it with \.csv or \.json"):
        write_leaderboard(rows, tmp_path / "board.txt")
    with pytest.raises(InputError, match="cannot be written"):
        write_leaderboard(rows, tmp_path / "gone" / "board.csv")
