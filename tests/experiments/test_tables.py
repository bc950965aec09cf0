import csv

import numpy as np
import pytest

from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.experiments.tables import CURVE_POINTS, curves_table, runs_table
from chinchilla_lib.runs import LossCurve, RunRecord
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW


def records() -> list[RunRecord]:
    (part,) = MAIN.parts_of("ci")
    return [simulate_run(config, LAW) for config in part.plan("c").configs[:3]]


def test_parts_are_a_column_only_where_there_are_several() -> None:
    done = records()
    alone = list(csv.DictReader(runs_table({"english": done}).splitlines()))
    assert [row["run_id"] for row in alone] == [record.config.run_id for record in done]
    assert "part" not in alone[0]
    both = list(csv.DictReader(runs_table({"a": done[:1], "b": done[1:]}).splitlines()))
    assert [row["part"] for row in both] == ["a", "b", "b"]


@pytest.mark.parametrize("n_points", [200, 130, 25, 7])
def test_a_thinned_curve_keeps_the_mean_and_the_end(n_points: int) -> None:
    rng = np.random.default_rng(n_points)
    (record, *_) = records()
    step = np.sort(rng.choice(np.arange(1, record.config.n_steps), n_points - 1, replace=False))
    step = np.append(step, record.config.n_steps)
    loss = rng.uniform(3, 4, n_points)
    curve = LossCurve(tuple(step.tolist()), tuple(loss.tolist()))
    thin = list(
        csv.DictReader(curves_table({"x": [RunRecord(**{**vars(record), "curve": curve})]}).splitlines())
    )
    assert len(thin) == min(n_points, CURVE_POINTS)
    tokens = np.array([int(row["n_tokens"]) for row in thin])
    assert tokens[-1] == record.config.n_tokens
    means = np.array([float(row["train_loss"]) for row in thin])
    whole = np.average(loss, weights=np.diff(step, prepend=0))
    assert np.average(means, weights=np.diff(tokens, prepend=0)) == pytest.approx(whole, abs=1e-5)
