"""Repeated data: the plan, fresh curves, what passes are worth, and the verdict, on laws that are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.architecture import count_params
from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments import repeats
from chinchilla_lib.experiments.catalogue import EXPERIMENTS
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.experiments.repeats import (
    BLOCKS,
    REPEATS,
    Worth,
    fit_fresh_curve,
    fresh_curves,
    loss_noise,
    plan_repeats,
    unique_tokens_of,
    worth_by_cell,
    worth_by_width,
)
from chinchilla_lib.laws import RepeatedDataLoss
from chinchilla_lib.runs import RunConfig
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW


def simulate(r_d: float, *, r_n: float = math.inf, noise: float = 0.0, tier: str = "cpu-20") -> list[Row]:
    """Rows of the plan under the law of repeated data; `noise` in nats per token."""
    truth = RepeatedDataLoss(LAW, r_d=r_d, r_n=r_n)
    rng = np.random.default_rng(6)
    rows = []
    for config in plan_repeats(tier, corpus="c").configs:
        n_params, unique = float(count_params(config.shape).total), config.unique_tokens or config.n_tokens
        loss = truth.loss(n_params, float(config.n_tokens), float(unique)) + noise * rng.standard_normal()
        rows.append(replace(simulate_run(config, LAW), loss=loss).to_row())
    return rows


def test_it_is_registered_and_a_tier_of_minutes_stays_one() -> None:
    assert EXPERIMENTS["repeats"] is REPEATS
    assert list(REPEATS.parts) == list(BLOCKS) == ["ci", "cpu-20"]
    assert plan_repeats("ci", corpus="c").flops < 2e12
    assert plan_repeats("cpu-20", corpus="c").flops < 3.5e13  # 3e10 FLOP/s on two cores


@pytest.mark.parametrize("tier", ["ci", "cpu-20"])
def test_a_repeating_run_has_a_fresh_one_that_differs_in_its_tokens_alone(tier: str) -> None:
    configs = plan_repeats(tier, corpus="c").configs

    def without_set(config: RunConfig) -> RunConfig:
        return replace(config, unique_tokens=None)

    fresh = {config.run_id for config in configs if config.unique_tokens is None}
    repeating = [config for config in configs if config.unique_tokens]
    assert all(without_set(config).run_id in fresh for config in repeating)
    for config in repeating:
        assert config.unique_tokens is not None
        epochs = config.n_tokens / config.unique_tokens
        assert epochs == pytest.approx(2 ** round(math.log2(epochs)), rel=1e-3)
    plan_repeats(tier, corpus="c").check_epochs(4_200_000)


def test_the_design_has_the_sets_the_passes_and_three_seeds_at_four() -> None:
    found: dict[tuple[int, int], dict[int, int]] = {}
    for config in plan_repeats("cpu-20", corpus="c").configs:
        if config.unique_tokens:
            epochs = found.setdefault((config.shape.d_model, config.unique_tokens), {})
            n = round(config.n_tokens / config.unique_tokens)
            epochs[n] = epochs.get(n, 0) + 1
    for width in (16, 24, 40):
        assert found[width, 131072] == {1: 1, 2: 1, 4: 3, 8: 1, 16: 1, 32: 1}
        assert found[width, 262144] == {1: 1, 2: 1, 4: 3, 8: 1, 16: 1}
    assert found[40, 65536] == {8: 1, 16: 1, 32: 1, 64: 1}


def test_a_fresh_curve_is_found_again_and_read_both_ways() -> None:
    tokens = np.geomspace(1e5, 4e6, 6)
    curve = fit_fresh_curve(tokens, 3 + 0.4 * (tokens / 1e6) ** -0.4)
    assert curve.floor == pytest.approx(3, abs=0.01)
    assert curve.power == pytest.approx(0.4, rel=0.01)
    assert np.abs(curve.residuals).max() < 1e-3
    at = np.array([3e5, 2e6])
    np.testing.assert_allclose(curve.tokens(curve.loss(at)), at)
    step = 1e-4
    falls = curve.loss(at * math.exp(-step)) - curve.loss(at * math.exp(step))
    np.testing.assert_allclose(curve.slope(at), falls / (2 * step), rtol=1e-6)
    np.testing.assert_allclose(curve.tokens(np.array([curve.floor, 0.0])), 1.6e7)  # not endless


def test_the_variance_of_a_fresh_curve_is_that_of_fits_to_noisy_runs() -> None:
    tokens = np.repeat(np.geomspace(1e5, 4e6, 6), [1, 3, 3, 3, 1, 1])
    truth = fit_fresh_curve(tokens, 3 + 0.4 * (tokens / 1e6) ** -0.4)
    rng, at = np.random.default_rng(0), np.array([6e5])
    drawn = [
        fit_fresh_curve(tokens, truth.loss(tokens) + 0.003 * rng.standard_normal(len(tokens))).loss(at)[0]
        for _ in range(400)
    ]
    (gradient,) = truth.gradient(at)
    expected = 0.003 * math.sqrt(gradient @ truth.covariance @ gradient)
    # A standard deviation of 400 draws errs by 3.5 %; the formula is of first order.
    assert np.std(drawn) == pytest.approx(expected, rel=0.12)


def test_what_no_curve_can_be_read_from_is_refused() -> None:
    with pytest.raises(InputError, match="there are 4 fresh runs of 2 lengths; give four, of three"):
        fit_fresh_curve([1e5, 1e5, 2e5, 2e5], [3, 3, 2, 2])
    with pytest.raises(InputError, match="does not fall"):
        fit_fresh_curve([1e5, 2e5, 4e5, 8e5], [2, 2.1, 2.2, 2.3])
    with pytest.raises(InputError, match="no run passes 3 times over its tokens"):
        worth_by_width(simulate(15, tier="ci"), epochs=3)


@pytest.mark.parametrize("r_d", [15.387756, 3.0])
def test_passes_are_worth_what_the_law_says(r_d: float) -> None:
    truth = RepeatedDataLoss(LAW, r_d=r_d)
    cells = worth_by_cell(simulate(r_d))
    assert len(cells) == 3 * 11 + 4
    for cell in cells:
        assert cell.unique_tokens is not None
        assert cell.n_tokens is not None
        worth = truth.effective_tokens(cell.n_tokens, cell.unique_tokens)
        assert cell.share == pytest.approx(worth / cell.n_tokens, rel=0.01)
        excess = truth.loss(cell.n_params, cell.n_tokens, cell.unique_tokens)
        assert cell.excess == pytest.approx(excess - LAW.loss(cell.n_params, cell.n_tokens), abs=1e-3)
    assert {len(cell.losses) for cell in cells if round(cell.epochs) == 4} == {3}
    for one in worth_by_width(simulate(r_d)):
        assert one.share == pytest.approx(truth.effective_tokens(4, 1) / 4, rel=0.01)


def test_noise_is_found_and_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rows = simulate(15.387756, noise=0.01)
    assert loss_noise(rows) == pytest.approx(0.01, rel=0.3)  # over some forty degrees of freedom
    truth, rng = worth_by_width(simulate(15.387756)), np.random.default_rng(1)
    clean, held, squares = simulate(15.387756), 0, []
    for _ in range(100):
        noisy = [{**row, "loss": float(row["loss"]) + 0.01 * rng.standard_normal()} for row in clean]
        squares.append(loss_noise(noisy) ** 2)
        for one, at in zip(worth_by_width(noisy), truth, strict=True):
            held += one.interval[0] <= at.share <= one.interval[1]
    # Each has 39 degrees of freedom; four standard deviations of the mean of 100.
    assert np.mean(squares) == pytest.approx(1e-4, rel=4 * math.sqrt(2 / 39 / 100))
    # 300 of which 90 % are expected; a binomial's standard deviation is 1.7 %.
    assert 0.83 <= held / 300 <= 0.96


@pytest.mark.parametrize(
    ("shares", "half", "outcome"),
    [
        ((0.95, 0.95, 0.85), 0.06, "holds"),
        ((0.95, 0.95, 0.79), 0.06, "cannot tell"),  # the mean is high enough, one size is not
        ((0.95, 0.95, 0.70), 0.06, "does not hold"),
        ((0.82, 0.82, 0.82), 0.06, "cannot tell"),
        ((0.83, 0.83, 0.83), 0.06, "holds"),  # three sizes tell more than one
    ],
)
def test_the_verdict_is_that_of_the_rule(
    shares: tuple[float, ...], half: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = [
        Worth(w, 1000 * w, None, None, (), 0.01, s, half) for w, s in zip((16, 24, 40), shares, strict=True)
    ]
    monkeypatch.setattr(repeats, "worth_by_width", lambda rows: tuple(widths))
    monkeypatch.setattr(repeats, "loss_noise", lambda rows: 0.01)
    verdict = REPEATS.judge({"runs": []}, None)
    assert verdict.outcome == outcome, verdict
    mean = math.prod(shares) ** (1 / 3)
    assert verdict.numbers["low"] == pytest.approx(mean * math.exp(-half / math.sqrt(3)))


def test_rows_read_from_a_table_are_text() -> None:
    rows = simulate(15, tier="ci")
    as_text = [{name: str(value) for name, value in {"unique_tokens": "", **row}.items()} for row in rows]
    assert worth_by_cell(as_text) == worth_by_cell(rows)
    assert unique_tokens_of({"unique_tokens": ""}) is None
    assert set(fresh_curves(as_text)) == {16, 24}


def test_the_verdict_follows_the_truth() -> None:
    held = REPEATS.judge({"runs": simulate(15.387756, noise=0.01)}, None)
    assert held.outcome == "holds", held
    assert held.numbers["share"] == pytest.approx(0.93, abs=0.05)
    assert held.numbers["low"] < held.numbers["share_16"] < held.numbers["high_16"]
    lost = REPEATS.judge({"runs": simulate(1.5, noise=0.01)}, None)
    assert lost.outcome == "does not hold", lost
    near = REPEATS.judge({"runs": simulate(4.6, noise=0.01)}, None)  # worth 0.80, where the threshold is
    assert near.outcome == "cannot tell", near
    rising = [{**row, "loss": 6 - float(row["loss"])} for row in simulate(15)]
    assert REPEATS.judge({"runs": rising}, None).outcome == "cannot tell"
