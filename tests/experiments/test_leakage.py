from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.corpus.leaks import COPIES, LEAKS
from chinchilla_lib.experiments.experiment import Row
from chinchilla_lib.experiments.leakage import LEAKAGE, leaks, passage_losses
from chinchilla_lib.runs import DocumentLosses, RunConfig
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW

Truth = Callable[[RunConfig, np.ndarray], np.ndarray]


def simulated(gain: Truth, *, harm: float = 0.0, noise: float = 0.03) -> Mapping[str, list[Row]]:
    """Rows of both parts: passages differ in difficulty, runs in luck, and copies gain what is said."""
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 0.4, 256)
    copies = np.tile(COPIES, 256 // len(COPIES))
    results = {}
    for part in LEAKAGE.parts_of("cpu-20"):
        rows = []
        for config in part.plan(part.name).configs:
            loss = 3.5 + hard + rng.normal(0, 0.02) + rng.normal(0, noise, 256)
            if part.name == "leaked":
                loss += harm - gain(config, copies)
            documents = DocumentLosses(tuple(range(256)), (256,) * 256, tuple(loss.tolist()))
            record = replace(simulate_run(config, LAW), loss=float(loss.mean()), heldout=documents)
            rows.append(LEAKAGE.row(record))
        results[part.name] = rows
    return results


def by_copies(config: RunConfig, copies: np.ndarray) -> np.ndarray:
    return 0.02 * np.sqrt(copies) * config.shape.d_model / 40


def test_all_sizes_see_as_many_tokens_and_all_passages_are_measured() -> None:
    parts = LEAKAGE.parts_of("cpu-20")
    assert {part.corpus for part in parts} == set(LEAKS)
    plans = [part.plan("c") for part in parts]
    assert sum(plan.flops for plan in plans) < 1e13
    for plan in plans:
        tokens = [config.n_tokens for config in plan.configs]
        assert max(tokens) / min(tokens) < 1.001
        assert max(tokens) <= 1_000_000, "no copy comes up twice"
        assert {config.eval_sequences * 128 for config in plan.configs} == {256 * 256}


def test_the_leak_is_found_again_whatever_the_copies_cost_the_rest() -> None:
    results = simulated(by_copies, harm=0.1)
    found = leaks(results)
    assert len(found) == 4 * 3
    ratios = []
    for leak in found:
        truth = 0.02 * leak.copies**0.5 * (leak.d_model or (16 + 40 + 96) / 3) / 40
        assert leak.gain == pytest.approx(truth, abs=2.5 * leak.half_width)
        # Two seeds each: the noise of a passage's gain is that of a run; 96 or 32 passages against 96.
        n = 96 if leak.copies == 1 else 32
        runs = 1 if leak.d_model else 3
        expected = 1.645 * 0.03 * (1 / runs / n + 1 / runs / 96) ** 0.5
        assert leak.half_width == pytest.approx(expected, rel=0.25)
        ratios.append(leak.half_width / expected)
        assert leak.interval == pytest.approx((leak.gain - leak.half_width, leak.gain + leak.half_width))
    # Three models and their mean, whose passages with none are shared: each errs by a tenth.
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


def test_the_verdict_follows_the_truth() -> None:
    leaky = LEAKAGE.judge(simulated(by_copies), None)
    assert leaky.outcome == "holds", leaky
    assert leaky.numbers["growth"] - leaky.numbers["growth_half_width"] > 0
    tight = LEAKAGE.judge(simulated(lambda config, copies: -0.003 * copies), None)
    assert tight.outcome == "does not hold", tight
    assert tight.numbers["growth"] == pytest.approx(0, abs=2 * tight.numbers["growth_half_width"])
    noisy = LEAKAGE.judge(simulated(lambda config, copies: 0.004 * copies, noise=1.0), None)
    assert noisy.outcome == "cannot tell", noisy


def test_losses_of_passages_go_through_a_table() -> None:
    (config, *_) = LEAKAGE.parts_of("ci")[0].plan("c").configs
    record = replace(simulate_run(config, LAW), heldout=DocumentLosses((0, 1), (2, 2), (3.25, 4.0)))
    assert passage_losses(record) == {"passage_losses": "3.2500 4.0000"}
    assert set(LEAKAGE.row(record)) == {*record.to_row(), "passage_losses"}
