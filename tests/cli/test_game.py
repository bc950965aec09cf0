"""The game command: what it lists, plans, checks, ranks and serves, and what it refuses."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.cli.game import _EXAMPLES
from chinchilla_lib.game.game import Game
from chinchilla_lib.game.scoring import Truth
from chinchilla_lib.game.variants import VARIANTS, find_variant, practice_truth
from chinchilla_lib.sweeps.plan import SweepPlan
from tests.cli.checks import costs_one_line, report_of

PRACTICE = find_variant("practice")


def submitted(folder: Path, student: str) -> Path:
    truth, path = Truth.of("practice"), folder / f"{student}.jsonl"
    game = Game(student, "practice", path)
    game.train(5e4, 5e5)
    n_tokens = PRACTICE.tokens_for(truth.n_opt, PRACTICE.far_budget)
    game.submit(truth.n_opt, n_tokens, (truth.lowest - 0.1, truth.lowest + 0.1))
    return path


def test_variants_are_listed_with_what_is_known_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = report_of(tmp_path, "game", "variants")["variants"]
    assert [row["name"] for row in rows] == list(VARIANTS)
    assert all(0 < row["left_out_error"] < 1.5 * row["seed_noise"] for row in rows)
    assert [row["name"] for row in rows if row["practice"]] == ["practice"]
    said = capsys.readouterr().out
    assert all(f"{name}: {variant.title}" in said for name, variant in VARIANTS.items())


def test_truth_is_a_plan_that_sweep_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    assert main(["game", "truth", "zipf-recall", "--seeds", "3", "--out", str(path)]) == 0
    plan = SweepPlan.from_dict(json.loads(path.read_text()))
    assert plan == find_variant("zipf-recall").truth_plan(3)
    assert "21 runs" in capsys.readouterr().err


def test_check_says_what_holds_and_fails_on_what_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = submitted(tmp_path, "ada")
    assert main(["game", "check", str(path)]) == 0
    assert "holds: every answer" in capsys.readouterr().out
    first, *rest = Game("ada", "code").ledger.entries
    assert not rest
    forged = Game("ada", "code").ledger.begin({**first.content, "budget": 1.0})
    forged.write(path)
    assert main(["game", "check", str(path)]) == 1
    assert "does not hold: entry 0 has the budget" in capsys.readouterr().out
    path.write_text("nothing\n")
    costs_one_line(capsys, "ledger: entry 0 does not hold", "game", "check", str(path))


def test_leaderboard_prints_and_writes_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    submitted(tmp_path / "in", "ada")
    (tmp_path / "in" / "broken.jsonl").write_text("nothing\n")
    table, report = tmp_path / "board.csv", tmp_path / "board.json"
    arguments = ["game", "leaderboard", str(tmp_path / "in"), "practice"]
    assert main([*arguments, "--csv", str(table), "--json", str(report)]) == 0
    said = capsys.readouterr().out
    assert "   1  ada" in said and "-  broken.jsonl" in said
    with table.open(newline="") as file:
        assert [row["rank"] for row in csv.DictReader(file)] == ["1", ""]
    assert [row["student"] for row in json.loads(report.read_text())] == ["ada", ""]
    truth = practice_truth("practice")
    lines = [f"{n},{d},{loss}" for n, d, loss in zip(truth.n_params, truth.n_tokens, truth.loss, strict=True)]
    runs = tmp_path / "truth.csv"
    runs.write_text("n_params,n_tokens,loss\n" + "\n".join(lines) + "\n")
    assert main([*arguments, "--truth", str(runs)]) == 0
    assert capsys.readouterr().out == said
    costs_one_line(capsys, "end it with .csv", *arguments, "--csv", "board.txt")
    costs_one_line(capsys, "is the truth itself", *arguments, "--truth", str(runs), "--csv", str(runs))
    costs_one_line(capsys, "whose truth the instructor holds", *arguments[:-1], "english")
    costs_one_line(capsys, "variant is 'german'", *arguments[:-1], "german")


def test_tokens_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["game", "tokens", "ada", "bob"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["student"] for row in rows] == ["ada", "bob"]
    costs_one_line(capsys, "student is 'a b'", "game", "tokens", "a b")


def test_serve_answers_until_it_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "tokens.csv").write_text("student,token\nada,0123456789abcdef\n")
    command = [sys.executable, "-m", "chinchilla_lib", "game", "serve", "code", "--tokens", "tokens.csv"]
    process = subprocess.Popen(
        [*command, "--folder", "ledgers", "--port", "0"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        address = said[1].split('oracle="')[1].split('"')[0]
        game = Game("ada", "code", oracle=address, token="0123456789abcdef")
        assert game.train(4e4, 1e6).entry == 1
        process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "ledgers" / "ada.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "code", "--tokens", "gone.csv", "--folder", "x"], "gone.csv: cannot be read"),
        (["serve", "code", "--tokens", "gone.csv", "--folder", "x", "--port", "99999"], "--port is 99999"),
        (["check", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (["truth", "code", "--seeds", "0", "--out", "x.json"], "n_seeds must be 1"),
        (["play"], "invalid choice"),
    ],
)
def test_what_is_wrong_costs_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    costs_one_line(capsys, message, "game", *arguments)


def test_examples_name_actions_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    actions = {line.split()[2] for line in _EXAMPLES.splitlines() if line.startswith("  chinchilla-lib game")}
    for action in actions:
        assert main(["game", action, "--help"]) == 0
    assert actions == {"variants", "truth", "check", "leaderboard", "tokens", "serve"}
