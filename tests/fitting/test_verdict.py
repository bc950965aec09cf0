"""Each rule of the verdict, by itself."""

from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.fitting.diagnostics import BootstrapReport, Diagnostics, OptimumCheck
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.fitting.verdict import judge_frontier
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep, simulate_table
from chinchilla_lib.sweeps.table import SweepTable
from tests.test_laws import PUBLISHED

TABLE = simulate_isoflop_sweep(PUBLISHED, [1e18, 1e19, 1e20])
GOOD = fit_isoflop_profiles(TABLE).diagnostics
SIZES = np.geomspace(1e8, 1e10, 20)


def resampled(n_usable: int) -> Diagnostics:
    report = BootstrapReport(
        n_requested=100, n_usable=n_usable, unusable={"x": 100 - n_usable}, smallest_stratum=9, seed=0
    )
    return replace(GOOD, bootstrap=report)


def without(n_left_out: int) -> Diagnostics:
    valleys = [
        replace(valley, reason="an edge" if number < n_left_out else None)
        for number, valley in enumerate(GOOD.valleys)
    ]
    return replace(GOOD, valleys=tuple(valleys))


UNCHECKED = replace(GOOD, optimum=OptimumCheck(1.0, 1.0, n_starts=1, agreeing_share=1.0))


@pytest.mark.parametrize(
    ("width", "diagnostics", "label", "reason"),
    [
        (0.09, GOOD, "identifiable", "0.09 wide"),
        (0.11, GOOD, "weakly identifiable", "more than 0.1"),
        (0.31, GOOD, "not identifiable", "more than 0.3"),
        (np.nan, GOOD, "not identifiable", "more than 0.3"),
        (None, GOOD, "weakly identifiable", "without draws"),
        (0.01, replace(GOOD, degenerate="a term has vanished"), "not identifiable", "a term has vanished"),
        (None, replace(GOOD, degenerate="a term has vanished"), "not identifiable", "a term has vanished"),
        (0.01, resampled(80), "identifiable", ""),
        (0.01, resampled(70), "weakly identifiable", "30% of the resamples"),
        (0.01, resampled(40), "not identifiable", "60% of the resamples"),
        (0.01, without(1), "weakly identifiable", "rests on two valleys"),
        (0.01, without(2), "not identifiable", "2 of 3 valleys have no minimum"),
        (0.01, UNCHECKED, "weakly identifiable", "check did not pass"),
    ],
)
def test_rules(width: float | None, diagnostics: Diagnostics, label: str, reason: str) -> None:
    interval = None if width is None else (0.5 - width / 2, 0.5 + width / 2)
    verdict = judge_frontier(interval, diagnostics, floor=None, surface=None)
    assert verdict.label == label
    assert reason in verdict.reason


def test_a_law_without_a_floor_is_known_weakly() -> None:
    plain = replace(GOOD, valleys=())
    assert judge_frontier((0.5, 0.51), plain, floor=1.7, surface=TABLE).label == "identifiable"
    assert judge_frontier((0.5, 0.51), plain, floor=0.0, surface=TABLE).label == "weakly identifiable"


@pytest.mark.parametrize(
    ("tokens", "label"),
    [
        (20 * SIZES, "not identifiable"),
        (1e4 * SIZES**0.7, "not identifiable"),
        (20 * SIZES * np.exp(np.tile([-0.03, 0.03], 10)), "not identifiable"),
        (20 * SIZES * np.exp(np.tile([-0.5, 0.5], 10)), "identifiable"),
        (1e20 / SIZES, "identifiable"),
    ],
)
def test_runs_on_a_rising_line_tell_no_surface(tokens: np.ndarray, label: str) -> None:
    table: SweepTable = simulate_table(PUBLISHED, SIZES, tokens)
    assert judge_frontier((0.5, 0.51), replace(GOOD, valleys=()), floor=1.7, surface=table).label == label
    assert judge_frontier((0.5, 0.51), GOOD, floor=None, surface=None).label == "identifiable"
