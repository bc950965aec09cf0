"""Batched Newton steps inside bounds."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from chinchilla_lib.fitting.newton import Minimum, minimise, solve_positive

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def random_positive(rng: np.random.Generator, n_rows: int, k: int) -> FloatArray:
    root = rng.standard_normal((n_rows, k, k))
    return np.asarray(root @ root.transpose(0, 2, 1) + 0.1 * np.eye(k))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 8))
def test_solutions_are_numpys(seed: int, k: int, n_rows: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, right, added = (
        random_positive(rng, n_rows, k),
        rng.standard_normal((n_rows, k)),
        rng.random((n_rows, k)),
    )
    z, positive = solve_positive(matrix, added, right)
    whole = matrix + added[:, :, None] * np.eye(k)
    assert positive.all()
    np.testing.assert_allclose(z, np.linalg.solve(whole, right[:, :, None])[:, :, 0], rtol=1e-6, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_what_is_not_positive_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = random_positive(rng, 3, 4)
    matrix[1] -= 2 * np.linalg.eigvalsh(matrix[1])[-1] * np.eye(4)
    z, positive = solve_positive(matrix, np.zeros((3, 4)), np.ones((3, 4)))
    assert positive.tolist() == [True, False, True]
    assert (z[1] == 0).all()


def rosenbrock(points: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rosenbrock's valley, bent by 1, 10 and 100 in rows 0, 1 and 2."""
    bend = 10.0 ** (rows % 3)
    x, y = points.T
    value = (1 - x) ** 2 + bend * (y - x**2) ** 2
    gradient = np.stack([-2 * (1 - x) - 4 * bend * x * (y - x**2), 2 * bend * (y - x**2)], axis=1)
    hessian = np.empty((len(points), 2, 2))
    hessian[:, 0, 0] = 2 - 4 * bend * (y - 3 * x**2)
    hessian[:, 0, 1] = hessian[:, 1, 0] = -4 * bend * x
    hessian[:, 1, 1] = 2 * bend
    return value, gradient, hessian


def run(start: FloatArray, upper: float = 10.0, at_once: int = 64, n_steps: int = 300) -> Minimum:
    return minimise(
        rosenbrock,
        start,
        lower=np.full(2, -10.0),
        upper=np.full(2, upper),
        scale=lambda points, _: np.ones_like(points),
        negligible=np.full(len(start), 1e-20),
        at_once=at_once,
        n_steps=n_steps,
    )


def test_curved_valleys_are_followed_to_their_end() -> None:
    end = run(np.array([[-1.2, 1.0], [3.0, -5.0], [-4.0, 9.0]]))
    np.testing.assert_allclose(end.point, 1.0, atol=1e-6)
    assert (end.predicted <= 1e-14 * (end.value + 1e-20)).all()


def test_a_bound_holds_its_parameter() -> None:
    end = run(np.array([[-1.2, 0.2]]), upper=0.5)
    x, y = end.point[0]
    assert x == 0.5
    np.testing.assert_allclose(y, 0.25, atol=1e-7)
    assert end.gradient[0, 0] == 0
    assert end.predicted[0] <= 1e-14


def test_the_order_of_the_queue_changes_nothing() -> None:
    start = np.random.default_rng(1).uniform(-3, 3, (30, 2))
    np.testing.assert_array_equal(run(start, at_once=4).point, run(start, at_once=64).point)


def test_no_rows_no_end() -> None:
    assert len(run(np.empty((0, 2))).value) == 0


def test_a_row_out_of_steps_does_not_claim_an_optimum() -> None:
    end = run(np.array([[-1.2, 1.0]]), n_steps=2)
    assert end.predicted[0] > 1e-6 * end.value[0]
