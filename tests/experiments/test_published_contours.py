"""Sizes read off between valleys: of a known law, and as recorded of the published ones."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.experiments import published_contours
from chinchilla_lib.experiments.published_contours import (
    SHARES,
    load_contour_sizes,
    record_published_contours,
    sizes_of,
)
from chinchilla_lib.fitting.iso_loss import loss_contours
from chinchilla_lib.fitting.serving_curve import serving_curve
from chinchilla_lib.reference import LAWS, load_published
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

LAW = LAWS["epoch"].law
TABLE = simulate_isoflop_sweep(LAW, [1e19, 3e19, 1e20])


def test_sizes_are_those_of_the_law() -> None:
    """Nearly: a parabola over a decade of sizes is a little steeper than the valley is at its bottom."""
    for one in sizes_of(loss_contours(TABLE)):
        curve = serving_curve(LAW, one.flops, np.array(SHARES) * LAW.d_opt(one.flops))
        known = np.isfinite(one.size_factor)
        assert known[:9].all() and not known[-1]
        np.testing.assert_allclose(one.size_factor[known], curve.size_factor[known], atol=0.03)
        assert one.n_params == pytest.approx(LAW.n_opt(one.flops), rel=0.05)
        assert one.n_tokens == pytest.approx(LAW.d_opt(one.flops), rel=0.05)


def test_between_shares_it_is_interpolated_and_beyond_not_known() -> None:
    one = sizes_of(loss_contours(TABLE))[0]
    assert one.at(SHARES[3]) == pytest.approx(one.size_factor[3])
    assert one.size_factor[5] < one.at(math.sqrt(SHARES[4] * SHARES[5])) < one.size_factor[4]
    assert math.isnan(one.at(SHARES[0] / 2)) and math.isnan(one.at(SHARES[-1]))


def test_the_record_is_what_the_published_valleys_give(published_folder: Path) -> None:
    table = load_published("epoch_fig4", points="isoflop", folder=published_folder)
    recorded, again = load_contour_sizes(), sizes_of(loss_contours(table))
    assert len(recorded) == len(again)
    for theirs, mine in zip(recorded, again, strict=True):
        np.testing.assert_allclose(theirs.size_factor, mine.size_factor, rtol=1e-4)
        assert theirs.loss == pytest.approx(mine.loss, rel=1e-5)
        assert theirs.n_tokens == pytest.approx(mine.n_tokens, rel=1e-5)


def test_a_record_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_contours, "load_published", lambda name, points: TABLE)
    record_published_contours(tmp_path)
    there = tmp_path / "epoch-contours"
    assert {path.name for path in there.iterdir()} == {"runs.csv", "provenance.json"}
    rows = list(csv.DictReader((there / "runs.csv").read_text().splitlines()))
    for row, one in zip(rows, sizes_of(loss_contours(TABLE)), strict=True):
        assert float(row["n_tokens"]) == pytest.approx(one.n_tokens, rel=1e-5)
        written = [float(row[f"{share:g}"] or "nan") for share in SHARES]
        np.testing.assert_allclose(written, one.size_factor, rtol=1e-5)
