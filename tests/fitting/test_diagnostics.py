"""Diagnostics: plain values for JSON, and when a bootstrap is called doubtful."""

import json
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.fitting.bootstrap import bootstrap_fit
from chinchilla_lib.fitting.diagnostics import BootstrapReport, OptimumCheck
from chinchilla_lib.fitting.isoflop import ISOFLOP
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep
from tests.fitting.test_isoflop import BUDGETS
from tests.test_laws import PUBLISHED


def report(n_usable: int, smallest_stratum: int = 9) -> BootstrapReport:
    return BootstrapReport(
        n_requested=100,
        n_usable=n_usable,
        unusable={"reason": 100 - n_usable},
        smallest_stratum=smallest_stratum,
        seed=0,
    )


@pytest.mark.parametrize(
    ("n_usable", "smallest", "problem", "n_messages"),
    [
        (100, 9, False, 0),
        (90, 9, False, 0),
        (89, 9, False, 1),
        (2, 9, False, 1),
        (1, 9, True, 1),
        (90, 3, True, 1),
    ],
)
def test_doubts_about_a_bootstrap(n_usable: int, smallest: int, problem: bool, n_messages: int) -> None:
    made = report(n_usable, smallest)
    assert (made.problem is not None) == problem
    assert len(made.messages()) == n_messages
    assert made.unusable_share == pytest.approx(1 - n_usable / 100)


def test_three_runs_in_a_parabola_leave_no_residuals() -> None:
    made = replace(report(100, 3), scheme="residual")
    assert made.problem is not None and "leaves no residuals" in made.problem


def test_what_a_reader_should_know_of_an_optimum() -> None:
    fine = OptimumCheck(relative_gradient=0.0, predicted_reduction=0.0, n_starts=40, agreeing_share=0.5)
    assert fine.messages() == []
    (doubt,) = replace(fine, agreeing_share=0.25).messages()
    assert doubt == "25% of 40 starts ended at this optimum; others lie near"
    for wrong in (replace(fine, relative_gradient=0.1), replace(fine, predicted_reduction=0.1)):
        (doubt,) = wrong.messages()
        assert doubt.startswith("the optimum's check did not pass: relative gradient")


def test_to_dict_is_strict_json_with_every_valley() -> None:
    fit = bootstrap_fit(ISOFLOP, simulate_isoflop_sweep(PUBLISHED, BUDGETS, noise=0.002), n_draws=50)
    values = json.loads(json.dumps(fit.diagnostics.to_dict(), allow_nan=False))
    assert [valley["flops"] for valley in values["valleys"]] == BUDGETS
    assert {valley["status"] for valley in values["valleys"]} == {"used"}
    assert all(valley["n_runs"] == valley["n_sizes"] == 9 for valley in values["valleys"])
    assert values["n_runs_used"] == 81
    assert values["bootstrap"]["n_requested"] == 50
    assert values["flops_convention"] == "six_nd"


def test_the_parabola_meets_its_minimum() -> None:
    fit = bootstrap_fit(ISOFLOP, simulate_isoflop_sweep(PUBLISHED, BUDGETS, noise=0.002), n_draws=0)
    for valley in fit.diagnostics.valleys:
        assert valley.optimum is not None
        n_opt, lowest = valley.optimum.n_params, valley.optimum.loss
        assert valley.predict(np.array([n_opt]))[0] == pytest.approx(lowest, rel=1e-12)
        ends = np.array(valley.n_params_range)
        rise = 0.5 * valley.curvature * np.log(ends / n_opt) ** 2
        np.testing.assert_allclose(valley.predict(ends) - lowest, rise, rtol=1e-9)
