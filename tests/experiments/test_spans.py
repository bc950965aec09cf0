import math
from dataclasses import replace

import pytest

from chinchilla_lib.experiments.floor import LABELS
from chinchilla_lib.experiments.known_truth import truth
from chinchilla_lib.experiments.spans import (
    COLUMNS,
    KINDS,
    Span,
    fit_sweep,
    measured_law,
    simulate_sweep,
    summarise,
)
from chinchilla_lib.reference.recorded import load_recorded
from tests.experiments.small_truth import LAW

NARROW, WIDE = "1 decades, 1 of the noise", "4 decades, 1 of the noise"


def test_kinds_go_from_one_decade_to_four_at_two_levels_of_noise() -> None:
    assert KINDS[NARROW] == Span(1.0, 1.0)
    assert {span.decades for span in KINDS.values()} == {1, 1.5, 2, 2.5, 3, 3.5, 4}
    assert len(KINDS) == 14


def test_a_wider_sweep_tells_more_of_e() -> None:
    results = {
        kind: [simulate_sweep(LAW, KINDS[kind].decades, noise=0.015, seed=seed) for seed in range(4)]
        for kind in (NARROW, WIDE)
    }
    narrow, wide = summarise(results)
    assert tuple(narrow) == COLUMNS
    assert (narrow["decades"], wide["decades"], wide["n_sets"]) == (1, 4, 4)
    for row in (narrow, wide):
        assert sum(row[label] for label in LABELS) == pytest.approx(1)
    assert wide["high"] - wide["low"] < (narrow["high"] - narrow["low"]) / 2
    assert wide["low"] < LAW.E < wide["high"]
    assert wide["a_width"] < narrow["a_width"]
    assert wide[LABELS[0]] > narrow[LABELS[0]]


def test_what_cannot_be_fitted_tells_no_e() -> None:
    # Without noise and without terms the losses are all one, so that nothing has a minimum.
    flat = replace(LAW, A=1e-12, B=1e-12)
    found = simulate_sweep(flat, 1.0, noise=1e-4, seed=0)
    assert found["label"] == LABELS[-1]


def test_a_sweep_that_was_refused_counts_and_leaves_medians_alone() -> None:
    good = {"low": 1.0, "estimate": 1.1, "high": 1.2, "held": True, "label": LABELS[0],
            "frontier": LABELS[0], "a_width": 0.1}  # fmt: skip
    refused = {"low": math.nan, "estimate": math.nan, "high": math.nan, "held": False, "label": LABELS[2],
               "frontier": LABELS[2], "a_width": math.nan}  # fmt: skip
    (row,) = summarise({NARROW: [good, good, refused]})
    assert (row["low"], row["estimate"], row["high"]) == (1.0, 1.1, 1.2)
    assert row["held"] == pytest.approx(2 / 3)
    assert row["not identifiable"] == pytest.approx(1 / 3)


def test_what_is_recorded_are_all_kinds_under_the_measured_law() -> None:
    rows = load_recorded("spans").rows
    assert tuple(rows[0]) == COLUMNS
    assert [(float(row["decades"]), float(row["noise_share"])) for row in rows] == [
        (span.decades, pytest.approx(span.noise_share, abs=1e-4)) for span in KINDS.values()
    ]
    law, noise = measured_law()
    assert truth().E == law.E
    assert 0.001 < noise < 0.02
    # Intervals of 90 % hold this truth in 40 sweeps of a kind as often as they say, up to the draw.
    assert all(float(row["held"]) > 0.9 - 3 * math.sqrt(0.09 / 40) for row in rows)


def test_a_sweep_of_a_kind_is_the_same_each_time_and_others_are_others() -> None:
    first = fit_sweep(NARROW, 0, 0)
    assert fit_sweep(NARROW, 0, 0) == first
    assert fit_sweep(NARROW, 0, 1)["estimate"] != first["estimate"]
