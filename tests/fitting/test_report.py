"""A fit as plain values."""

import json

import numpy as np
import pytest

from chinchilla_lib.fitting import ISOFLOP, PARAMETRIC, bootstrap_fit, fit_parametric
from chinchilla_lib.fitting.report import fit_report
from tests.fitting.test_parametric import BUDGETS, NOISY

FIT = bootstrap_fit(PARAMETRIC, NOISY, n_draws=100)
REPORT = fit_report(FIT)


def test_values_are_those_of_the_fit() -> None:
    assert json.loads(json.dumps(REPORT, allow_nan=False)) == REPORT
    assert FIT.law is not None
    assert REPORT["law"] == {name: getattr(FIT.law, name) for name in ("E", "A", "B", "alpha", "beta")}
    assert REPORT["objective"] == FIT.objective and REPORT["loss_known"]
    assert (REPORT["verdict"], REPORT["verdict_reason"]) == (FIT.verdict.label, FIT.verdict.reason)
    assert REPORT["intervals"]["level"] == 0.9 and REPORT["intervals_from"] == "pairs"
    for name in ("a", "b", "E", "A", "B", "alpha", "beta"):
        assert REPORT["intervals"][name] == list(FIT.interval(name))


def test_the_frontier_is_the_fits_allocation_on_a_wide_grid() -> None:
    grid = REPORT["frontier"]
    assert grid[0]["flops"] == pytest.approx(0.1 * min(BUDGETS))
    assert grid[-1]["flops"] == pytest.approx(1e4 * max(BUDGETS))
    assert np.diff(np.log10([point["flops"] for point in grid])).max() <= 0.25 + 1e-9
    for point in grid[::7]:
        known = FIT.allocate(point["flops"])
        assert (point["n_params"], point["n_tokens"], point["loss"]) == (
            known.n_params,
            known.n_tokens,
            known.loss,
        )
        assert point["intervals"]["n_params"] == list(known.n_params_interval or ())


def test_another_level_is_another_interval() -> None:
    narrow = fit_report(FIT, level=0.5)["intervals"]
    wide = REPORT["intervals"]
    assert narrow["level"] == 0.5
    assert wide["a"][0] < narrow["a"][0] < narrow["a"][1] < wide["a"][1]


def test_what_a_method_does_not_know_is_null() -> None:
    alone = fit_report(fit_parametric(NOISY))
    assert alone["intervals"] is alone["intervals_from"] is None
    parabolas = fit_report(bootstrap_fit(ISOFLOP, NOISY, n_draws=50))
    assert parabolas["law"] is None and parabolas["objective"] is None
    assert set(parabolas["intervals"]) == {"level", "a", "b"}
    inside = [min(BUDGETS) <= point["flops"] <= max(BUDGETS) for point in parabolas["frontier"]]
    assert [point["loss"] is not None for point in parabolas["frontier"]] == inside
