"""The allocate command: published laws, files of fits, refusals."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.cli.allocate import _EXAMPLES
from chinchilla_lib.reference import LAWS
from tests.cli.checks import costs_one_line, report_of

GRID = [
    {
        "flops": c,
        "n_params": c**0.5,
        "n_tokens": c**0.5 / 6,
        "loss": 3 * (c / 1e18) ** -0.05,
        "intervals": {"n_params": [0.8 * c**0.5, 1.5 * c**0.5], "n_tokens": [c**0.5 / 9, c**0.5 / 4]},
    }
    for c in (1e18, 1e20, 1e22)
]
FIT: dict[str, Any] = {
    "method": "isoflop",
    "source": "runs.csv",
    "law": None,
    "verdict": "weakly identifiable",
    "verdict_reason": "the interval is wide",
    "coefficients": {"n_opt": 1.0, "d_opt": 1 / 6},
    "exponents": {"a": 0.5, "b": 0.5},
    "intervals": {"level": 0.9, "a": [0.4, 0.6]},
    "frontier": GRID,
}


def allocated(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    return report_of(tmp_path, "allocate", *arguments)


def fit_file(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(FIT | changes))
    return str(path)


@pytest.mark.parametrize(
    ("law", "n_params", "per_param"),
    [("hoffmann", 3.22e10, 92.6), ("hoffmann-unrounded", 4.04e10, 58.9), ("epoch", 7.22e10, 18.4)],
)
def test_the_budget_of_gopher(law: str, n_params: float, per_param: float, tmp_path: Path) -> None:
    """Figures computed elsewhere, from the laws with four digits."""
    report = allocated(tmp_path, "--flops", "5.76e23", "--law", law)
    assert report["law"] == law
    assert report["n_params"] == pytest.approx(n_params, rel=3e-3)
    assert report["tokens_per_param"] == pytest.approx(per_param, rel=6e-3)
    assert 6 * report["n_params"] * report["n_tokens"] == pytest.approx(5.76e23)
    assert report["loss"] == LAWS[law].law.loss(report["n_params"], report["n_tokens"])
    assert report["law_parameters"]["alpha"] == LAWS[law].law.alpha
    assert (report["intervals"] is None) == (law != "epoch")


def test_the_default_is_the_printed_law(tmp_path: Path) -> None:
    assert allocated(tmp_path, "--flops", "1e21")["law"] == "hoffmann"


def test_a_published_law_whose_points_are_known_has_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = allocated(tmp_path, "--flops", "1e24", "--law", "epoch")
    assert report["law_intervals"]["level"] == 0.95
    assert report["law_intervals"]["alpha"] == [0.317, 0.373]
    assert report["intervals"]["level"] == 0.9
    for name in ("n_params", "n_tokens", "loss"):
        low, high = report["intervals"][name]
        assert low < report[name] < high
    assert "90% intervals: percentiles of a pairs bootstrap made here" in capsys.readouterr().out
    report = allocated(tmp_path, "--flops", "1e24")
    assert report["law_intervals"] is report["intervals"] is None
    assert "no intervals: none were published" in capsys.readouterr().out
    report = allocated(tmp_path, "--flops", "1e28", "--law", "epoch")
    assert report["intervals"] is None
    assert "no intervals: they are known for budgets of 1e18 to 1e27 FLOPs only" in capsys.readouterr().out


def test_a_fit_without_a_law(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = allocated(tmp_path, "--flops", "1e21", "--law", fit_file(tmp_path))
    assert report["n_params"] == pytest.approx(1e21**0.5)
    assert report["n_tokens"] == pytest.approx(1e21**0.5 / 6)
    # Power laws are straight between the points of the grid, so that interpolation is exact.
    assert report["loss"] == pytest.approx(3 * 1e3**-0.05)
    assert report["intervals"]["level"] == 0.9
    assert report["intervals"]["n_params"] == pytest.approx([0.8 * 1e21**0.5, 1.5 * 1e21**0.5])
    assert report["intervals"]["n_tokens"] == pytest.approx([1e21**0.5 / 9, 1e21**0.5 / 4])
    assert "loss" not in report["intervals"]
    shown = capsys.readouterr().out
    assert shown.index("weakly identifiable: the interval is wide") < shown.index("parameters")
    assert "31.6B   25.3B to 47.4B" in shown


@pytest.mark.parametrize("flops", ["9.9e17", "1.1e22"])
def test_beyond_the_grid_there_are_neither_intervals_nor_loss(
    flops: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = allocated(tmp_path, "--flops", flops, "--law", fit_file(tmp_path))
    assert report["intervals"] is None
    assert report["loss"] is None
    assert report["n_params"] == pytest.approx(float(flops) ** 0.5)
    assert "they are known for budgets of 1e18 to 1e22 FLOPs only" in capsys.readouterr().out


def test_a_fit_with_a_law_knows_its_loss_everywhere(tmp_path: Path) -> None:
    law = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    intervals = {"level": 0.9, "a": [0.4, 0.5], "E": [1.6, 1.8]}
    alone = {"coefficients": None, "exponents": None, "intervals": intervals}
    file = fit_file(tmp_path, law=law, verdict="a text", **alone)
    ours = allocated(tmp_path, "--flops", "5.76e23", "--law", file)
    printed = allocated(tmp_path, "--flops", "5.76e23")
    for name in ("n_params", "n_tokens", "loss", "law_parameters"):
        assert ours[name] == printed[name]
    assert ours["law_intervals"] == {"level": 0.9, "E": [1.6, 1.8]}
    assert ours["verdict"] == "a text" and ours["verdict_reason"] == "the interval is wide"


def test_a_law_that_tells_no_losses_gives_none(tmp_path: Path) -> None:
    law = {"E": 0.0, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    file = fit_file(tmp_path, law=law, loss_known=False, frontier=[])
    assert allocated(tmp_path, "--flops", "1e20", "--law", file)["loss"] is None


def test_a_fits_own_frontier_counts_where_its_law_has_another(tmp_path: Path) -> None:
    law = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}  # eq. 4 is for 6ND only
    with_law = fit_file(tmp_path, law=law)
    ours = allocated(tmp_path, "--flops", "1e20", "--law", with_law)
    assert ours["n_params"] == allocated(tmp_path, "--flops", "1e20", "--law", fit_file(tmp_path))["n_params"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --flops"),
        (["--flops", "much"], "--flops is 'much'; it must be a finite number above zero"),
        (["--flops=-1e20"], "--flops is '-1e20'; "),
        (["--flops", "nan"], "--flops is 'nan'; "),
        (["--flops", "inf"], "--flops is 'inf'; "),
        (["--flops", "1e41"], "--flops is '1e41'; budgets go to 1e40 FLOPs"),
        (["--flops", "5"], "--flops 5e0: by hoffmann the optimum has 1.24 parameters and 0.673 tokens"),
        (
            ["--flops", "1e20", "--law", "kaplan"],
            "--law kaplan: no published law and no file has this name; ",
        ),
        (["--flops", "1e20", "--law", "."], "--law .: cannot be read"),
        (["--flops", "1e20", "--json", "."], "--json . cannot be written: "),
    ],
)
def test_bad_values_cost_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    costs_one_line(capsys, message, "allocate", *arguments)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "3",
        "{}",
        json.dumps(FIT | {"exponents": {"a": "much", "b": 0.5}}),
        json.dumps(FIT | {"exponents": {"a": float("nan"), "b": 0.5}}),
        json.dumps(FIT | {"law": {"E": 1.7, "A": -1, "B": 1, "alpha": 0.3, "beta": 0.3}}),
        json.dumps(FIT | {"law": {"E": 1.7}}),
        json.dumps(FIT | {"frontier": [{"loss": 2.0}]}),
        json.dumps(FIT | {"frontier": [{"flops": 1e20, "loss": float("nan")}]}),
        json.dumps(FIT | {"frontier": [{"flops": 1e20, "intervals": {"n_params": [1e9]}}]}),
        json.dumps(FIT | {"frontier": [{"flops": 1e20, "intervals": {"n_params": [-1e9, 1e9]}}]}),
        json.dumps(FIT | {"intervals": {"level": 0.9, "A": [float("nan"), 2.0]}}),
        json.dumps(FIT | {"intervals": {"level": 0.9, "A": [1.0, 2.0, 3.0]}}),
        json.dumps(FIT | {"intervals": {"level": float("inf"), "A": [1.0, 2.0]}}),
    ],
)
def test_files_that_hold_no_fit_are_refused(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fit.json").write_text(content)
    assert main(["allocate", "--flops", "1e20", "--law", str(tmp_path / "fit.json")]) == 2
    complaint = capsys.readouterr().err
    assert f"--law {tmp_path / 'fit.json'}: " in complaint
    assert "name one of hoffmann, " in complaint
    assert complaint.count("\n") == 1


def test_the_fit_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fit_file(tmp_path)
    assert main(["allocate", "--flops", "1e20", "--law", path, "--json", path]) == 2
    assert f"--json {path} is the fit itself" in capsys.readouterr().err
    assert json.loads(Path(path).read_text()) == FIT


def test_the_examples_of_the_help_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["allocate", "--help"]) == 0
    assert _EXAMPLES.strip() in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in _EXAMPLES.splitlines() if line.startswith("  chinchilla-lib")]
    assert len(commands) == 2
    for _, *arguments in commands:
        assert main(arguments) == 0
    assert (tmp_path / "allocation.json").is_file()
