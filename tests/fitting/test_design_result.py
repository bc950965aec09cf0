"""What a design says of itself: totals, efficiency, text and plain values."""

import json
from dataclasses import replace

import pytest

from chinchilla_lib.fitting.design_result import Design, DesignRun

DESIGN = Design(
    source="runs.csv",
    target="a",
    at=None,
    estimate=0.49,
    runs=(DesignRun(1e8, 2e9, 1.2e18, 3), DesignRun(1e9, 1e10, 6e19, 1)),
    budget=1e20,
    max_runs=None,
    noise=0.002,
    noise_exponent=0.0,
    se_before=0.02,
    se_after=0.01,
    se_continuous=0.008,
    se_bound=0.008,
    n_candidates=625,
    n_params_range=(1e8, 1e9),
    n_tokens_range=(1e9, 1e11),
    messages=("spend a part, fit, and design again",),
)


def test_totals_and_shares() -> None:
    assert DESIGN.n_runs == 4
    assert DESIGN.flops == pytest.approx(3 * 1.2e18 + 6e19)
    assert DESIGN.efficiency == pytest.approx(0.64)
    assert DESIGN.rounding_loss == pytest.approx(0.36)


def test_nothing_left_to_learn_is_no_loss() -> None:
    certain = replace(DESIGN, se_after=0.0, se_continuous=0.0, se_bound=0.0)
    assert (certain.efficiency, certain.rounding_loss) == (1.0, 0.0)


def test_rounding_that_gains_is_no_loss() -> None:
    assert replace(DESIGN, se_continuous=0.011).rounding_loss == 0.0


def test_plain_values_come_back_from_json() -> None:
    plain = json.loads(json.dumps(DESIGN.to_dict(), allow_nan=False))
    assert plain == DESIGN.to_dict()
    assert plain["runs"][0] == {"n_params": 1e8, "n_tokens": 2e9, "flops": 1.2e18, "count": 3}
    assert plain["n_runs"] == 4


def test_the_text_has_runs_certificate_and_doubts() -> None:
    text = str(DESIGN)
    assert text.startswith("4 runs for a: 6.36e19 of 1e20 FLOPs, to be added to the runs of runs.csv")
    assert "certificate: no runs of this price, of 625 kinds" in text
    assert "efficiency 64.00%, whole runs cost 36.00%" in text
    assert text.endswith("note: spend a part, fit, and design again")
    assert "simulated refits" not in text
    spread = str(replace(DESIGN, se_simulated=0.011, target="log_n_opt", at=1e22))
    assert "simulated refits spread by 0.011" in spread
    assert "4 runs for log_n_opt at 1e22 FLOPs" in spread
