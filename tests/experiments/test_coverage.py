"""Coverage: data sets repeat, the count is right, and the summary says what the results hold."""

import math

import numpy as np
import pytest

from chinchilla_lib.experiments.coverage import (
    ANALYSES,
    CELLS,
    COLUMNS,
    LAW,
    Analysis,
    Cell,
    fit_data_set,
    summarise,
    truth,
)
from chinchilla_lib.sweeps.simulate import NOISE_MODELS


def test_cells_are_the_designs_times_the_noises() -> None:
    assert {(cell.n_runs, cell.noise_model) for cell in CELLS} == {
        (n, m) for n in (30, 72) for m in NOISE_MODELS
    }
    for cell in CELLS:
        table, curves = cell.simulate(0, 3)
        assert len(table) == len(curves) == cell.n_runs
        assert table.flops.min() == pytest.approx(6e18) and table.flops.max() == pytest.approx(3e21)
        again, other = cell.simulate(0, 3)[0], cell.simulate(0, 4)[0]
        np.testing.assert_array_equal(table.loss, again.loss)
        assert (table.loss != other.loss).all()
        assert (np.abs(np.log(curves.loss[curves.last] / table.loss)) < 0.005).all()


def test_a_data_set_goes_through_every_analysis() -> None:
    few = [Analysis(a.method, a.scheme, 20, a.levels) for a in ANALYSES]
    found = fit_data_set(CELLS[0], 0, 0, few)
    assert list(found) == [f"{a.method}/{a.scheme}" for a in ANALYSES]
    for analysis in few:
        outcome = found[analysis.name]
        names = {"a", "log_n_opt_10x", "log_n_opt_1000x"}
        if analysis.method in ("valley", "parametric"):
            names |= {"alpha", "beta", "E"}
        assert set(outcome["estimates"]) == names
        assert set(outcome["intervals"]) == {f"{level:g}" for level in analysis.levels}
        for intervals in outcome["intervals"].values():
            assert set(intervals) == names
            assert all(low < high for low, high in intervals.values())
    assert fit_data_set(CELLS[0], 0, 0, few) == found


def test_the_truth_is_that_of_the_law() -> None:
    assert truth("a") == LAW.a and truth("E") == 1.69
    assert truth("log_n_opt_10x") == pytest.approx(math.log(LAW.n_opt(3e22)))
    assert truth("log_n_opt_1000x") - truth("log_n_opt_10x") == pytest.approx(LAW.a * math.log(100))


def test_the_summary_counts_hits_and_misses() -> None:
    analysis = Analysis("isoflop", "pairs", 10)
    cell = Cell("t3", 30)

    def outcome(low: float, high: float) -> dict[str, object]:
        ends = {"0.9": {"a": [LAW.a + low, LAW.a + high]}}
        return {"isoflop/pairs": {"intervals": ends, "estimates": {"a": LAW.a + (low + high) / 2}}}

    sets = [outcome(-0.1, 0.1), outcome(-0.3, 0.1), outcome(0.05, 0.1), outcome(-0.4, -0.2)]
    sets.append({"isoflop/pairs": {"problem": "no valleys"}})
    (row,) = summarise({cell: sets}, [analysis])
    assert set(row) == set(COLUMNS)
    assert (row["n_sets"], row["n_intervals"], row["coverage"]) == (5, 4, 0.5)
    assert (row["missed_below"], row["missed_above"]) == (0.25, 0.25)
    assert row["median_width"] == pytest.approx(0.2)
    assert row["bias"] == pytest.approx((0 - 0.1 + 0.075 - 0.3) / 4)
    assert summarise({cell: sets[4:]}, [analysis]) == []
