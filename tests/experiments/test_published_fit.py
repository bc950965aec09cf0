"""The recorded frontier of the published points is what a fit of them gives."""

from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.experiments import published_fit
from chinchilla_lib.experiments.published_fit import (
    BUDGETS,
    frontier_rows,
    load_draws,
    record_published_draws,
    record_published_fit,
)
from chinchilla_lib.fitting import PARAMETRIC, bootstrap_fit
from chinchilla_lib.reference import LAWS, load_published
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

RECORDED = [{name: float(cell) for name, cell in row.items()} for row in load_recorded("epoch-frontier").rows]


def test_the_record_is_the_frontier_of_the_law() -> None:
    law = LAWS["epoch-optimum"].law
    assert [row["flops"] for row in RECORDED] == list(BUDGETS)
    for row in RECORDED:
        assert row["n_params"] == pytest.approx(law.n_opt(row["flops"]), rel=1e-5)
        assert row["n_tokens"] == pytest.approx(law.d_opt(row["flops"]), rel=1e-5)
        assert row["loss"] == pytest.approx(law.loss(row["n_params"], row["n_tokens"]), rel=1e-5)
        for name in ("n_params", "n_tokens", "loss"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_its_intervals_are_those_of_other_draws(published_folder: Path) -> None:
    """The ends of 500 draws scatter by a tenth of a standard deviation; four times that are allowed."""
    table = load_published("epoch_fig4", folder=published_folder)
    rows = frontier_rows(bootstrap_fit(PARAMETRIC, table, n_draws=500, seed=1))
    for name in ("n_params", "n_tokens", "loss"):
        for end in ("low", "high"):
            ours = np.log([row[f"{name}_{end}"] for row in rows])
            theirs = np.log([row[f"{name}_{end}"] for row in RECORDED])
            widths = [row[f"{name}_high"] / row[f"{name}_low"] for row in RECORDED]
            assert (np.abs(ours - theirs) <= 0.4 * np.log(widths) / 3.29).all()


def test_a_record_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulate_isoflop_sweep(LAWS["epoch"].law, [1e18, 1e19, 1e20], noise=0.002)
    monkeypatch.setattr(published_fit, "load_published", lambda name: table)
    record_published_fit(tmp_path, n_draws=20)
    there = tmp_path / "epoch-frontier"
    assert {path.name for path in there.iterdir()} == {"runs.csv", "provenance.json"}
    assert len((there / "runs.csv").read_text().splitlines()) == 1 + len(BUDGETS)


def test_the_recorded_laws_are_those_of_the_recorded_frontier() -> None:
    """Ends of 500 draws beside those of 4000, as above."""
    e, log_a, log_b, alpha, beta = load_draws().T
    for row in RECORDED:
        log_g = (np.log(alpha) + log_a - np.log(beta) - log_b) / (alpha + beta)
        log_n = log_g + beta / (alpha + beta) * np.log(row["flops"] / 6)
        log_d = np.log(row["flops"] / 6) - log_n
        loss = e + np.exp(log_a - alpha * log_n) + np.exp(log_b - beta * log_d)
        for name, logs in (("n_params", log_n), ("n_tokens", log_d), ("loss", np.log(loss))):
            ends = np.log([row[f"{name}_low"], row[f"{name}_high"]])
            spread = (ends[1] - ends[0]) / 3.29
            assert (np.abs(np.quantile(logs, [0.05, 0.95]) - ends) <= 0.4 * spread).all()


def test_draws_can_be_recorded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulate_isoflop_sweep(LAWS["epoch"].law, [1e18, 1e19, 1e20], noise=0.002)
    monkeypatch.setattr(published_fit, "load_published", lambda name: table)
    record_published_draws(tmp_path, n_draws=20)
    lines = (tmp_path / "epoch-draws" / "runs.csv").read_text().splitlines()
    assert lines[0] == "E,log_A,log_B,alpha,beta"
    drawn = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    fit = bootstrap_fit(PARAMETRIC, table, n_draws=20, seed=0)
    assert fit.draws is not None and fit.draws.law is not None
    np.testing.assert_allclose(drawn, fit.draws.law, rtol=1e-7)
