"""The power command: its JSON, its text, and one line with status 2 for everything that is wrong."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.cli.power import _EPILOG
from chinchilla_lib.fitting.planned_profiles import law_with_exponent, plan_profiles
from chinchilla_lib.fitting.power import measure_power, read_sweep
from chinchilla_lib.reference.laws import LAWS
from chinchilla_lib.sweeps.table import SweepTable
from tests.cli.checks import costs_one_line, report_of, run_examples
from tests.cli.test_fit import rows, write


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.csv", rows())


def powered(folder: Path, options: str) -> dict[str, Any]:
    return report_of(folder, "power", *shlex.split(options))


def test_the_report_is_the_librarys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = powered(
        tmp_path,
        "--from 0.46 --to 0.50 --noise 0.006 --budgets 5 --sizes 7 --decades 2 --level 0.95 --power 0.9 "
        "--simulations 300 --seed 4",
    )
    law = law_with_exponent(LAWS["hoffmann"].law, 0.46, 1e19)
    design = plan_profiles(law, n_budgets=5, n_sizes=7, decades=2.0)
    found = measure_power(
        design, law, noise=0.006, a_from=0.46, a_to=0.5, level=0.95, power=0.9, n_simulated=300, seed=4
    )
    assert report == found.to_dict() | {"n_sizes_enough": None}
    assert capsys.readouterr().out == f"{found}\n"
    assert report["n_runs"] == 35 * report["n_seeds"]
    assert report["n_seeds"] > 1
    assert report["power"] >= 0.9


def test_the_defaults_and_fewer_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = powered(tmp_path, "--from 0.46 --to 0.50 --simulations 0")
    assert (report["n_runs"], report["n_seeds"], report["simulated"]) == (81, 1, None)
    assert report["power"] > 0.99
    assert report["n_sizes_enough"] < 9
    assert f"{report['n_sizes_enough']} sizes at each budget would do" in capsys.readouterr().out


def test_a_table_tells_design_and_noise(runs: Path) -> None:
    table = SweepTable.from_csv(runs)
    for method in ("isoflop", "valley"):
        sweep = read_sweep(table, method)
        report = powered(runs.parent, f"--runs {runs} --method {method} --simulations 100")
        assert report["from"] == pytest.approx(sweep.law.a)
        assert report["to"] is None
        assert report["noise"] == pytest.approx(sweep.noise)
        assert report["n_runs"] == 21
        assert report["source"] == str(runs)
        assert report["power"] == 0.8
        assert report["detectable"] > 2 * report["se"]
    more = powered(runs.parent, f"--runs {runs} --seeds 4 --noise 0.001 --simulations 0")
    assert (more["n_runs"], more["noise"]) == (84, 0.001)
    two = powered(runs.parent, f"--runs {runs} --from 0.46 --to 0.48 --simulations 0")
    assert two["from"] == 0.46
    assert two["n_seeds"] >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "give --from, the exponent to exclude, or --runs"),
        ("--from 0.46 --to 0.46", "both exponents are 0.46; give two that differ"),
        ("--from 1.5", "the exponent a must lie between 0 and 1, found 1.5"),
        ("--from 0.46 --decades 0", "--decades must be above 0, up to 20, found 0.0"),
        ("--from 0.46 --budgets 1", "n_budgets must be 2 or above, found 1"),
        ("--from 0.46 --budgets 100000 --sizes 100", "10,000 runs of one seed are the most"),
        ("--from nan", "the exponent a must lie between 0 and 1, found nan"),
        ("--from 0.46 --law newton", "no published law is called 'newton'"),
        ("--from 0.46 --flops much", "--flops is 'much'"),
        ("--from 0.46 --method envelope", "method is 'envelope'; give one of isoflop, valley"),
        ("--from 0.46 --noise -1", "noise must be finite and above 0, found -1.0"),
        ("--from 0.46 --power 1", "power must lie between 1 - level"),
        ("--runs runs.csv --budgets 4", "--budgets is not read with --runs"),
        ("--runs none.csv", "none.csv"),
        ("--runs runs.csv --json runs.csv", "is the table of runs itself; name another file"),
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
    costs_one_line(capsys, message, "power", *shlex.split(options))


def test_the_examples_of_the_help_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    assert run_examples(_EPILOG) == 3
    assert (runs.parent / "power.json").exists()
