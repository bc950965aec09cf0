"""The sweep table: its columns, how it is made, and how runs fall into valleys."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from chinchilla_lib.sweeps.table import CLUSTER_GAP, SweepTable
from tests.test_laws import PUBLISHED

ROWS: list[dict[str, Any]] = [
    {"run_id": "a", "seed": 3, "n_params": 1000, "n_tokens": 20000, "loss": 4.5, "flops": 1.5e8},
    {"run_id": "b", "seed": 4, "n_params": 2000, "n_tokens": 10000, "loss": 4.25, "flops": 1.4e8},
]
EXTRA = {
    "flops_budget": 1.45e8,
    "flops_convention": "matmul",
    "n_params_non_embedding": 500,
    "loss_se": 0.01,
    "bits_per_byte": 1.5,
    "d_model": 8,
}


def table_of(flops: list[float], **columns: Any) -> SweepTable:
    ones = np.ones(len(flops))
    return SweepTable(
        run_id=tuple(str(i) for i in range(len(flops))),
        n_params=np.arange(1.0, len(flops) + 1),
        n_tokens=ones,
        loss=ones,
        flops=np.array(flops, dtype=float),
        flops_convention="six_nd",
        source="test",
        **columns,
    )


def groups(table: SweepTable) -> list[list[int]]:
    return [sorted(valley.index.tolist()) for valley in table.valleys()]


def test_records_and_csv_give_the_same_table(tmp_path: Path) -> None:
    rows = [row | EXTRA for row in ROWS]
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    @dataclass(frozen=True)
    class Record:
        row: dict[str, Any]

        def to_row(self) -> dict[str, Any]:
            return self.row

    tables = [SweepTable.from_csv(path), SweepTable.from_records(map(Record, rows))]
    for table in tables:
        assert table.run_id == ("a", "b")
        assert table.flops_convention == "matmul"
        for name in ("seed", "n_params", "n_tokens", "loss", "flops"):
            np.testing.assert_array_equal(getattr(table, name), [row[name] for row in ROWS])
        for name in ("flops_budget", "n_params_non_embedding", "loss_se", "bits_per_byte"):
            np.testing.assert_array_equal(getattr(table, name), [EXTRA[name]] * 2)
    assert tables[0].source == str(path)
    assert tables[0].rows == (2, 3)
    assert tables[1].source == "records"
    assert tables[1].rows is None


def test_flops_default_to_six_nd_and_say_so() -> None:
    bare = [{name: row[name] for name in ("n_params", "n_tokens", "loss")} for row in ROWS]
    table = SweepTable.from_records(bare)
    np.testing.assert_array_equal(table.flops, 6 * table.n_params * table.n_tokens)
    assert table.flops_convention == "six_nd"
    assert SweepTable.from_records(ROWS).flops_convention == "unstated"
    with pytest.raises(InputError, match="'matmul' but there is no column flops"):
        SweepTable.from_records([row | {"flops_convention": "matmul"} for row in bare])


def test_an_optional_column_without_values_is_absent() -> None:
    table = SweepTable.from_records([row | {"flops": None, "loss_se": None} for row in ROWS])
    assert table.loss_se is None
    assert table.flops_convention == "six_nd"


def test_columns_are_checked_and_cannot_be_changed() -> None:
    table = table_of([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        table.loss[0] = 5
    with pytest.raises(InputError, match=r"column 'flops_budget' has the shape \(1,\), but there are 2 runs"):
        table_of([1.0, 2.0], flops_budget=np.ones(1))
    with pytest.raises(InputError, match=r"test: record 2, column 'flops': found nan"):
        table_of([1.0, np.nan])
    with pytest.raises(InputError, match="no runs"):
        table_of([])
    assert "2 runs from test" in repr(table)


def test_budgets_are_taken_as_stated() -> None:
    table = table_of([1, 2, 3, 4], flops_budget=np.array([9.0, 3.0, 9.0, 3.0]))
    assert groups(table) == [[1, 3], [0, 2]]
    np.testing.assert_array_equal(table.budgets(), [3, 9])


def test_runs_of_a_valley_are_ordered_by_size() -> None:
    table = table_of([1, 1, 1])
    flipped = SweepTable.from_records(
        {"n_params": n, "n_tokens": 1, "loss": 1, "flops": 1} for n in table.n_params[::-1]
    )
    assert [valley.index.tolist() for valley in flipped.valleys()] == [[2, 1, 0]]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=6),
    st.floats(2.0, 100.0),
    st.floats(0.0, 0.1),
    st.randoms(use_true_random=False),
)
def test_separate_budgets_are_found(sizes: list[int], ratio: float, scatter: float, random: Any) -> None:
    """Budgets a factor 2 apart or more, runs within 10 %, at least two runs a budget on average."""
    if sum(sizes) < 2 * len(sizes):
        sizes = [n + 1 for n in sizes]
    runs = [
        (k, 1e18 * ratio**k * (1 + scatter * random.random())) for k, n in enumerate(sizes) for _ in range(n)
    ]
    random.shuffle(runs)
    found = groups(table_of([flops for _, flops in runs]))
    assert found == [[i for i, (k, _) in enumerate(runs) if k == label] for label in range(len(sizes))]


def test_budgets_of_the_paper_and_of_the_ci_tier_are_found() -> None:
    for budgets in ([6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21], [6e10, 1.5e11, 3.75e11]):
        table = table_of([c * wobble for c in budgets for wobble in (0.97, 1.0, 1.03)])
        assert len(table.valleys()) == len(budgets)
        np.testing.assert_allclose(table.budgets(), budgets, rtol=1e-3)


@pytest.mark.parametrize(
    "flops",
    [
        np.geomspace(1, 10, 40),  # a continuous cloud
        np.geomspace(1, 1e6, 40),  # every run has its own FLOPs
        [1, 1.2, 1.4, 1.6, 2.2, 2.4],  # groups wider than the gap between them
    ],
)
def test_a_cloud_of_flops_is_refused(flops: Any) -> None:
    with pytest.raises(InputError, match=r"column 'flops'.*add a column flops_budget"):
        table_of(list(flops)).valleys()


def test_the_rule_of_clustering_at_its_threshold() -> None:
    assert len(table_of([1, 1, CLUSTER_GAP * 1.001, CLUSTER_GAP * 1.001]).valleys()) == 2
    assert len(table_of([1, 1, CLUSTER_GAP * 0.999, CLUSTER_GAP * 0.999]).valleys()) == 1


def test_taken_runs_are_those_asked_for() -> None:
    whole = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19], n_sizes=5, noise=0.01)
    some = whole.take([7, 2])
    assert some.run_id == (whole.run_id[7], whole.run_id[2])
    for name in ("n_params", "n_tokens", "loss", "flops", "flops_budget"):
        assert list(getattr(some, name)) == [getattr(whole, name)[7], getattr(whole, name)[2]]
    assert (some.flops_convention, some.seed is None) == (whole.flops_convention, whole.seed is None)
    with pytest.raises(InputError, match="there are no runs"):
        whole.take([])
