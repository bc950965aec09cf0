import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.flops import training_flops_per_token
from chinchilla_lib.runs import (
    DocumentLosses,
    LossCurve,
    RunConfig,
    RunRecord,
    clustered_mean,
    compare_heldout,
)
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.tiers import TIERS

CONFIG = plan_isoflop_sweep(TIERS["ci"], corpus="0123456789abcdef").configs[0]
CURVE = LossCurve((10, CONFIG.n_steps), (5.0, 4.0))
RECORD = RunRecord(
    config=CONFIG, loss=3.9, loss_se=0.01, bits_per_byte=2.5, curve=CURVE, seconds=1.5, environment={"a": "b"}
)

finite = st.floats(min_value=1e-9, max_value=1e9)


@given(loss=finite, rate=finite, seed=st.integers(0, 2**40), n_steps=st.integers(1000, 10**6))
def test_json_is_lossless(loss: float, rate: float, seed: int, n_steps: int) -> None:
    record = replace(
        RECORD, config=replace(CONFIG, learning_rate=rate, seed=seed, n_steps=n_steps), loss=loss
    )
    again = RunRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again == record
    assert again.config.run_id == record.config.run_id


def test_the_id_changes_with_every_field() -> None:
    changes: list[dict[str, Any]] = [
        {"schedule": "wsd", "cooldown_steps": 10},
        {"precision": "bf16"},
        {"shape": replace(CONFIG.shape, n_layers=3)},
        {"n_steps": CONFIG.n_steps + 1},
        {"batch_size_sequences": CONFIG.batch_size_sequences + 1},
        {"learning_rate": CONFIG.learning_rate * 1.001},
        {"warmup_steps": CONFIG.warmup_steps + 1},
        {"seed": 1},
        {"flops_budget": CONFIG.flops_budget * 2},
        {"flops_convention": "six_nd"},
        {"corpus": "other"},
        {"eval_sequences": 8},
        {"final_learning_rate_fraction": 0.0},
        {"beta1": 0.8},
        {"beta2": 0.95},
        {"weight_decay": 0.0},
        {"grad_clip": 2.0},
        {"cycle_steps": 2 * CONFIG.n_steps},
        {"weight_precision": "bf16"},
        {"unique_tokens": 4096},
        {"corrupted_fraction": 0.1},
    ]
    assert {name for change in changes for name in change} == {field.name for field in fields(CONFIG)}
    ids = {replace(CONFIG, **change).run_id for change in changes} | {CONFIG.run_id}
    assert len(ids) == len(changes) + 1


def test_runs_of_one_trunk_differ_in_their_ends_alone() -> None:
    trunk = replace(CONFIG, schedule="wsd", cooldown_steps=10)
    longer = replace(trunk, n_steps=CONFIG.n_steps * 2, cooldown_steps=20, flops_budget=1e15)
    assert trunk.trunk == longer.trunk is not None
    assert replace(trunk, seed=1).trunk != trunk.trunk
    assert replace(trunk, learning_rate=0.5).trunk != trunk.trunk
    assert CONFIG.trunk is None


def test_cosines_cut_from_one_cycle_share_a_trunk() -> None:
    cycle = replace(CONFIG, cycle_steps=2 * CONFIG.n_steps)
    longer = replace(cycle, n_steps=cycle.n_steps + 5, flops_budget=1e15)
    assert cycle.trunk == longer.trunk is not None
    assert replace(cycle, cycle_steps=3 * CONFIG.n_steps).trunk != cycle.trunk


def test_younger_fields_are_written_where_they_are_used() -> None:
    changed = replace(CONFIG, unique_tokens=4096, corrupted_fraction=0.5)
    assert set(changed.to_dict()) - set(CONFIG.to_dict()) == {"unique_tokens", "corrupted_fraction"}
    assert RunConfig.from_dict(changed.to_dict()) == changed
    row = replace(RECORD, config=changed).to_row()
    assert (row["unique_tokens"], row["corrupted_fraction"]) == (4096, 0.5)
    assert set(row) - set(RECORD.to_row()) == {"unique_tokens", "corrupted_fraction"}


def test_without_weight_decay_it_is_adam() -> None:
    assert (CONFIG.optimizer, replace(CONFIG, weight_decay=0.0).optimizer) == ("adamw", "adam")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "wsd"}, "cooldown_steps is 0; schedule 'wsd' needs 1 to"),
        ({"schedule": "wsd", "cooldown_steps": 10**9}, "needs 1 to"),
        ({"cooldown_steps": 5}, "schedule 'cosine' has none"),
        ({"schedule": "step"}, "schedule is 'step'; choose one of cosine, wsd"),
        ({"precision": "int8"}, "precision is 'int8'; choose one of float32, bf16, fp16"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1; it must be 0 or more"),
        ({"cycle_steps": 5}, "cycle_steps is 5 with schedule 'cosine'"),
        ({"schedule": "wsd", "cooldown_steps": 1, "cycle_steps": 10**6}, "it is the length of a cosine"),
        ({"weight_precision": "fp16"}, "weight_precision is 'fp16'; choose one of float32, bf16"),
        ({"unique_tokens": 10}, "unique_tokens is 10; give one sequence"),
        ({"corrupted_fraction": 1.0}, "corrupted_fraction is 1.0"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(CONFIG, **change)


def test_derived_quantities() -> None:
    assert CONFIG.n_tokens == CONFIG.n_steps * CONFIG.batch_size_sequences * CONFIG.shape.seq_len
    assert CONFIG.flops == CONFIG.n_tokens * training_flops_per_token(CONFIG.shape, "matmul")


def test_the_row_has_the_contract_s_columns() -> None:
    row = RECORD.to_row()
    contract = "run_id seed n_params n_params_non_embedding n_tokens flops flops_convention flops_budget"
    assert list(row)[:10] == [*contract.split(), "loss", "loss_se"]
    assert row["n_params"] == count_params(CONFIG.shape).total
    assert row["flops"] == pytest.approx(row["flops_budget"], rel=0.01)
    assert "seconds" not in row


def test_the_curve_s_rows_end_at_the_run_s_totals() -> None:
    rows = RECORD.curve_rows()
    assert list(rows[0]) == ["run_id", "step", "n_tokens", "horizon_tokens", "flops", "train_loss"]
    assert rows[-1]["n_tokens"] == rows[-1]["horizon_tokens"] == CONFIG.n_tokens
    assert rows[-1]["flops"] == CONFIG.flops


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_steps", 0),
        ("batch_size_sequences", 0),
        ("eval_sequences", -1),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("flops_budget", math.inf),
        ("grad_clip", -1.0),
        ("warmup_steps", 10**9),
        ("final_learning_rate_fraction", 1.5),
        ("flops_convention", "guess"),
    ],
)
def test_a_config_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        replace(CONFIG, **{field: value})


@pytest.mark.parametrize("data", [{}, {"shape": {}}, {**CONFIG.to_dict(), "extra": 1}])
def test_what_is_not_a_config_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InputError):
        RunConfig.from_dict(data)


def test_what_is_not_a_record_is_refused() -> None:
    with pytest.raises(InputError, match="not the record"):
        RunRecord.from_dict({"config": CONFIG.to_dict()})
    with pytest.raises(InputError, match="2 steps and 1 losses"):
        LossCurve((1, 2), (3.0,))


def test_losses_by_document_survive_json() -> None:
    record = replace(RECORD, heldout=DocumentLosses((0, 4), (128, 256), (3.5, 4.5)))
    assert RunRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    with pytest.raises(InputError, match="2 documents, 1 numbers of tokens and 2 losses"):
        DocumentLosses((0, 4), (128,), (3.5, 4.5))


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=40))
def test_clusters_of_one_give_the_textbook_error(values: list[float]) -> None:
    x = np.array(values)
    mean, error = clustered_mean(x, np.ones(len(x)))
    assert mean == pytest.approx(x.mean(), abs=1e-12)
    assert error == pytest.approx(x.std(ddof=1) / math.sqrt(len(x)), abs=1e-12)


def test_more_of_the_same_within_documents_adds_no_information() -> None:
    x = np.random.default_rng(0).normal(size=20)
    assert clustered_mean(x, np.full(20, 500.0)) == pytest.approx(clustered_mean(x, np.ones(20)))


def test_the_error_covers_the_truth_when_documents_differ() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(5, 20, size=40)
    inside = 0
    for _ in range(400):
        mean, error = clustered_mean(rng.normal(size=40) + rng.normal(size=40) / np.sqrt(n), n.astype(float))
        inside += abs(mean) < 1.645 * error
    assert 0.84 < inside / 400 < 0.95  # nominal 0.90, three standard deviations and small-sample loss


def test_one_document_gives_no_error() -> None:
    assert clustered_mean(np.ones(1), np.ones(1)) == (1.0, math.inf)


def test_what_is_hard_for_both_drops_out_of_a_comparison() -> None:
    rng = np.random.default_rng(0)
    n_tokens = tuple(int(n) for n in rng.integers(1, 9, size=60) * 128)
    hard = rng.normal(4, 0.5, size=60)

    def record(seed: int, shift: float) -> RunRecord:
        losses = hard + shift + rng.normal(0, 0.01, size=60)
        loss, error = clustered_mean(losses, np.array(n_tokens, dtype=float))
        heldout = DocumentLosses(tuple(range(60)), n_tokens, tuple(losses))
        config = replace(CONFIG, seed=seed)
        return replace(RECORD, config=config, loss=loss, loss_se=error, heldout=heldout)

    first, second = record(0, 0.02), record(1, 0.0)
    difference, error = compare_heldout(first, second)
    assert difference == pytest.approx(first.loss - second.loss)
    assert abs(difference - 0.02) < 3 * error
    assert error < 0.1 * first.loss_se
    assert compare_heldout(first, first) == (0.0, 0.0)
    assert compare_heldout(second, first) == pytest.approx((-difference, error))


def test_runs_measured_on_other_text_are_not_compared() -> None:
    measured = replace(RECORD, heldout=DocumentLosses((0, 4), (128, 256), (3.5, 4.5)))
    fewer = replace(RECORD, heldout=DocumentLosses((0,), (128,), (3.5,)))
    shorter = replace(RECORD, heldout=DocumentLosses((0, 4), (128, 128), (3.5, 4.5)))
    elsewhere = replace(measured, config=replace(CONFIG, corpus="other"))
    for other in (RECORD, fewer, shorter, elsewhere):
        with pytest.raises(InputError, match="not measured on the same held-out windows"):
            compare_heldout(measured, other)
