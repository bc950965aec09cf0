"""A staged sweep finds the optimum where a fixed one looks beside it."""

import json
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.fitting.isoflop import fit_isoflop_profiles
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.runs import RunRecord
from chinchilla_lib.sweeps import runner
from chinchilla_lib.sweeps.folder import SweepFolder
from chinchilla_lib.sweeps.locks import Shard
from chinchilla_lib.sweeps.plan import SweepPlan, plan_isoflop_sweep
from chinchilla_lib.sweeps.runner import run_sweep
from chinchilla_lib.sweeps.simulate import simulate_run
from chinchilla_lib.sweeps.stages import Stage, next_stage
from chinchilla_lib.sweeps.table import SweepTable
from chinchilla_lib.sweeps.tiers import TIERS, Tier, tier_shape
from tests.sweeps.killable import tables

# The optimum of this law lies some four times above the sizes that the tier expects.
LAW = ParametricLoss(E=1.5, A=60.0, B=60.0, alpha=0.34, beta=0.34)
SIMULATE = partial(simulate_run, law=LAW, noise=0.001)
TIER = replace(
    TIERS["ci"],
    widths={1e12: (24, 32, 40, 48, 64), 4e12: (32, 40, 56, 72, 96), 1.6e13: (48, 64, 80, 104, 144)},
    staged=True,
)


def plan(tier: Tier = TIER, seeds: Sequence[int] = (0,)) -> SweepPlan:
    return plan_isoflop_sweep(tier, corpus="none", seeds=seeds)


def interior(records: Sequence[RunRecord]) -> list[bool]:
    """For each budget, whether the best run is neither the smallest nor the largest."""
    table = SweepTable.from_records(records)
    return [0 < np.argmin(table.loss[valley.index]) < len(valley.index) - 1 for valley in table.valleys()]


def test_stages_recover_an_optimum_that_the_fixed_ladder_misses(tmp_path: Path) -> None:
    fixed = run_sweep(plan(replace(TIER, staged=False)), SIMULATE, tmp_path / "fixed", n_workers=0)
    assert interior(fixed) == [False, False, False]
    staged = run_sweep(plan(), SIMULATE, tmp_path / "staged", n_workers=0)
    assert len(staged) == 15
    assert interior(staged) == [False, True, True]
    # The truth under the FLOPs that the plan counts, which differ from 6ND.
    shapes = [tier_shape(TIER, width) for width in range(64, 1024, 4)]
    sizes = [float(count_params(shape).total) for shape in shapes]
    losses = [
        LAW.loss(size, 1.6e13 / training_flops_per_token(shape, "matmul"))
        for size, shape in zip(sizes, shapes, strict=True)
    ]
    fit = fit_isoflop_profiles(SweepTable.from_records(staged[5:]))
    assert fit.n_opt.predict(1.6e13) == pytest.approx(sizes[int(np.argmin(losses))], rel=0.1)


def test_a_stage_is_a_function_of_the_records_and_recorded(tmp_path: Path) -> None:
    records = run_sweep(plan(), SIMULATE, tmp_path, n_workers=0)
    stages = SweepFolder(tmp_path).load_stages()
    assert [(stage.number, stage.budget) for stage in stages] == [(2, 4e12), (3, 1.6e13)]
    ladder = plan().ladder
    assert ladder is not None
    first = [record for record in records if record.config.flops_budget == 1e12]
    assert next_stage(ladder, 2, first) == stages[0]
    other = [replace(record, loss=record.loss + 0.01) for record in first]
    assert next_stage(ladder, 2, other).table != stages[0].table
    assert Stage.from_dict(json.loads(json.dumps(stages[1].to_dict()))) == stages[1]
    assert [c.run_id for stage in stages for c in stage.configs] == [r.config.run_id for r in records[5:]]


def test_a_staged_sweep_resumes_in_its_stage(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_in_stage_two(progress: runner.Progress) -> None:
        if progress.n_done == 7:
            raise Stop

    with pytest.raises(Stop):
        run_sweep(plan(), SIMULATE, tmp_path / "s", n_workers=0, on_progress=stop_in_stage_two)
    assert len(SweepFolder(tmp_path / "s").load_records()) == 7
    run_sweep(plan(), SIMULATE, tmp_path / "s", n_workers=0)
    run_sweep(plan(), SIMULATE, tmp_path / "undisturbed", n_workers=0)
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


def test_shards_wait_for_each_other_at_the_end_of_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "_POLL", 0.05)
    first = threading.Thread(
        target=run_sweep,
        args=(plan(), SIMULATE, tmp_path / "s"),
        kwargs={"n_workers": 0, "shard": Shard(1, 2)},
    )
    first.start()
    first.join(0.5)
    assert first.is_alive() and not SweepFolder(tmp_path / "s").load_stages()
    run_sweep(plan(), SIMULATE, tmp_path / "s", n_workers=0, shard=Shard(2, 2))
    first.join(30)
    assert not first.is_alive()
    assert "stage 1: waiting for" in caplog.text
    run_sweep(plan(), SIMULATE, tmp_path / "undisturbed", n_workers=0)
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


def test_seeds_are_averaged_and_depth_stays(tmp_path: Path) -> None:
    records = run_sweep(plan(seeds=[3, 4]), SIMULATE, tmp_path, n_workers=0)
    assert len(records) == 30
    assert {record.config.shape.n_layers for record in records} == {TIER.n_layers}
    for record in records[10:]:
        assert record.config.shape.d_model % TIER.width_step == 0
        assert record.config.flops == pytest.approx(record.config.flops_budget, rel=0.01)


def test_long_runs_are_left_out_and_a_stage_without_runs_is_refused(tmp_path: Path) -> None:
    records = run_sweep(
        plan(replace(TIER, widths={1e12: TIER.widths[1e12]})), SIMULATE, tmp_path, n_workers=0
    )
    ladder = plan().ladder
    assert ladder is not None
    whole = next_stage(ladder, 2, records)
    lengths = sorted(config.n_tokens for config in whole.configs)
    bounded = next_stage(replace(ladder, max_tokens=lengths[2]), 2, records)
    assert sorted(config.n_tokens for config in bounded.configs) == lengths[:3]
    with pytest.raises(InputError, match=r"every width at 4e.12 FLOPs needs more than 1 tokens"):
        next_stage(replace(ladder, max_tokens=1), 2, records)
    with pytest.raises(InputError, match=r"no run at 1e.12 FLOPs has finished"):
        next_stage(ladder, 2, [])


def test_a_valley_without_curvature_falls_back_on_its_best_run(tmp_path: Path) -> None:
    records = run_sweep(
        plan(replace(TIER, widths={1e12: TIER.widths[1e12]})), SIMULATE, tmp_path, n_workers=0
    )
    sizes = [count_params(record.config.shape).total for record in records]
    ridge = [
        replace(record, loss=3 - math.log(size / sizes[0]) ** 2)
        for record, size in zip(records, sizes, strict=True)
    ]
    ladder = plan().ladder
    assert ladder is not None
    assert next_stage(ladder, 2, ridge).n_opt == pytest.approx(2 * sizes[-1])
