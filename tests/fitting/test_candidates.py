"""What Approach 1 takes its minimum over, against plain loops."""

import math

import numpy as np
import pytest

from chinchilla_lib.fitting.candidates import SizeCurves, rank_curves
from chinchilla_lib.fitting.smoothing import smooth_curves
from chinchilla_lib.sweeps.simulate import simulate_curves
from tests.fitting.test_envelope import design
from tests.test_laws import PUBLISHED


def test_the_ranking_is_the_naive_minimum_of_any_resample() -> None:
    table = design(6, 3, noise=0.01, seed=2)
    curves = simulate_curves(PUBLISHED, table, noise=0.01, n_points=40)
    log_flops = np.linspace(np.log(table.flops.min()), np.log(table.flops.max()), 60)
    ranking = rank_curves(curves, log_flops, window=0)
    present = np.random.default_rng(1).random((30, 18)) < 0.6
    choice = ranking.choose(present, np.arange(60))
    smooth = smooth_curves(curves, 0)
    for row in range(30):
        for column, x in enumerate(log_flops):
            losses = {}
            for run in np.flatnonzero(present[row]):
                points = slice(curves.first[run], curves.last[run] + 1)
                known = np.log(curves.flops[points])
                if known[0] <= x <= known[-1]:
                    losses[run] = float(np.interp(x, known, smooth[points]))
            if losses:
                best = min(losses, key=lambda run: losses[run])
                assert choice.loss[row, column] == pytest.approx(losses[best], rel=1e-12)
                assert choice.log_n[row, column] == math.log(table.n_params[best])
                budget = 6 * np.exp(choice.log_n + choice.log_d)[row, column]
                assert budget == pytest.approx(math.exp(x), rel=1e-9)
            else:
                assert np.isnan(choice.loss[row, column])


def test_sizes_are_interpolated_through_their_final_losses() -> None:
    table = design(3, 4)
    log_flops = np.sort(np.log(table.flops))
    sizes = SizeCurves(table, log_flops)
    choice = sizes.choose(np.ones((1, 12), dtype=np.int64), np.arange(12))
    order = np.argsort(table.flops)
    # At each run's own FLOPs the best size loses at most what that run does.
    assert (choice.loss[0] <= table.loss[order] * (1 + 1e-8)).all()
    alone = np.zeros((1, 12), dtype=np.int64)
    alone[0, 4:8] = 1
    middle = sizes.choose(alone, np.arange(12))
    mine = np.isin(order, [4, 5, 6, 7])
    np.testing.assert_allclose(middle.loss[0][mine], table.loss[order][mine], rtol=1e-8)
    outside = np.log(table.flops[order]) > math.log(table.flops[7]) + 1e-6
    assert np.isnan(middle.loss[0][outside]).all()


def test_the_ends_are_the_sizes_whose_curves_hold_a_budget() -> None:
    table = design(6, 1)
    curves = simulate_curves(PUBLISHED, table)
    log_flops = np.linspace(np.log(curves.flops.min()), np.log(table.flops.max()), 50)
    ranking = rank_curves(curves, log_flops, window=0)
    for column, x in enumerate(log_flops):
        held = [
            math.log(table.n_params[run])
            for run in range(6)
            if math.log(curves.flops[curves.first[run]]) - 1e-9 <= x <= math.log(table.flops[run]) + 1e-9
        ]
        assert ranking.lowest[column] == min(held)
        assert ranking.highest[column] == max(held)


def test_a_size_with_one_length_is_no_candidate() -> None:
    table = design(3, 1)
    choice = SizeCurves(table, np.log(table.flops)).choose(np.ones((1, 3), dtype=np.int64), np.arange(3))
    assert np.isnan(choice.loss).all()
