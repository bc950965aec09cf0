"""Training curves: what a sweep writes is read back, what a file lacks is joined, the rest is refused."""

from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.simulate import simulate_curves, simulate_run, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS
from tests.test_laws import PUBLISHED

TABLE = simulate_table(PUBLISHED, [1e8, 2e8, 4e8], [2e9, 2e9, 1e9])
HEADER = "run_id,step,n_tokens,flops,train_loss,n_params\n"
GOOD = "r1,10,1e6,6e9,5.0,1000\nr1,20,2e6,12e9,4.5,1000\nr2,5,1e6,12e9,5.1,2000\nr2,15,3e6,36e9,4.1,2000\n"


def read(folder: Path, text: str, table: SweepTable | None = None) -> CurveTable:
    path = folder / "curves.csv"
    path.write_text(text, encoding="utf-8")
    return CurveTable.from_csv(path, table)


def refusal(folder: Path, text: str, table: SweepTable | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text, table)
    message = str(caught.value)
    assert message.startswith(str(folder / "curves.csv")) and "\n" not in message
    return message


def test_what_a_sweep_writes_is_read_back(tmp_path: Path) -> None:
    plan = plan_isoflop_sweep(TIERS["ci"], corpus="none", seeds=range(1))
    records = [simulate_run(config, PUBLISHED) for config in plan.configs]
    SweepFolder(tmp_path).write_tables(plan, {record.config.run_id: record for record in records})
    table = SweepTable.from_csv(tmp_path / "runs.csv")
    curves = CurveTable.from_csv(tmp_path / "curves.csv", table)
    again = CurveTable.from_records(records, table)
    assert curves.run_id == again.run_id == plan.run_ids
    for name in ("n_params", "first", "step", "n_tokens", "flops", "loss"):
        np.testing.assert_array_equal(getattr(curves, name), getattr(again, name))
    np.testing.assert_array_equal(curves.find_in(table), np.arange(len(table)))
    np.testing.assert_allclose(curves.flops[curves.last], table.flops, rtol=1e-12)
    np.testing.assert_array_equal(curves.n_tokens[curves.last], table.n_tokens)
    np.testing.assert_array_equal(curves.loss[curves.last], [r.curve.train_loss[-1] for r in records])


def test_rows_in_any_order_are_the_same_curves(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    curves = read(tmp_path, HEADER + lines[3] + lines[1] + lines[0] + lines[2])
    assert curves.run_id == ("r2", "r1")
    np.testing.assert_array_equal(curves.n_params, [2000, 1000])
    np.testing.assert_array_equal(curves.first, [0, 2])
    np.testing.assert_array_equal(curves.step, [5, 15, 10, 20])
    np.testing.assert_array_equal(curves.loss, [5.1, 4.1, 5.0, 4.5])
    assert curves.rows == (5, 2, 4, 3)


def test_what_the_file_lacks_is_joined_from_the_runs(tmp_path: Path) -> None:
    text = "run_id,n_tokens,train_loss\nr1,1e6,5\nr1,2e6,4.5\n"
    rows = [{"run_id": "r1", "n_params": 1e6, "n_tokens": 4e6, "flops": 30e12, "loss": 4.0}]
    curves = read(tmp_path, text, SweepTable.from_records(rows))
    np.testing.assert_array_equal(curves.n_params, [1e6])
    np.testing.assert_allclose(curves.flops, [7.5e12, 15e12])
    np.testing.assert_array_equal(curves.step, [1, 2])
    assert "'n_params' is missing" in refusal(tmp_path, text)
    alone = read(tmp_path, "run_id,n_tokens,train_loss,n_params\nr1,1e6,5,1e6\nr1,2e6,4.5,1e6\n")
    np.testing.assert_allclose(alone.flops, [6e12, 12e12])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("4.5", "nan", "row 3, column 'train_loss': found 'nan'"),
        ("4.5", "-1", "row 3, column 'train_loss': found '-1'"),
        ("2e6", "0", "row 3, column 'n_tokens'"),
        ("2e6", "1e6", "rows 2, 3, column 'n_tokens': found 1000000 and 1000000 in run 'r1'"),
        (",20,", ",10,", "rows 2, 3, column 'step'"),
        (",20,", ",0,", "row 3, column 'step': found '0'"),
        ("12e9,4.5", "5e9,4.5", "rows 2, 3, column 'flops'"),
        ("4.5,1000", "4.5,1001", "row 3, column 'n_params': a run has one number of parameters"),
        ("r1,20", "r3,20", "run 'r1' has one point"),
        ("r1,20", ",20", "row 3, column 'run_id': the cell is empty"),
        ("run_id", "name", "the header lacks run_id"),
        ("train_loss", "loss", "the header lacks train_loss"),
        (GOOD, "", "no runs below the header; add one row per point of a curve"),
    ],
)
def test_bad_cells_are_refused_by_name(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in refusal(tmp_path, (HEADER + GOOD).replace(old, new, 1))


def test_curves_of_other_runs_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + GOOD, TABLE)
    assert "2 of 2 runs are not in simulated" in message and "'r1'" in message
    rows = [{"run_id": r, "n_params": 1000, "n_tokens": 4e6, "loss": 4.0} for r in ("r1", "r2")]
    with pytest.raises(InputError, match="run 'r2' has 2000, but 1000 in records"):
        read(tmp_path, HEADER + GOOD).find_in(SweepTable.from_records(rows))


def test_fifty_thousand_points_are_read() -> None:
    curves = simulate_curves(PUBLISHED, TABLE, n_points=17_000)
    points = [
        {"run_id": curves.run_id[k // 17_000], "n_tokens": n, "train_loss": loss, "n_params": 1e8}
        for k, (n, loss) in enumerate(zip(curves.n_tokens, curves.loss, strict=True))
    ]
    assert len(CurveTable.from_records(points).loss) == 51_000


def test_arrays_must_fit_together() -> None:
    made = simulate_curves(PUBLISHED, TABLE, n_points=3)
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    for change in (
        {"loss": made.loss[:-1]},
        {"first": np.array([0, 1, 2])},
        {"first": np.array([1, 3, 6])},
        {"run_id": ("a", "a", "b")},
        {"n_params": np.array([1e8, -1, 1e8])},
        {"loss": np.full(9, np.nan)},
    ):
        with pytest.raises(InputError):
            CurveTable(**(fields | change))
    assert not made.loss.flags.writeable
