"""Sweeps of known truth, and what a summary of their verdicts counts."""

import numpy as np
import pytest

from chinchilla_lib.experiments.verdicts import HOPELESS, KINDS, fit_sweep, summarise
from chinchilla_lib.fitting import fit_parametric


@pytest.mark.parametrize("kind", KINDS)
def test_sweeps_repeat_and_know_their_truth(kind: str) -> None:
    table, a = KINDS[kind](np.random.default_rng(1))
    again, _ = KINDS[kind](np.random.default_rng(1))
    other, _ = KINDS[kind](np.random.default_rng(2))
    assert 0 < a < 1
    np.testing.assert_array_equal(table.loss, again.loss)
    assert not np.array_equal(table.loss, other.loss)


def test_one_ratio_is_never_called_identifiable() -> None:
    """Runs with 20 tokens for each parameter: the law that fits best may have alpha = beta by symmetry."""
    assert "one ratio" in HOPELESS
    for number in range(3):
        table, _ = KINDS["one ratio"](np.random.default_rng(number))
        verdict = fit_parametric(table).verdict
        assert verdict.label == "not identifiable"
        assert "other ratios of tokens to parameters" in verdict.reason


def test_a_sweep_goes_through_the_methods() -> None:
    found = fit_sweep("sizes below the optimum", 5, 0)
    assert found["isoflop"] == {"verdict": "refused", "error": None}
    assert abs(found["parametric"]["error"]) < 0.2


def test_the_summary_counts_verdicts() -> None:
    sweeps = [
        {"isoflop": {"verdict": "identifiable", "error": 0.01}},
        {"isoflop": {"verdict": "identifiable", "error": -0.2}},
        {"isoflop": {"verdict": "refused", "error": None}},
        {"isoflop": {"verdict": "not identifiable", "error": 0.5}},
    ]
    first, second, third = summarise({"sound": sweeps})
    assert (first["verdict"], first["n_sets"], first["share"], first["within"]) == (
        "identifiable",
        2,
        0.5,
        0.5,
    )
    assert first["median_error"] == pytest.approx(0.105)
    assert (second["verdict"], second["within"]) == ("not identifiable", 0.0)
    assert (third["verdict"], third["share"], third["within"]) == ("refused", 0.25, "")
