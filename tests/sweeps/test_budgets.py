from dataclasses import replace

import pytest

from chinchilla_lib.experiments.main_sweep import DESIGN, MAIN, N_SEEDS
from chinchilla_lib.sweeps.budgets import list_budgets
from chinchilla_lib.sweeps.table import SweepTable
from tests.experiments.small_truth import simulate


def test_budgets_of_a_table_are_those_of_its_plan() -> None:
    table = SweepTable.from_records(simulate(MAIN.parts_of("cpu-60"))["english"])
    budgets = list_budgets(table)
    assert [budget.flops for budget in budgets] == [flops for flops in DESIGN.widths if flops <= 1e13]
    for budget in budgets:
        assert budget.n_sizes == len(DESIGN.widths[budget.flops])
        assert budget.n_seeds == N_SEEDS[budget.flops]
        assert budget.n_runs == budget.n_sizes * budget.n_seeds
        assert budget.flops_spent == pytest.approx(budget.n_runs * budget.flops, rel=0.01)
        assert budget.n_params[0] < budget.n_params[1]
        assert budget.n_tokens[0] < budget.n_tokens[1]
    assert sum(budget.flops_spent for budget in budgets) == pytest.approx(float(table.flops.sum()))


def test_seeds_may_be_unknown() -> None:
    table = SweepTable.from_records(simulate(MAIN.parts_of("ci"))["english"])
    assert {budget.n_seeds for budget in list_budgets(replace(table, seed=None))} == {None}
