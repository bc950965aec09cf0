"""Published laws agree with the table of fits and with what their authors say of them."""

import math
from pathlib import Path

import numpy as np
import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.laws import ParametricLoss
from chinchilla_lib.reference import CONFIDENCE, LAWS, find_law, load_paper_table, load_published

ROWS = {
    "hoffmann": "Hoffmann 2022 printed (Eq. 10)",
    "hoffmann-unrounded": "Hoffmann 2022 TeX-source (unrounded)",
    "epoch": "Besiroglu 2024 refit (headline)",
    "epoch-optimum": "Besiroglu 2024 notebook grid L-BFGS-B",
    "muennighoff": "Muennighoff 2023 base fit on C4",
}


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_the_row_of_the_table_to_its_digits(name: str) -> None:
    [row] = [row for row in load_paper_table("approach3_fits").rows if row["fit"] == ROWS[name]]
    law = find_law(name).law
    for field, tolerance in {"E": 2e-3, "A": 2e-3, "B": 4e-3, "alpha": 1e-3, "beta": 1e-3}.items():
        assert getattr(law, field) == pytest.approx(float(row[field]), rel=tolerance)
    assert law.a == pytest.approx(float(row["a"]), abs=6e-5)
    assert law.b == pytest.approx(float(row["b"]), abs=6e-5)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_says_where_it_is_from(name: str) -> None:
    published = find_law(name)
    assert published.name == name
    assert published.source and published.data
    assert published.confidence in CONFIDENCE
    assert bool(published.intervals) == (published.level is not None)
    for field, (low, high) in published.intervals.items():
        assert low < getattr(published.law, field) < high


def test_rounding_moves_gophers_optimum_from_40b_to_32b() -> None:
    assert LAWS["hoffmann"].law.n_opt(5.76e23) == pytest.approx(32.2e9, abs=5e7)
    assert LAWS["hoffmann-unrounded"].law.n_opt(5.76e23) == pytest.approx(40.4e9, abs=5e7)


@pytest.mark.parametrize(
    ("name", "column"),
    [("hoffmann", "printed_rounded"), ("hoffmann-unrounded", "tex_unrounded"), ("epoch", "epoch_refit")],
)
def test_the_checks_of_rounding_follow_from_the_table_of_fits(name: str, column: str) -> None:
    [row] = [row for row in load_paper_table("approach3_fits").rows if row["fit"] == ROWS[name]]
    law = ParametricLoss(**{field: float(row[field]) for field in ("E", "A", "B", "alpha", "beta")})
    checks = {row["check"]: row[column] for row in load_paper_table("rounding_sensitivity_checks").rows}
    printed = float(checks["N_opt at 5.76e23"].removesuffix("B"))
    assert law.n_opt(5.76e23) / 1e9 == pytest.approx(printed, abs=0.06)
    printed = float(checks["N_opt at 2.21e19 (Table A3 row 400M)"].removesuffix("M"))
    assert law.n_opt(2.21e19) / 1e6 == pytest.approx(printed, abs=0.6)
    rounding = 1e-4  # half a unit of the last digit in the losses, and as much in E
    chinchilla, gopher = law.loss(70e9, 1.4e12), law.loss(280e9, 300e9)
    assert chinchilla == pytest.approx(float(checks["L(70B, 1.4T)"]), abs=rounding)
    assert gopher == pytest.approx(float(checks["L(280B, 300B)"]), abs=rounding)
    limit = law.E + law.B / 300e9**law.beta
    assert limit == pytest.approx(float(checks["limit N to infinity at 300B tokens"]), abs=rounding)
    claim = checks["Chinchilla beats every model size at 300B tokens?"]
    assert claim.startswith("yes" if chinchilla < limit else "no")


def test_standard_errors_of_the_refit_are_those_of_the_table() -> None:
    findings = {row["item"]: row["notebook"] for row in load_paper_table("besiroglu_findings").rows}
    published = LAWS["epoch"]
    for field in ("E", "A", "B", "alpha", "beta"):
        error = float(findings[f"standard error {field}"])
        assert published.standard_errors[field] == pytest.approx(error, rel=0.02)
        low, high = map(float, findings[f"95 percent interval {field}"].split(" to "))
        assert published.intervals[field] == (low, high)


def test_the_optimum_of_the_points_is_a_stationary_point(published_folder: Path) -> None:
    """No step of a millionth in any parameter lowers the objective that the law is said to minimise."""
    table = load_published("epoch_fig4", folder=published_folder)
    log_n, log_d, log_loss = np.log(table.n_params), np.log(table.n_tokens), np.log(table.loss)

    def objective(point: np.ndarray) -> float:
        e, a, b, alpha, beta = point
        terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full(len(table), e)])
        miss = np.abs(np.logaddexp.reduce(terms) - log_loss)
        return float(np.where(miss < 1e-3, miss**2 / 2, 1e-3 * (miss - 5e-4)).sum())

    def logs(law: ParametricLoss) -> np.ndarray:
        return np.array([math.log(law.E), math.log(law.A), math.log(law.B), law.alpha, law.beta])

    best = logs(LAWS["epoch-optimum"].law)
    steps = np.vstack([np.eye(5), -np.eye(5)]) * 1e-6
    assert all(objective(best + step) > objective(best) for step in steps)
    assert objective(best) < objective(logs(LAWS["epoch"].law))


def test_unknown_laws_are_refused() -> None:
    with pytest.raises(InputError, match="no published law is called 'kaplan'; choose one of hoffmann, "):
        find_law("kaplan")
