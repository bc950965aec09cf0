"""Every method through the fit command, and from its file through allocate."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.fitting import VALLEY, bootstrap_fit, fit_parametric, parametric_estimator
from chinchilla_lib.fitting.profile import profile_interval
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

BUDGETS = [1e18, 1e19, 1e20]
TABLE = simulate_isoflop_sweep(PUBLISHED, BUDGETS, n_sizes=8, noise=0.002, seed=0)
COLUMNS = ("run_id", "n_params", "n_tokens", "loss", "flops_budget")
LAW = ("E", "A", "B", "alpha", "beta")


def write(path: Path, header: tuple[str, ...], columns: list[Any]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *zip(*columns, strict=True)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs.csv and curves.csv, and the current one."""
    write(tmp_path / "runs.csv", COLUMNS, [getattr(TABLE, name) for name in COLUMNS])
    curves = simulate_curves(PUBLISHED, TABLE, n_points=60)
    names = np.repeat(curves.run_id, np.diff(curves.first, append=len(curves.loss)))
    columns = [names, curves.n_tokens, curves.loss, curves.step]
    write(tmp_path / "curves.csv", ("run_id", "n_tokens", "train_loss", "step"), columns)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fitted(folder: Path, *options: str) -> dict[str, Any]:
    assert main(["fit", "runs.csv", "--json", "out.json", "--bootstrap", "200", *options]) == 0
    report: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return report


def allocated(folder: Path, flops: float) -> dict[str, Any]:
    arguments = ["allocate", "--flops", str(flops), "--law", "out.json", "--json", "allocation.json"]
    assert main(arguments) == 0
    report: dict[str, Any] = json.loads((folder / "allocation.json").read_text())
    return report


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "envelope", "--curves", "curves.csv"],
        ["--method", "isoflop"],
        ["--method", "valley"],
        ["--method", "parametric"],
    ],
)
def test_a_round_from_runs_to_an_allocation(
    folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    report = fitted(folder, *options)
    assert report["method"] == options[1]
    assert report["verdict"] in ("identifiable", "weakly identifiable", "not identifiable")
    assert f"{report['verdict']}: {report['verdict_reason']}" in capsys.readouterr().out
    has_law = options[1] in ("valley", "parametric")
    assert (report["law"] is not None) == (report["objective"] is not None) == has_law
    names = {"level", "a", "b"} | (set(LAW) if has_law else set())
    assert set(report["intervals"]) == names
    for name in names - {"level"}:
        low, high = report["intervals"][name]
        assert 0 <= low < high
    grid = [point["flops"] for point in report["frontier"]]
    budgets = TABLE.flops if options[1] == "envelope" else BUDGETS
    assert grid == sorted(grid)
    assert grid[0] == pytest.approx(0.1 * min(BUDGETS)) and grid[-1] == pytest.approx(1e4 * max(BUDGETS))

    inside = allocated(folder, 1e19)
    assert inside["verdict"] == report["verdict"] and inside["verdict_reason"] == report["verdict_reason"]
    assert inside["n_params"] == pytest.approx(
        report["coefficients"]["n_opt"] * 1e19 ** report["exponents"]["a"], rel=1e-6
    )
    assert inside["loss"] == pytest.approx(
        PUBLISHED.loss(PUBLISHED.n_opt(1e19), PUBLISHED.d_opt(1e19)), rel=0.02
    )
    for flops in (1e18, 1e19, 5e22, 1e24):
        capsys.readouterr()
        report = allocated(folder, flops)
        beyond = not min(budgets) <= flops <= max(budgets)
        assert report["extrapolated"] == beyond == ("extrapolated: the runs have" in capsys.readouterr().out)
        for name in ("n_params", "n_tokens"):
            low, high = report["intervals"][name]
            assert low < report[name] < high
        assert (report["loss"] is not None) == (has_law or min(budgets) <= flops <= max(budgets))


def test_the_envelope_of_final_losses_needs_no_curves(folder: Path) -> None:
    sizes, tokens = (
        grid.ravel() for grid in np.meshgrid(np.geomspace(3e7, 3e9, 12), np.geomspace(3e8, 3e11, 9))
    )
    write(folder / "runs.csv", COLUMNS[1:4], [sizes, tokens, PUBLISHED.loss(sizes, tokens)])
    report = fitted(folder, "--method", "envelope", "--decayed")
    assert report["exponents"]["a"] == pytest.approx(PUBLISHED.a, abs=0.05)
    assert report["diagnostics"]["details"]["variant"] == "final losses of each size, interpolated"


def test_a_law_is_that_of_the_library(folder: Path) -> None:
    report = fitted(folder, "--method", "parametric", "--delta", "0.01", "--seed", "3")
    fit = bootstrap_fit(parametric_estimator(0.01), SweepTable.from_csv("runs.csv"), n_draws=200, seed=3)
    assert fit.law is not None
    assert report["law"] == {name: getattr(fit.law, name) for name in LAW}
    assert report["objective"] == fit.objective
    assert report["intervals"] == {
        "level": 0.9,
        **{name: list(fit.interval(name)) for name in ("a", "b", *LAW)},
    }
    assert report["verdict"] == fit.verdict.label
    allocation = fit.allocate(1e18)
    point = next(point for point in report["frontier"] if point["flops"] == 1e18)
    assert point["loss"] == allocation.loss
    assert allocation.loss_interval is not None
    assert point["intervals"]["loss"] == list(allocation.loss_interval)


def test_options_of_the_parametric_fit(folder: Path) -> None:
    tied = fitted(folder, "--method", "parametric", "--tied", "--floor", "1.7", "--delta", "inf")
    assert tied["law"]["alpha"] == pytest.approx(tied["law"]["beta"], rel=1e-12)
    assert tied["law"]["E"] == pytest.approx(1.7, rel=1e-12)
    assert tied["exponents"]["a"] == pytest.approx(0.5)


@pytest.mark.parametrize("scheme", ["pairs", "residual", "subsample"])
def test_schemes(folder: Path, scheme: str) -> None:
    report = fitted(folder, "--method", "valley", "--scheme", scheme)
    fit = bootstrap_fit(VALLEY, SweepTable.from_csv("runs.csv"), n_draws=200, scheme=scheme)
    assert report["intervals"]["a"] == list(fit.interval("a"))
    assert report["diagnostics"]["bootstrap"]["scheme"] == report["intervals_from"] == scheme
    warned = any("too narrow, use pairs" in text for text in report["diagnostics"]["messages"])
    assert warned == (scheme == "subsample")


def test_profile_intervals_stand_beside_a_frontier_from_pairs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = fitted(folder, "--method", "parametric")
    report = fitted(folder, "--method", "parametric", "--scheme", "profile")
    fit = fit_parametric(SweepTable.from_csv("runs.csv"))
    assert report.pop("intervals_from") == "profile" and pairs.pop("intervals_from") == "pairs"
    intervals = report.pop("intervals")
    assert set(intervals) == set(pairs.pop("intervals"))
    for name in ("a", *LAW):
        assert intervals[name] == list(profile_interval(fit, name))
    assert intervals["b"] == [1 - end for end in reversed(intervals["a"])]
    assert report == pairs
    assert "alpha 90% profile" in capsys.readouterr().out


def test_what_is_held_has_its_value_at_both_ends(folder: Path) -> None:
    options = ["--method", "parametric", "--scheme", "profile", "--tied", "--floor", "1.7"]
    intervals = fitted(folder, *options)["intervals"]
    assert intervals["E"] == pytest.approx([1.7, 1.7]) and intervals["a"] == pytest.approx([0.5, 0.5])
    assert intervals["alpha"] == pytest.approx(intervals["beta"])


def test_a_degenerate_fit_has_no_profile_and_is_written(folder: Path) -> None:
    sizes, tokens = TABLE.n_params, TABLE.n_tokens
    write(folder / "runs.csv", COLUMNS[1:4], [sizes, tokens, 2 + 400 / sizes**0.34])
    report = fitted(folder, "--method", "parametric", "--scheme", "profile", "--bootstrap", "20")
    assert report["law"] is not None
    assert report["intervals"] is report["intervals_from"] is None


def test_profiles_of_all_methods_are_those_of_the_parametric_one(folder: Path) -> None:
    everything = fitted(folder, "--method", "all", "--scheme", "profile")
    assert everything["intervals_from"] == "profile"
    assert everything["fits"]["isoflop"]["error"] == "method isoflop has no profile scheme; use pairs"


def test_all_is_each_method_with_the_parametric_one_on_top(folder: Path) -> None:
    everything = fitted(folder, "--method", "all", "--curves", "curves.csv")
    assert everything["method"] == "all" and everything["left_out"] == {}
    assert list(everything["fits"]) == ["envelope", "isoflop", "valley", "parametric"]
    for name in ("isoflop", "valley", "parametric"):
        assert everything["fits"][name] == fitted(folder, "--method", name)
    for name in ("law", "objective", "verdict", "intervals", "exponents"):
        assert everything[name] == everything["fits"]["parametric"][name]
    fitted(folder, "--method", "all", "--curves", "curves.csv")
    allocation = allocated(folder, 1e21)
    assert allocation["law_parameters"] == everything["law"]
    assert allocation["intervals"]["n_params"]


def test_all_without_curves_leaves_the_envelope_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = fitted(folder, "--method", "all")
    assert list(report["fits"]) == ["isoflop", "valley", "parametric"]
    assert "--curves CURVES.csv" in report["left_out"]["envelope"]
    assert "envelope: left out: it reads training curves" in capsys.readouterr().out


def test_one_method_that_fails_leaves_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without budgets to tell apart, Approach 2 has nothing to fit, and Approach 3 has."""
    rng = np.random.default_rng(0)
    sizes, tokens = 10 ** rng.uniform(7.5, 9.5, 40), 10 ** rng.uniform(9, 11, 40)
    write(folder / "runs.csv", COLUMNS[1:4], [sizes, tokens, PUBLISHED.loss(sizes, tokens)])
    report = fitted(folder, "--method", "all")
    assert "do not fall into separate budgets" in report["fits"]["isoflop"]["error"]
    assert report["law"]["alpha"] == pytest.approx(PUBLISHED.alpha, rel=1e-6)
    assert "isoflop: no fit: runs.csv: rows" in capsys.readouterr().out


def test_a_failed_headline_is_named_by_allocate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Holding E above the lowest loss stops Approach 3 alone."""
    report = fitted(folder, "--method", "all", "--floor", "20")
    assert report["law"] is report["verdict"] is report["exponents"] is None
    assert report["fits"]["isoflop"]["exponents"]["a"] > 0
    assert main(["allocate", "--flops", "1e20", "--law", "out.json"]) == 2
    assert "its parametric fit failed: floor must be 0 or above" in capsys.readouterr().err


def test_where_no_method_fits_the_reasons_are_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "runs.csv", COLUMNS[1:4], [[1e8] * 3, [1e9, 2e9, 3e9], [3.0, 2.9, 2.8]])
    assert main(["fit", "runs.csv", "--method", "all"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("chinchilla-lib: error: no method has a fit: runs.csv: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("method", ["isoflop", "valley", "parametric", "envelope"])
@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([[70, 100, 140, 200, 280, 400, 560], [1e9] * 7, [3.0] * 7], ["row 2", "column 'n_params'"]),
        ([[1e8] * 7, [70, 100, 140, 200, 280, 400, 560], [3.0] * 7], ["row 2", "column 'n_tokens'"]),
        (
            [[1e8] * 7, [1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9], [3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4]],
            ["column 'n_params'", "all runs have one size, 100M"],
        ),
        ([[1e8, 2e8], [1e9, 1e9], [3.0, 2.9]], [" 2 "]),
    ],
)
def test_every_method_refuses_what_it_cannot_fit(
    folder: Path, method: str, columns: list[Any], says: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "runs.csv", COLUMNS[1:4], columns)
    options = ["--decayed"] if method == "envelope" else []
    assert main(["fit", "runs.csv", "--method", method, *options]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("chinchilla-lib: error: runs.csv") and complaint.count("\n") == 1
    for text in says:
        assert text in complaint


def test_two_thousand_rows(folder: Path) -> None:
    table = simulate_isoflop_sweep(PUBLISHED, np.geomspace(1e18, 1e21, 20).tolist(), n_sizes=100, noise=0.005)
    write(folder / "runs.csv", COLUMNS, [getattr(table, name) for name in COLUMNS])
    report = fitted(folder, "--method", "all", "--bootstrap", "30", "--decayed")
    assert report["n_runs"] == 2000
    for name in ("isoflop", "valley", "parametric"):
        assert report["fits"][name]["exponents"]["a"] == pytest.approx(PUBLISHED.a, abs=0.02)
    low, high = report["intervals"]["a"]
    assert low < report["exponents"]["a"] < high


def test_a_file_of_the_fit_has_only_plain_numbers(folder: Path) -> None:
    """Losses that do not depend on anything: a degenerate optimum, written all the same."""
    rng = np.random.default_rng(1)
    write(
        folder / "runs.csv",
        COLUMNS[1:4],
        [
            10 ** rng.uniform(7, 9, 30),
            10 ** rng.uniform(9, 11, 30),
            3 * np.exp(0.05 * rng.standard_normal(30)),
        ],
    )
    report = fitted(folder, "--method", "parametric", "--bootstrap", "20")
    assert report["verdict"] == "not identifiable"
    assert report["law"] is not None and report["objective"] > 0
    flat = json.dumps(report)
    assert "Infinity" not in flat and "NaN" not in flat
    assert all(math.isfinite(end) for name in LAW for end in report["intervals"][name])
