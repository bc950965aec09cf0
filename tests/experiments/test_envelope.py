import math
from functools import partial

import numpy as np
import pytest

from chinchilla_lib.experiments.envelope import (
    BETWEEN,
    ENVELOPE,
    fit_variants,
    horizons_of,
    share_in_reach,
)
from chinchilla_lib.experiments.experiment import Part
from chinchilla_lib.experiments.forecast import FORECAST
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.fitting.envelope import LATE
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.curves import CurveTable
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.table import SweepTable
from tests.experiments.small_truth import LAW, law_with, simulate


def _configs(parts: tuple[Part, ...]) -> list[RunConfig]:
    return [config for part in parts for config in part.plan("c").configs]


def test_every_size_is_trained_to_four_lengths() -> None:
    configs = _configs(ENVELOPE.parts_of("cpu-60"))
    horizons = horizons_of({"d_model": c.shape.d_model, "flops_budget": c.flops_budget} for c in configs)
    assert set(horizons) == {config.shape.d_model for config in _configs(MAIN.parts_of("cpu-60"))}
    assert min(len(budgets) for budgets in horizons.values()) >= 4
    for budgets in horizons.values():
        # The paper's lengths span a factor of 16, ours of 3 at least.
        assert budgets[-1] / budgets[0] > 3
    assert len({config.run_id for config in configs}) == len(configs)


def test_only_the_missing_lengths_are_new() -> None:
    english, between, horizons = (
        {config.run_id for config in part.plan("c").configs} for part in ENVELOPE.parts_of("cpu-60")
    )
    assert english == {config.run_id for config in _configs(MAIN.parts_of("cpu-60"))}
    theirs = {c.run_id for c in _configs(FORECAST.parts_of("cpu-120")) if c.flops_budget in BETWEEN}
    assert between == theirs
    assert not horizons & (english | between)


def test_the_verdict_follows_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = partial(fit_variants, n_draws=200)  # verdicts stand farther from their limits than these scatter
    monkeypatch.setattr("chinchilla_lib.experiments.envelope.fit_variants", fewer)
    parts = ENVELOPE.parts_of("cpu-60")
    half = ENVELOPE.judge(simulate(parts), None)
    assert half.outcome == "holds", half
    assert half.numbers["a"] == pytest.approx(0.5, abs=0.05)
    kaplan = ENVELOPE.judge(simulate(parts, law_with(0.73)), None)
    assert kaplan.outcome == "does not hold", kaplan
    noisy = ENVELOPE.judge(simulate(parts, noise=0.06), None)
    assert noisy.outcome == "cannot tell", noisy


@pytest.mark.parametrize("n_parts", [1, 3])
def test_sizes_with_fewer_lengths_decide_nothing(n_parts: int) -> None:
    found = ENVELOPE.judge(simulate(ENVELOPE.parts_of("ci")[:n_parts]), None)
    assert found.outcome == "cannot tell"
    assert found.numbers["fewest_horizons"] < 4


def test_curves_are_read_by_the_papers_rule() -> None:
    records = [simulate_run(config, LAW, noise=0.002) for config in _configs(ENVELOPE.parts_of("cpu-60"))]
    table = SweepTable.from_records(records)
    fits = fit_variants(table, CurveTable.from_records(records, table), n_draws=20)
    assert fits["curves"].diagnostics.details["variant"] == "curves"
    assert set(fits) == {"decayed", "curves"}
    assert fits["decayed"].a == pytest.approx(0.5, abs=0.05)
    assert fits["curves"].a == pytest.approx(0.5, abs=0.06)
    assert set(fit_variants(table, n_draws=20)) == {"decayed"}


def test_between_two_lengths_only_the_end_of_the_longer_is_late() -> None:
    # Two lengths a factor of ten apart: of ln 10, ln(1 / 0.85) is late.
    assert share_in_reach([1e12, 1e13, 1e12]) == pytest.approx(-math.log(LATE) / math.log(10), abs=0.002)
    assert share_in_reach(np.geomspace(1e12, 1e13, 16)) == 1  # each is 0.858 of the next
    assert 0.5 < share_in_reach(np.geomspace(1e12, 1e13, 10)) < 1
