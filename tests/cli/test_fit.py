"""The fit command: its JSON, its text, and one line with status 2 for everything that is wrong."""

import csv
import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chinchilla_lib.cli import main
from chinchilla_lib.cli.fit import _EPILOG, _Progress
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import SweepTable
from tests.cli.checks import costs_one_line, report_of
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20], n_sizes=7, noise=0.002, seed=0)
COLUMNS = ("run_id", "n_params", "n_tokens", "loss", "flops_budget")


def rows() -> list[list[Any]]:
    return [list(row) for row in zip(*(getattr(TABLE, name) for name in COLUMNS), strict=True)]


def write(path: Path, cells: list[list[Any]], header: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *cells])
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.csv", rows())


def fitted(runs: Path, *options: str) -> dict[str, Any]:
    return report_of(runs.parent, "fit", str(runs), *options)


def test_the_report_is_the_librarys_fit(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = fitted(runs, *shlex.split("--method isoflop --bootstrap 300 --seed 7"))
    fit = bootstrap_fit(ISOFLOP, SweepTable.from_csv(runs), n_draws=300, seed=7)
    assert report["method"] == "isoflop"
    assert report["n_runs"] == 21
    assert report["flops_convention"] == "six_nd"
    assert report["source"] == str(runs)
    assert report["exponents"] == {"a": fit.a, "b": fit.b}
    assert report["intervals"] == {
        "level": 0.9,
        "a": list(fit.interval("a")),
        "b": list(fit.interval("b")),
    }
    assert report["coefficients"] == {"n_opt": fit.n_opt.coefficient, "d_opt": fit.d_opt.coefficient}
    assert [point["flops"] for point in report["optimum"]] == [1e18, 1e19, 1e20]
    for point, known in zip(report["optimum"], fit.points, strict=True):
        assert (point["n_params"], point["n_tokens"]) == (known.n_params, known.n_tokens)
    assert report["diagnostics"] == json.loads(json.dumps(fit.diagnostics.to_dict()))
    captured = capsys.readouterr()
    assert captured.out == f"{fit}\n"
    assert captured.err == ""


def test_the_same_seed_writes_the_same_bytes(runs: Path) -> None:
    out = runs.with_name("out.json")
    texts = []
    for seed in ("1", "1", "2"):
        fitted(runs, "--bootstrap", "100", "--seed", seed)
        texts.append(out.read_bytes())
    assert texts[0] == texts[1] != texts[2]
    assert sorted(path.name for path in runs.parent.iterdir()) == ["out.json", "runs.csv"]


def test_no_bootstrap_no_intervals(runs: Path) -> None:
    report = fitted(runs, "--bootstrap", "0")
    assert report["intervals"] is None
    assert report["diagnostics"]["bootstrap"] is None


def test_replicates_are_runs_and_identical_rows_are_warned_about(tmp_path: Path) -> None:
    columns = (*COLUMNS, "seed")
    replicates = [[*row, 1] for row in rows()]
    replicates += [[f"again-{row[0]}", *row[1:3], row[3] * 1.0001, row[4], 2] for row in rows()]
    report = fitted(write(tmp_path / "runs.csv", replicates, columns), "--bootstrap", "0")
    assert report["n_runs"] == report["diagnostics"]["n_runs_used"] == 42
    assert report["diagnostics"]["messages"] == []
    copies = [[*row, 1] for row in rows()] + [[f"copy-{k}", *row[1:], 1] for k, row in enumerate(rows()[:3])]
    for method in ("isoflop", "valley", "parametric"):
        path = write(tmp_path / "runs.csv", copies, columns)
        report = fitted(path, "--bootstrap", "0", "--method", method)
        assert (
            f"{path}: rows 23, 24, 25, column 'loss': 3 of 24 rows repeat another's size, tokens, loss and "
            "seed; if they are copies, drop them"
        ) in report["diagnostics"]["messages"]


def test_three_columns_are_enough(tmp_path: Path) -> None:
    """FLOPs are filled in as 6ND and budgets found by clustering them."""
    bare = write(tmp_path / "bare.csv", [row[1:4] for row in rows()], COLUMNS[1:4])
    full = write(tmp_path / "full.csv", rows())
    one, two = fitted(bare), fitted(full)
    assert one["diagnostics"]["budgets_from"] == "clustered flops"
    for name in ("a", "b"):
        assert one["exponents"][name] == pytest.approx(two["exponents"][name], rel=1e-9)
        assert one["intervals"][name] == pytest.approx(two["intervals"][name], rel=1e-6)


def test_the_table_goes_to_standard_output_without_json(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(runs), "--bootstrap", "50"]) == 0
    assert "N_opt ~ C^a" in capsys.readouterr().out


def test_long_resampling_says_what_is_left_and_short_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 2.0, 4.0, 14.0, 40.0])
    monkeypatch.setattr("chinchilla_lib.cli.fit.time.monotonic", lambda: next(clock))
    progress = _Progress("valley", 100)
    for n_done in (5, 10, 35, 100):
        progress(n_done)
    assert capsys.readouterr().err.splitlines() == [
        "valley: 5 of 100 resamples, about 38 s left; fewer with --bootstrap",
        "valley: 35 of 100 resamples, about 26 s left; fewer with --bootstrap",
    ]
    clock = iter([0.0, 4.0, 8.0])
    progress = _Progress("valley", 100)
    progress(50)
    progress(100)
    assert capsys.readouterr().err == ""


def test_fifty_thousand_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flops = np.repeat([1e18, 1e19, 1e20, 1e21, 1e22], 10_000)
    sizes = PUBLISHED.n_opt(flops) * 10 ** rng.uniform(-0.5, 0.5, flops.size)
    tokens = flops / (6 * sizes)
    loss = PUBLISHED.loss(sizes, tokens) * np.exp(0.002 * rng.standard_normal(flops.size))
    cells = np.stack([sizes, tokens, loss], axis=1).tolist()
    report = fitted(write(tmp_path / "many.csv", cells, COLUMNS[1:4]), "--bootstrap", "20")
    assert report["n_runs"] == 50_000
    assert report["exponents"]["a"] == pytest.approx(PUBLISHED.a, abs=0.002)


def changed(row: int, column: str, value: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        cells = rows()
        cells[row - 2][COLUMNS.index(column)] = value
        return write(folder / "runs.csv", cells)

    return make


def of_bytes(data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "runs.csv"
        path.write_bytes(data)
        return path

    return make


def of_rows(
    choose: Callable[[list[list[Any]]], list[list[Any]]], header: tuple[str, ...] = COLUMNS
) -> Callable[[Path], Path]:
    return lambda folder: write(folder / "runs.csv", choose(rows()), header)


CELLS = [
    (changed(row, column, value), [f"row {row}", f"column '{column}'"])
    for row, column in [(2, "n_params"), (9, "n_tokens"), (22, "loss"), (5, "flops_budget")]
    for value in ["text", "nan", "inf", "-inf", 0, -3.5, ""]
]
FILES: list[tuple[Callable[[Path], Path], list[str]]] = [
    (lambda folder: folder / "absent.csv", ["absent.csv", "no such file"]),
    (lambda folder: folder, ["folder"]),
    (of_bytes(b""), ["row 1", "empty"]),
    (of_bytes(b"n_params,n_tokens,loss\n"), ["row 2", "no runs"]),
    (of_bytes(bytes(range(256)) * 40), ["row 2", "byte 0x80"]),
    (of_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), ["row 1", "byte 0x89"]),
    (of_rows(lambda cells: cells, (*COLUMNS[:3], "nats", COLUMNS[4])), ["row 1", "column 'loss'"]),
    (of_rows(lambda cells: cells, (*COLUMNS[:4], "loss")), ["row 1", "column 'loss'", "2 times"]),
    (of_rows(lambda cells: [*cells[:3], cells[3][:3], *cells[4:]]), ["row 5", "column 'loss'", "missing"]),
    (of_rows(lambda cells: [*cells[:3], [*cells[3], 1], *cells[4:]]), ["row 5", "column 6"]),
    (
        of_rows(lambda cells: cells, (*COLUMNS[:3], "loss_bits", COLUMNS[4])),
        ["row 1", "column 'loss'", "'loss_bits' is in another unit", "nats per token"],
    ),
    (
        of_rows(lambda cells: cells, (*COLUMNS[:3], "bits_per_byte", COLUMNS[4])),
        ["row 1", "column 'loss'", "'bits_per_byte' is in another unit"],
    ),
    (
        of_rows(
            lambda cells: [[*row, "nats/token"] for row in cells[:5]] + [[*row, "bits"] for row in cells[5:]],
            (*COLUMNS, "loss_unit"),
        ),
        ["row 7", "column 'loss_unit'", "'bits'", "must be in nats/token"],
    ),
    (of_rows(lambda cells: [*cells, cells[0]]), ["rows 2, 23", "column 'run_id'", "stands twice"]),
    (of_rows(lambda cells: cells[:16]), ["rows 16, 17", "column 'n_params'", "2 runs of 2 sizes", "1e20"]),
    (of_rows(lambda cells: cells[:15]), ["row 16", "column 'n_params'", "1 run of 1 size"]),
    (of_rows(lambda cells: cells[:7]), ["rows 2, 3", "column 'flops_budget'", "one budget"]),
    (of_rows(lambda cells: cells[:2]), ["rows 2, 3", "column 'n_params'", "2 runs"]),
    (
        of_rows(lambda cells: [row[1:4] for row in cells[:3]] + [[1e8, 1e12, 2.0]], COLUMNS[1:4]),
        ["row 5", "column 'n_params'", "1 run of 1 size"],
    ),
]


@pytest.mark.parametrize(("make", "says"), CELLS + FILES)
def test_bad_input_is_one_line_and_status_2(
    make: Callable[[Path], Path], says: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = make(tmp_path), tmp_path / "out.json"
    assert main(["fit", str(path), "--bootstrap", "50", "--json", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"chinchilla-lib: error: {path}")
    for text in says:
        assert text in captured.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--bootstrap -1", "bootstrap draws must be from 0"),
        ("--bootstrap 1000000000000", "bootstrap draws must be from 0"),
        ("--bootstrap many", "--bootstrap"),
        ("--bootstrap 1.5", "--bootstrap"),
        ("--seed -1", "seed must be"),
        ("--seed x", "--seed"),
        ("--method median", "--method"),
        ("--method all --bootstrap -1", "bootstrap draws must be from 0"),
        ("--method envelope", "--method envelope: it reads training curves: give --curves CURVES.csv"),
        ("--method envelope --curves absent.csv", "absent.csv: there is no such file"),
        ("--method envelope --curves runs.csv", "the header lacks train_loss"),
        (
            "--method isoflop --curves runs.csv",
            "--curves is read by --method envelope and all",
        ),
        ("--method envelope --decayed --curves runs.csv", "give one of the two"),
        ("--method envelope --decayed --scheme residual", "has no residual scheme"),
        ("--method isoflop --scheme profile", "method isoflop has no profile scheme; use pairs"),
        ("--method isoflop --tied", "--tied is read by --method parametric and all"),
        ("--method valley --floor 1.7", "--floor is read by --method parametric and all"),
        ("--method parametric --floor 30", "floor must be 0 or above and below the smallest loss"),
        ("--method parametric --floor -1", "--floor must be 0 or above"),
        ("--method parametric --floor nan", "--floor must be 0 or above"),
        ("--method parametric --delta -1", "--delta must be 0 or above"),
        ("--method all --delta nan", "--delta must be 0 or above"),
        ("--method parametric --delta much", "--delta"),
        ("--scheme jackknife", "--scheme"),
        ("--json absent/out.json", "absent/out.json cannot be written: No such file or directory"),
        ("--json .", "cannot be written: Is a directory"),
        ("--json ''", "cannot be written: Is a directory"),
        ("--json runs.csv", "is the table of runs itself"),
        ("--json /dev/full", "cannot be written: No space left on device"),
    ],
)
def test_bad_options_are_one_line_and_status_2(
    options: str,
    says: str,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(runs.parent)
    before = runs.read_bytes()
    costs_one_line(capsys, says, "fit", "runs.csv", *shlex.split(options))
    assert runs.read_bytes() == before
    assert [path.name for path in runs.parent.iterdir()] == ["runs.csv"]


def test_a_valley_left_out_shows_in_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = rows()
    for k, row in enumerate(cells[14:]):
        row[3] = 2.6 + 0.05 * math.exp(-k)
    report = fitted(write(tmp_path / "runs.csv", cells))
    last = report["diagnostics"]["valleys"][-1]
    assert last["status"] == "left out"
    assert [point["flops"] for point in report["optimum"]] == [1e18, 1e19]
    assert report["diagnostics"]["n_runs_left_out"] == 7
    assert "the valley at 1e20 FLOPs is left out" in capsys.readouterr().out


def test_help_has_an_example_that_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help"]) == 0
    text = capsys.readouterr().out
    example = next(line for line in _EPILOG.splitlines() if line.strip().startswith("chinchilla-lib"))
    assert example in text
    arguments = shlex.split(example)[1:]
    arguments[1] = str(runs)
    arguments[-1] = str(runs.with_name("example.json"))
    assert main(arguments) == 0
