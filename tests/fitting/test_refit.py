"""Refits of many rows against one search each."""

from dataclasses import replace

import numpy as np
import pytest

from chinchilla_lib.fitting import refit
from chinchilla_lib.fitting.objective import Runs, huber, log_residuals
from chinchilla_lib.fitting.refit import refit_rows
from chinchilla_lib.fitting.search import Space, find_optimum
from tests.fitting.test_parametric import NOISY

DELTA = 1e-3
RUNS = Runs.from_table(NOISY, np.arange(len(NOISY)))
WARM = find_optimum(RUNS, DELTA, Space()).params[None]
# The law with the data term gone: a stationary point far above the optimum.
BAD = np.array([[1.0, -24.0, 0.3, 0.1, 1.0]])


def losses(n_rows: int, noise: float = 0.01) -> Runs:
    scatter = np.random.default_rng(7).standard_normal((n_rows, len(NOISY)))
    return replace(RUNS, log_loss=RUNS.log_loss + noise * scatter)


def values(runs: Runs) -> list[float]:
    """The optimum of each row, searched for alone."""
    return [find_optimum(replace(runs, log_loss=row), DELTA, Space()).value for row in runs.log_loss]


def value_of(runs: Runs, params: np.ndarray) -> list[float]:
    return [float(v) for v in huber(log_residuals(runs, params), DELTA).sum(axis=1)]


@pytest.mark.parametrize("warm", [WARM, BAD])
def test_each_row_ends_where_its_own_search_does(warm: np.ndarray) -> None:
    runs = losses(8)
    params, checked = refit_rows(runs, warm, DELTA, Space())
    assert checked.all()
    assert value_of(runs, params) == pytest.approx(values(runs), rel=1e-8)


def test_weights_are_repeated_rows() -> None:
    counts = np.random.default_rng(1).multinomial(len(NOISY), np.full(len(NOISY), 1 / len(NOISY)), size=4)
    params, checked = refit_rows(replace(RUNS, weights=counts.astype(float)), WARM, DELTA, Space())
    assert checked.all()
    for row, count in zip(params, counts, strict=True):
        index = np.repeat(np.arange(len(NOISY)), count)
        own = Runs(RUNS.x[index], RUNS.y[index], RUNS.log_loss[index], RUNS.center)
        assert value_of(own, row[None])[0] == pytest.approx(find_optimum(own, DELTA, Space()).value, rel=1e-8)


def test_a_second_start_that_ends_lower_gives_all_rows_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 rows: every second is audited; from a bad warm start the others are followed again, too."""
    runs = losses(128, noise=1e-4)
    given: list[int] = []
    second = refit._second_start

    def spy(runs: Runs, end: object, rows: np.ndarray, *rest: object) -> bool:
        given.append(len(rows))
        return second(runs, end, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(refit, "_second_start", spy)
    refit_rows(runs, WARM, DELTA, Space())
    assert given == [64]
    given.clear()
    params, _ = refit_rows(runs, BAD, DELTA, Space())
    assert given == [64, 64]
    assert value_of(runs, params)[:6] == pytest.approx(
        values(replace(runs, log_loss=runs.log_loss[:6])), rel=1e-8
    )
