"""What is recorded of each approach on the published points is what a fit of them gives."""

import math
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.experiments import published_approaches
from chinchilla_lib.experiments.published_approaches import (
    GOPHER,
    METHODS,
    SCHEMES,
    load_approaches,
    load_objectives,
    record_published_approaches,
    record_published_objectives,
)
from chinchilla_lib.fitting import ISOFLOP, bootstrap_fit, fit_parametric
from chinchilla_lib.reference import LAWS, load_published
from chinchilla_lib.reference.recorded import load_recorded
from chinchilla_lib.sweeps.simulate import simulate_table
from chinchilla_lib.sweeps.table import SweepTable


def same_sizes() -> SweepTable:
    """Runs whose sizes come back at other budgets, as Approach 1 needs them by final losses."""
    law, budgets = LAWS["epoch"].law, np.geomspace(1e19, 1e21, 5)
    steps = [round(2 * math.log2(law.n_opt(flops))) + k for flops in budgets for k in range(-4, 5)]
    sizes, flops = 2 ** (np.array(steps) / 2), np.repeat(budgets, 9)
    return simulate_table(law, sizes, flops / (6 * sizes), flops_budget=flops, noise=0.002, seed=0)


def test_every_method_and_scheme_is_recorded_with_its_intervals() -> None:
    found = load_approaches()
    assert set(found) == {(method, scheme) for method in METHODS for scheme in SCHEMES}
    for one in found.values():
        for name in ("a", "b", "n_params"):
            wide, narrow = one.interval(name), one.interval(name, 0.8)
            assert wide[0] < narrow[0] < getattr(one, name) < narrow[1] < wide[1]
        # Subsets of one data set differ less than resamples do, which is what the paper's scheme lacks.
        low, high = found[one.method, "pairs"].interval("a")
        assert high - low >= one.interval("a")[1] - one.interval("a")[0]
    with pytest.raises(InputError, match=r"no interval of 'a' at level 0\.95 .* one of 0\.9, 0\.8"):
        found["isoflop", "pairs"].interval("a", 0.95)


def test_approach_3_is_that_of_the_other_records() -> None:
    """The ends of 1000 draws beside those of 4000: a tenth of the interval is allowed."""
    law, ours = LAWS["epoch-optimum"].law, load_approaches()["parametric", "pairs"]
    assert ours.a == pytest.approx(law.a, rel=1e-5)
    assert ours.n_params == pytest.approx(law.n_opt(GOPHER), rel=1e-4)
    rows = [{k: float(v) for k, v in row.items()} for row in load_recorded("epoch-frontier").rows]
    below, above = (row for row in rows if 4.5e23 < row["flops"] < 1.1e24)
    low, high = ours.interval("n_params")
    for end, value in (("low", low), ("high", high)):
        slack = 0.1 * (high - low)
        assert below[f"n_params_{end}"] - slack < value < above[f"n_params_{end}"] + slack


def test_valleys_are_counted_where_there_are_any() -> None:
    found = {method: load_approaches()[method, "pairs"] for method in METHODS}
    assert found["isoflop"].n_valleys == 9 > found["isoflop"].n_inside
    assert found["decayed"].n_valleys == found["decayed"].n_inside == 0


def test_the_record_is_what_a_fit_gives(published_folder: Path) -> None:
    valleys = load_published("epoch_fig4", points="isoflop", folder=published_folder)
    ours = load_approaches()["isoflop", "pairs"]
    fit = bootstrap_fit(ISOFLOP, valleys, n_draws=1000, seed=0)
    assert (fit.a, fit.b) == pytest.approx((ours.a, ours.b), rel=1e-5)
    assert fit.interval("a") == pytest.approx(ours.interval("a"), rel=1e-5)
    points = load_published("epoch_fig4", folder=published_folder)
    assert load_objectives()["epoch-optimum"] == pytest.approx(fit_parametric(points).objective, rel=1e-8)


def test_records_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = same_sizes()
    monkeypatch.setattr(published_approaches, "load_published", lambda name, points="fitted": table)
    record_published_approaches(tmp_path, n_draws=30)
    record_published_objectives(tmp_path)
    lines = (tmp_path / "epoch-approaches" / "runs.csv").read_text().splitlines()
    assert len(lines) == 1 + len(METHODS) * len(SCHEMES)
    columns = (tmp_path / "epoch-objectives" / "runs.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in columns] == ["law", *LAWS]
