"""The design command: its JSON, its text, and one line with status 2 for everything that is wrong."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.cli.design import _EPILOG
from chinchilla_lib.fitting.design import design_runs
from chinchilla_lib.fitting.offered_runs import candidate_grid
from chinchilla_lib.sweeps.table import SweepTable
from tests.cli.checks import costs_one_line, report_of, run_examples
from tests.cli.test_fit import rows, write


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.csv", rows())


def designed(runs: Path, options: str) -> dict[str, Any]:
    return report_of(runs.parent, "design", str(runs), *shlex.split(options))


def test_the_report_is_the_librarys_design(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = designed(runs, "--budget 1e20 --max-runs 8 --simulations 50 --seed 3")
    design = design_runs(SweepTable.from_csv(runs), 1e20, max_runs=8, n_simulated=50, seed=3)
    assert report == design.to_dict()
    assert capsys.readouterr().out == f"{design}\n"
    assert report["flops"] == sum(run["flops"] * run["count"] for run in report["runs"]) <= 1e20
    assert report["target"] == "a"
    assert report["se_after"] < report["se_before"]
    assert 0.9 < report["efficiency"] <= 1
    for run in report["runs"]:
        assert run["flops"] == pytest.approx(6 * run["n_params"] * run["n_tokens"])
        assert isinstance(run["count"], int)


def test_targets_ranges_and_noise(runs: Path) -> None:
    report = designed(
        runs,
        "--budget 1e20 --target log_n_opt --at 1e22 --n-params 30M 3B --n-tokens 1e9 5e10 --grid 11 "
        "--noise 0.01 --ratio 1e-9 1e12",
    )
    assert report["at"] == 1e22
    assert report["n_params_range"] == [30e6, 3e9]
    assert report["n_tokens_range"] == [1e9, 5e10]
    assert report["n_candidates"] == 121
    assert report["noise"] == 0.01
    for run in designed(runs, "--budget 1e20 --ratio 5 80 --run-flops 1e18 1e19")["runs"]:
        assert 5 <= run["n_tokens"] / run["n_params"] <= 80
        assert 1e18 <= run["flops"] <= 1e19
    wide = designed(runs, "--budget 1e20 --target alpha --factor 5 --max-runs 5")
    grid = candidate_grid(SweepTable.from_csv(runs), factor=5)
    assert wide["n_params_range"] == [grid.n_params.min(), grid.n_params.max()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "the following arguments are required: --budget"),
        ("--budget much", "--budget is 'much'"),
        ("--budget 1e20 --target b", "--target is 'b'; give one of a, log_n_opt, alpha, beta, E"),
        ("--budget 1e20 --at 1e21", "--at is read by --target log_n_opt, not by a"),
        ("--budget 1e20 --max-runs 0", "max_runs must be 1 or above, found 0"),
        ("--budget 1e20 --simulations 1", "--simulations must be 0, or 2 or above"),
        ("--budget 1e10", "raise the budget"),
        ("--budget 1e20 --n-params 1e9 1e8", "n_params must go from"),
        ("--budget 1e20 --ratio 1e9 2e9", "none has tokens per parameter in 1e+09 to 2e+09"),
        ("--budget 1e20 --n-params small 1e8", "--n-params is 'small'"),
        ("--budget 1e20 --grid 5000", "n_grid must be from 2 to 200, found 5000"),
        ("--budget nan", "--budget is 'nan'; it must be a finite number above zero"),
        ("--budget 1e20 --json runs.csv", "is the table of runs itself; name another file"),
        ("--budget 1e20 --max-runs 2 --json no/folder/out.json", "cannot be written"),
    ],
)
def test_what_is_wrong_costs_one_line(
    runs: Path,
    options: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(runs.parent)
    costs_one_line(capsys, message, "design", "runs.csv", *shlex.split(options))


def test_the_examples_of_the_help_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    assert run_examples(_EPILOG) == 2
    assert (runs.parent / "next.json").exists()
