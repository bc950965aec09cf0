"""Batched parabolas equal NumPy's polyfit on the repeated runs, one resample at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.fitting.parabola import fit_parabolas

Z = np.array([-1.0, -0.4, -0.4, 0.1, 0.5, 1.0])
SIZE = np.array([0, 1, 1, 2, 3, 4])
LOSS = np.array([3.31, 3.12, 3.14, 3.02, 3.11, 3.27])


@given(st.lists(st.integers(0, 4), min_size=6, max_size=6).filter(any))
def test_each_resample_is_polyfit(counts: list[int]) -> None:
    drawn = np.array([[1] * 6, counts])
    batch = fit_parabolas(Z, SIZE, LOSS, drawn)
    rows = np.repeat(np.arange(6), counts)
    determined = len(set(SIZE[rows])) >= 3
    assert batch.determined.tolist() == [True, determined]
    if not determined:
        assert np.isnan([batch.c0[1], batch.c1[1], batch.c2[1], batch.argmin[1]]).all()
        return
    c2, c1, c0 = np.polyfit(Z[rows], LOSS[rows], 2)
    np.testing.assert_allclose(batch.predict(Z)[1], c0 + c1 * Z + c2 * Z**2, rtol=1e-10)
    assert batch.c2[1] == pytest.approx(c2, rel=1e-8)
    assert batch.opens_upward[1] == (c2 > 0)
    if c2 > 0:
        assert batch.argmin[1] == pytest.approx(-c1 / (2 * c2), rel=1e-8, abs=1e-8)


def test_three_sizes_are_met_exactly() -> None:
    parabola = fit_parabolas(Z[[0, 3, 5]], np.arange(3), LOSS[[0, 3, 5]], np.ones((1, 3), dtype=np.int64))
    np.testing.assert_allclose(parabola.predict(Z[[0, 3, 5]])[0], LOSS[[0, 3, 5]], rtol=1e-14)


@pytest.mark.parametrize("loss", [3.3 * np.ones(6), 2 + 0.1 * Z, 7 - LOSS])
def test_flat_straight_and_hanging_losses_have_no_minimum(loss: np.ndarray) -> None:
    parabola = fit_parabolas(Z, SIZE, loss, np.ones((1, 6), dtype=np.int64))
    assert parabola.determined.all()
    assert not parabola.opens_upward.any()
    assert np.isnan(parabola.argmin).all()


def test_sizes_that_double_precision_cannot_tell_apart_do_not_determine_a_parabola() -> None:
    z = np.array([-1.0, 1.0 - 1e-9, 1.0])
    parabola = fit_parabolas(z, np.arange(3), np.array([3.0, 2.0, 3.0]), np.ones((1, 3), dtype=np.int64))
    assert not parabola.determined.any()
