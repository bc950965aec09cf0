"""The recorded comparison of forms on published points is what a comparison of them gives."""

from pathlib import Path

import pytest

from chinchilla_lib.experiments import published_forms
from chinchilla_lib.experiments.published_forms import (
    UP_TO,
    comparison_from_rows,
    comparison_rows,
    load_forms,
    record_published_forms,
)
from chinchilla_lib.fitting.forms import FORMS, compare_forms
from chinchilla_lib.reference import LAWS, load_published
from chinchilla_lib.sweeps.simulate import simulate_isoflop_sweep

QUICK = {name: FORMS[name] for name in ("additive", "additive, E = 0")}
TABLE = simulate_isoflop_sweep(LAWS["epoch"].law, [1e19, 1e20, 1e21, 3e21], noise=0.002)


def test_the_record_is_the_comparison(published_folder: Path) -> None:
    table = load_published("epoch_fig4", points="isoflop", folder=published_folder)
    again = {errors.form: errors for errors in compare_forms(table, UP_TO, forms=QUICK).errors}
    recorded = {errors.form: errors for errors in load_forms().errors}
    assert set(recorded) == set(FORMS) - {"Kaplan, without embeddings"}  # no such counts are known
    for name, errors in again.items():
        for mine, theirs in zip(errors.by_budget, recorded[name].by_budget, strict=True):
            assert theirs.flops == pytest.approx(mine.flops, rel=1e-5)
            assert theirs.bias == pytest.approx(mine.bias, abs=1e-5)
        assert recorded[name].rms == pytest.approx(errors.rms, abs=1e-5)
        assert recorded[name].fitted_rms == pytest.approx(errors.fitted_rms, abs=1e-5)


def test_rows_hold_the_whole_comparison() -> None:
    comparison = compare_forms(TABLE, 1e20, forms=QUICK)
    again = comparison_from_rows(comparison_rows(comparison), comparison.source)
    assert str(again) == str(comparison)
    assert again.best.form == comparison.best.form == "additive"
    assert [one.n_runs for one in again.errors[0].by_budget] == [9, 9]


def test_a_record_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_forms, "load_published", lambda name, points: TABLE)
    monkeypatch.setattr(
        published_forms, "compare_forms", lambda table, up_to: compare_forms(table, up_to, forms=QUICK)
    )
    record_published_forms(tmp_path)
    there = tmp_path / "epoch-forms"
    assert {path.name for path in there.iterdir()} == {"runs.csv", "provenance.json"}
    assert len((there / "runs.csv").read_text().splitlines()) == 1 + 2 * 2
